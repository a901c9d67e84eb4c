"""The built-in events: deterministic, varied, sounding from end to end, told apart."""

import hashlib
import time

import numpy as np
import pytest

from tfweak.audio.mel_spectrum import log_mel
from tfweak.data_prep.scenes import synthesis
from tfweak.data_prep.scenes.synthesis import EVENT_KINDS

RATE = 16000


def make(name, seed, seconds=None, rate=RATE):
    kind = EVENT_KINDS[name]
    rng = np.random.default_rng(seed)
    if seconds is None:
        seconds = rng.uniform(kind.min_seconds, kind.max_seconds)
    return kind.make(rng, seconds, rate), seconds


def pitch_track(waveform, low_hz, high_hz):
    """The strongest frequency within bounds in each 64 ms, step 16 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 1024)[::256]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(1024), 8192))
    hertz = np.fft.rfftfreq(8192, 1 / RATE)
    inside = (hertz >= low_hz) & (hertz <= high_hz)
    return hertz[inside][np.argmax(spectrum[:, inside], axis=1)]


def test_there_are_enough_kinds():
    assert len(EVENT_KINDS) >= 12
    assert len({kind.make for kind in EVENT_KINDS.values()}) == len(EVENT_KINDS)
    for kind in EVENT_KINDS.values():
        assert 0 < kind.min_seconds < kind.max_seconds <= 8
    assert sum(kind.max_seconds <= 2 for kind in EVENT_KINDS.values()) >= 3
    assert sum(kind.min_seconds >= 2 for kind in EVENT_KINDS.values()) >= 3


@pytest.mark.parametrize("name", EVENT_KINDS)
def test_form(name):
    for seed in range(4):
        found, seconds = make(name, seed)
        assert found.dtype == np.float32
        assert found.shape == (round(seconds * RATE),)
        assert np.isfinite(found).all()
        assert np.abs(found).max() == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("name", EVENT_KINDS)
def test_limits_of_the_length_and_another_rate(name):
    kind = EVENT_KINDS[name]
    for seconds in (kind.min_seconds, kind.max_seconds):
        for rate in (8000, 32000):
            found, _ = make(name, 5, seconds, rate)
            assert found.shape == (round(seconds * rate),)
            assert np.isfinite(found).all()


@pytest.mark.parametrize("name", EVENT_KINDS)
def test_seed_determines_the_samples(name):
    first = [
        hashlib.sha256(make(name, seed)[0].tobytes()).digest() for seed in (0, 1, 2, 0)
    ]
    assert first[0] == first[3]
    assert len(set(first)) == 3


@pytest.mark.parametrize("name", EVENT_KINDS)
def test_sounds_from_its_first_to_its_last_tenth_of_a_second(name):
    for seed in range(8):
        found, _ = make(name, seed)
        loudest = max(
            np.mean(np.square(part))
            for part in np.array_split(found, max(1, len(found) // 1600))
        )
        for end in (found[:1600], found[-1600:]):
            # active_region takes what is within 30 dB
            assert 10 * np.log10(np.mean(np.square(end)) / loudest) > -25


def test_sirens_move_as_they_should():
    def turns_per_second(name, seed):
        found, seconds = make(name, seed, 6.0)
        track = pitch_track(found, 400, 2200)
        above = track > (np.percentile(track, 5) + np.percentile(track, 95)) / 2
        return np.count_nonzero(np.diff(above.astype(int)) == 1) / seconds

    for seed in range(6):
        assert turns_per_second("ambulance_siren", seed) < 0.7
        assert 2 < turns_per_second("police_siren", seed) < 5
        assert 0.6 < turns_per_second("fire_engine_siren", seed) < 1.5


def test_hi_lo_has_two_pitches_and_wail_many():
    def spread(name):
        track = pitch_track(make(name, 1, 6.0)[0], 400, 2200)
        return len(np.unique(np.round(track / 20)))

    assert spread("fire_engine_siren") < 12 < spread("ambulance_siren")


def test_reversing_beeps_are_whole():
    for seed in range(8):
        found, seconds = make("reversing_beeps", seed)
        loud = np.abs(found).reshape(-1) > 0.05
        near = np.convolve(loud, np.ones(161), "same") > 0
        edges = np.flatnonzero(np.diff(near.astype(int)))
        # on at the start and at the end, a pause between any two beeps
        lengths = np.diff(np.concatenate([[0], edges, [len(found)]])) / RATE
        assert near[0] and near[-1]
        assert len(lengths) >= 3 and len(lengths) % 2 == 1
        beeps, pauses = lengths[::2], lengths[1::2]
        assert beeps.max() - beeps.min() < 0.05  # all but the last have reflections
        assert pauses.min() > 0.1


def test_background():
    first = synthesis.background(np.random.default_rng(0), 10.0, RATE)
    again = synthesis.background(np.random.default_rng(0), 10.0, RATE)
    other = synthesis.background(np.random.default_rng(1), 10.0, RATE)
    assert first.shape == (160000,) and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    for seed in range(10):
        found = synthesis.background(np.random.default_rng(seed), 4.0, RATE)
        assert np.sqrt(np.mean(np.square(found, dtype=float))) == pytest.approx(0.1)
        # coloured: the octave below 500 Hz is louder than the one below 8 kHz
        power = np.abs(np.fft.rfft(found)) ** 2
        assert power[1000:2000].mean() > power[16000:32000].mean()


def test_kinds_can_be_told_apart_but_not_trivially():
    """Nearest centroid on means and deviations of log-mel bands, 15 kinds."""

    def describe(name, seed):
        bands = log_mel(make(name, [seed, 9])[0])
        steps = np.abs(np.diff(bands, axis=0)).mean(axis=0)
        return np.concatenate([bands.mean(axis=0), bands.std(axis=0), steps])

    train = {
        name: np.mean([describe(name, s) for s in range(8)], axis=0)
        for name in EVENT_KINDS
    }
    right = [
        name == min(train, key=lambda n: np.square(train[n] - found).sum())
        for name in EVENT_KINDS
        for s in range(100, 104)
        for found in [describe(name, s)]
    ]
    assert 0.5 < np.mean(right) < 0.99  # chance is 0.07


def test_synthesis_is_fast():
    start, seconds = time.process_time(), 0.0
    for name in EVENT_KINDS:
        seconds += make(name, 0)[1]
    synthesis.background(np.random.default_rng(0), 10.0, RATE)
    assert (seconds + 10) / (time.process_time() - start) > 20  # times real time
