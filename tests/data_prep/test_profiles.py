"""Built-in worlds: the street stays what it was; the home sounds as it should."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfweak.audio.mel_spectrum import log_mel
from tfweak.data import records
from tfweak.data_prep import datasets, writer
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.datasets import chime_home
from tfweak.data_prep.options import Options
from tfweak.data_prep.scenes import (
    domestic_sounds,
    domestic_voices,
    profiles,
    synthesis,
)
from tfweak.data_prep.scenes.mixing import (
    GeneratedSources,
    SceneConfig,
    active_region,
    mix_scene,
)
from tfweak.errors import InputError

RATE = 16000
KINDS = [
    pytest.param(letter, kind, id=f"{letter}-{kind.make.__name__.strip('_')}")
    for letter, kinds in domestic_sounds.DOMESTIC_KINDS.items()
    for kind in kinds
]


def plan(**options):
    return datasets.DATASETS.get("soundscapes")().plan(Options(**options))


def scene(name, seed, index):
    profile = profiles.profile_of(name)
    rng = np.random.default_rng([seed, index])
    seconds = profile.scene.duration_seconds
    return mix_scene(
        rng,
        GeneratedSources(RATE, profile.kinds),
        profile.background(rng, seconds, RATE),
        profile.scene,
    )


def make(kind, seed, rate=RATE, seconds=None):
    rng = np.random.default_rng(seed)
    if seconds is None:
        seconds = rng.uniform(kind.min_seconds, kind.max_seconds)
    return kind.make(rng, seconds, rate), seconds


# --- the street, which is the default -------------------------------------------------


def test_the_default_scenes_have_not_changed():
    """Recorded before there were profiles: a seed must go on giving its scenes."""
    recorded = {
        (0, 0): (
            [
                (13, 0.8033125, 6.8033125),
                (8, 1.3495625, 1.7695625),
                (10, 5.746625, 7.926625),
            ],
            0.11421661189324718,
        ),
        (0, 1): ([], 0.0059637031804760975),
        (7, 11): (
            [(12, 2.1505, 5.8505), (8, 2.5190625, 3.0678125)],
            0.027233477950997252,
        ),
    }
    for (seed, index), (events, level) in recorded.items():
        found = scene("street", seed, index)
        assert list(found.events) == events
        rms = np.sqrt(np.mean(np.square(found.waveform, dtype=float)))
        assert rms == pytest.approx(level, rel=1e-6)


def test_folders_from_before_profiles_can_be_gone_on_with():
    """The settings are part of the fingerprint that a resumed run must have."""
    for options in ({}, {"profile": "street"}, {"clip_seconds": 10.0}):
        made = plan(num_clips=2, **options)
        assert made.settings == {
            "seed": 0,
            "scene": dataclasses.asdict(SceneConfig()),
            "weak_only_fraction": 0.0,
            "sources": "built-in",
        }
        assert made.classes.names == tuple(synthesis.EVENT_KINDS)
        assert made.classes.digest == "37f7de01d17b6771"


# --- choosing a profile ---------------------------------------------------------------


def test_profiles_are_found_by_name(tmp_path):
    assert profiles.DEFAULT in profiles.PROFILES
    with pytest.raises(InputError, match="no profile 'moon'; there are street, chime"):
        plan(profile="moon")
    with pytest.raises(InputError, match="profile=chime_like is of built-in sounds"):
        plan(profile="chime_like", source=tmp_path)
    kinds = dict(reversed(domestic_sounds.DOMESTIC_KINDS.items()))
    with pytest.raises(ValueError, match="kinds of"):
        dataclasses.replace(profiles.profile_of("chime_like"), kinds=kinds)


def test_the_length_is_the_profiles_unless_given():
    made = plan(profile="chime_like", num_clips=1)
    assert made.context.scene.duration_seconds == 4.0
    assert made.settings["sources"] == "built-in, chime_like"
    made = plan(profile="chime_like", num_clips=1, clip_seconds=7.5)
    assert made.context.scene.duration_seconds == 7.5
    assert plan(num_clips=1).context.scene.duration_seconds == 10.0
    for seconds in (0.5, float("nan")):
        with pytest.raises(InputError, match="expected 1 to 3600"):
            plan(profile="chime_like", clip_seconds=seconds)


def test_the_command_writes_chime_like(tmp_path, capsys):
    argv = ["dataset=soundscapes", "profile=chime_like", "num_clips=6", "workers=1"]
    argv = [f"--{a}" for a in argv]
    assert prepare.main([*argv, f"--out={tmp_path / 'strong'}"]) == 0
    weak = [f"--out={tmp_path / 'weak'}", "--weak_only_fraction=1"]
    assert prepare.main([*argv, *weak]) == 0
    found = {}
    for name in ("strong", "weak"):
        info = records.DatasetInfo.read(tmp_path / name)
        assert info.classes == chime_home.CHIME_HOME_CLASSES
        assert info.has_strong == (name == "strong")
        (path,) = (tmp_path / name).glob("*.tfrecord")
        data = tf.data.TFRecordDataset(str(path))
        found[name] = [records.parse_clip(r.numpy(), info.payload) for r in data]
    for index, (strong, tags) in enumerate(zip(found["strong"], found["weak"])):
        expected = scene("chime_like", 0, index)
        assert strong.payload.shape == (398, 64)  # 1 + (64000 - 400) // 160
        assert strong.end_seconds == 4.0
        assert strong.labels == tags.labels == expected.labels
        assert tags.events is None
        np.testing.assert_allclose(strong.events, expected.events, rtol=1e-6)
        np.testing.assert_array_equal(strong.payload, tags.payload)
    assert prepare.main([*argv, "--profile=moon", f"--out={tmp_path / 'no'}"]) == 1
    assert "no profile 'moon'" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_another_profile_is_another_plan(tmp_path):
    writer.prepare(
        "soundscapes", tmp_path, Options(num_clips=1, clip_seconds=4.0), workers=1
    )
    other = Options(num_clips=1, clip_seconds=4.0, profile="chime_like")
    with pytest.raises(InputError, match="was prepared from another source"):
        writer.prepare("soundscapes", tmp_path, other, workers=1)


# --- scenes of the home ---------------------------------------------------------------


@pytest.fixture(scope="module")
def home():
    return [scene("chime_like", 3, index) for index in range(100)]


def test_statistics_of_the_scenes(home):
    tags = collections.Counter(label for s in home for label in s.labels)
    # seven classes alike, 100 scenes of 2.1 tags: 30 each, standard deviation below 5
    assert set(tags) == set(range(7))
    assert all(14 <= count <= 46 for count in tags.values())
    silent = sum(not s.events for s in home)
    assert 0 < silent <= 11  # 3 expected, standard deviation 1.7
    assert 1.6 < np.mean([len(s.labels) for s in home]) < 2.5
    assert any(len(s.events) > len(s.labels) for s in home)  # a class more than once
    lengths = [e.offset_seconds - e.onset_seconds for s in home for e in s.events]
    assert min(lengths) < 0.5 and max(lengths) > 3
    inside = [(e.onset_seconds, e.offset_seconds) for s in home for e in s.events]
    assert all(0 <= onset < offset <= 4 for onset, offset in inside)


def test_scenes_are_quiet_between_their_events(home):
    """Strong labels are true: the level rises where they say and nowhere else."""
    inside, outside = [], []
    for found in home:
        power = np.square(found.waveform, dtype=float).reshape(-1, 1600).mean(axis=1)
        level = 10 * np.log10(power)
        for i, value in enumerate(level):
            begin, end = i / 10, (i + 1) / 10
            near = [
                e
                for e in found.events
                if e.onset_seconds < end and begin < e.offset_seconds
            ]
            (inside if near else outside).append(value)
    assert max(outside) < -30  # the background is at -42 dB or below, but wanders
    assert np.median(inside) > np.median(outside) + 10


# --- the sounds -----------------------------------------------------------------------


@pytest.mark.parametrize("letter, kind", KINDS)
def test_form(letter, kind):
    assert 0.2 < kind.min_seconds < kind.max_seconds <= 4
    for seed in range(4):
        found, seconds = make(kind, seed)
        assert found.dtype == np.float32
        assert found.shape == (round(seconds * RATE),)
        assert np.isfinite(found).all()
        assert np.abs(found).max() == pytest.approx(0.9, abs=1e-5)
        start, stop = active_region(found, RATE)
        assert start <= 0.1 * RATE
        assert stop - start >= min(0.25 * len(found), 0.3 * RATE)
    np.testing.assert_array_equal(make(kind, 1)[0], make(kind, 1)[0])
    assert not np.array_equal(
        make(kind, 1, seconds=1.0)[0], make(kind, 2, seconds=1.0)[0]
    )
    for seconds in (kind.min_seconds, kind.max_seconds):
        for rate in (8000, 32000):
            found, _ = make(kind, 5, rate, seconds)
            assert found.shape == (round(seconds * rate),) and np.isfinite(found).all()


def pitch(waveform):
    """Median of the strongest periodicity from 60 to 700 Hz, where there is one."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 1024)[::512]
    loud = np.square(frames).mean(axis=1)
    frames = frames[loud > 0.1 * loud.max()] * np.hanning(1024)
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    # a window's own correlation would favour short lags
    lags = np.fft.irfft(power)[:, : RATE // 60]
    lags /= np.correlate(np.hanning(1024), np.hanning(1024), "full")[1023:][
        : lags.shape[1]
    ]
    best = RATE // 700 + np.argmax(lags[:, RATE // 700 :], axis=1)
    return RATE / np.median(best)


def talk(talker, seed):
    return domestic_voices.speech(np.random.default_rng(seed), 2.0, RATE, talker)


def test_pitches_of_the_talkers():
    found = {
        talker: np.array([pitch(talk(talker, seed)) for seed in range(24)])
        for talker in (
            domestic_voices.MAN,
            domestic_voices.WOMAN,
            domestic_voices.CHILD,
        )
    }
    man, woman, child = found.values()
    assert np.median(man) < 0.75 * np.median(woman)
    assert np.median(woman) < 0.8 * np.median(child)
    for talker, pitches in found.items():
        low, high = talker.pitch_hz
        # the swing is a fifth of an octave or so; slips to the octave are rare
        inside = (pitches > low * 0.75) & (pitches < high * 1.35)
        assert inside.mean() > 0.8, talker
    # neighbours overlap, so that pitch alone does not decide
    assert woman.min() < man.max() and child.min() < woman.max()


def test_a_shorter_vocal_tract_has_higher_formants():
    """The same draws of vowels, so the spectrum is that of the tract alone."""

    def centre(scale):
        talker = domestic_voices.MAN._replace(formant_scale=(scale, scale))
        power = sum(np.abs(np.fft.rfft(talk(talker, seed))) ** 2 for seed in range(6))
        hertz = np.fft.rfftfreq(2 * RATE, 1 / RATE)
        voiced = hertz < 5000
        return (power * hertz)[voiced].sum() / power[voiced].sum()

    assert centre(1.0) < centre(1.2) < centre(1.4)


def test_speech_has_syllables():
    """Its level falls by 6 dB and rises again some times a second; a fan's does not."""

    def dips(waveform):
        size = RATE // 50
        level = np.square(waveform[: len(waveform) // size * size], dtype=float)
        level = np.sqrt(level.reshape(-1, size).mean(axis=1))
        low = level < 0.5 * np.percentile(level, 90)
        return np.count_nonzero(np.diff(low.astype(int)) == 1) / 2.0

    for talker in (domestic_voices.MAN, domestic_voices.WOMAN, domestic_voices.CHILD):
        assert 1 < np.mean([dips(talk(talker, seed)) for seed in range(8)]) < 8
    for kind in domestic_sounds.DOMESTIC_KINDS["b"]:
        waves = [make(kind, seed, seconds=2.0)[0][4800:-4800] for seed in range(4)]
        assert np.mean([dips(wave) for wave in waves]) < 1


def flatness(waveform):
    """Geometric over arithmetic mean of the power from 300 Hz to 2500 Hz."""
    power = np.abs(np.fft.rfft(waveform.astype(float))) ** 2
    hertz = np.fft.rfftfreq(len(waveform), 1 / RATE)
    power = power[(hertz > 300) & (hertz < 2500)] + 1e-12
    bands = power[: len(power) // 40 * 40].reshape(40, -1).mean(axis=1)
    return np.exp(np.log(bands).mean()) / bands.mean()


def test_noise_is_broad_and_blows_are_short():
    flat, busy = {}, {}
    for letter, kinds in domestic_sounds.DOMESTIC_KINDS.items():
        waves = [make(kind, seed)[0] for kind in kinds for seed in range(6)]
        flat[letter] = np.median([flatness(wave) for wave in waves])
        frames = [
            np.square(w[: len(w) // 160 * 160], dtype=float).reshape(-1, 160).mean(1)
            for w in waves
        ]
        # the share of time that is within 10 dB of the loudest moment
        busy[letter] = np.median([np.mean(f > 0.1 * f.max()) for f in frames])
    assert max(flat, key=flat.get) == "b" and min(busy, key=busy.get) == "p"
    assert busy["b"] > max(busy[letter] for letter in "cmfpo")


def test_room():
    for seed in range(10):
        found = domestic_sounds.room(np.random.default_rng(seed), 4.0, RATE)
        again = domestic_sounds.room(np.random.default_rng(seed), 4.0, RATE)
        np.testing.assert_array_equal(found, again)
        assert found.shape == (64000,) and found.dtype == np.float32
        rms = np.sqrt(np.mean(np.square(found, dtype=float)))
        assert rms == pytest.approx(0.1, rel=1e-5)
        # no moment of 0.1 s stands out as an event would
        parts = np.square(found, dtype=float).reshape(-1, 1600).mean(axis=1)
        assert 10 * np.log10(parts.max() / np.median(parts)) < 12
    assert domestic_sounds.room(np.random.default_rng(0), 1.5, 8000).shape == (12000,)


def test_classes_can_be_told_apart_but_not_trivially():
    """The nearest of the kinds' centroids on statistics of log-mel bands."""

    def describe(kind, seed):
        bands = log_mel(make(kind, seed)[0])
        steps = np.abs(np.diff(bands, axis=0)).mean(axis=0)
        bands = bands - bands.mean()  # not by its level
        return np.concatenate([bands.mean(axis=0), bands.std(axis=0), steps])

    kinds = [param.values for param in KINDS]
    centroids = [
        np.mean([describe(kind, [seed, 1]) for seed in range(7)], axis=0)
        for _, kind in kinds
    ]
    right = collections.defaultdict(list)
    for letter, kind in kinds:
        for seed in range(4):
            distance = np.square(centroids - describe(kind, [seed, 2])).sum(axis=1)
            right[letter].append(kinds[int(np.argmin(distance))][0] == letter)
    share = {letter: np.mean(found) for letter, found in right.items()}
    assert min(share.values()) > 0.4, share  # chance is one in seven
    assert np.mean(list(share.values())) < 0.97, share
