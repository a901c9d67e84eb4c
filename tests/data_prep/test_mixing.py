"""Mixed scenes: labels that are true to the sample, levels, rules, determinism."""

import dataclasses

import numpy as np
import pytest

from tfweak.audio.reading import find_audio, read_audio
from tfweak.data_prep.scenes import mixing, synthesis
from tfweak.data_prep.scenes.mixing import (
    ClipSources,
    GeneratedSources,
    SceneConfig,
    active_region,
    event_parts,
    mix_scene,
)
from tfweak.errors import InputError

RATE = 16000
SILENCE = np.zeros(160000, np.float32)


def scene(seed, sources=None, background=SILENCE, **settings):
    return mix_scene(
        np.random.default_rng(seed),
        sources or GeneratedSources(),
        background,
        SceneConfig(**settings),
    )


def street(seed, seconds=10.0):
    return synthesis.background(np.random.default_rng(seed), seconds, RATE)


def spans(found):
    return [
        (round(e.onset_seconds * RATE), round(e.offset_seconds * RATE))
        for e in found.events
    ]


class Constant:
    """Events of ones, their class and length from lists, in order."""

    def __init__(self, labels, lengths):
        self.class_names = tuple(str(i) for i in range(max(labels) + 1))
        self._events = list(zip(labels, lengths))

    def choose(self, rng):
        label, length = self._events.pop(0)
        return label, np.ones(length, np.float32)


# --- labels are true ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_energy_lies_exactly_inside_the_events(seed):
    found = scene(seed, empty_probability=0.0)
    assert found.events
    inside = np.zeros(160000, bool)
    for start, stop in spans(found):
        assert 0 <= start < stop <= 160000
        inside[start:stop] = True
    assert not found.waveform[~inside].any()
    for start, stop in spans(found):
        # it sounds within 20 ms of either end: a frame of 10 ms, one more for a fade
        part = np.square(found.waveform[start:stop], dtype=float)
        loudest = np.convolve(part, np.ones(160) / 160, "valid").max()
        for end in (part[:320], part[-320:]):
            assert 10 * np.log10(end.mean() / loudest) > -40


def test_events_come_in_order_and_give_the_weak_labels():
    for seed in range(12):
        found = scene(seed)
        onsets = [event.onset_seconds for event in found.events]
        assert onsets == sorted(onsets)
        assert found.labels == tuple(sorted({event.label for event in found.events}))


def test_events_are_of_so_many_classes_at_most_and_come_again():
    counts = []
    for seed in range(12):
        found = scene(
            seed,
            background=np.zeros(480000, np.float32),
            duration_seconds=30.0,
            min_events=3,
            empty_probability=0.0,
            max_classes=1,
        )
        assert len(found.labels) == 1
        counts.append(len(found.events))
    assert max(counts) > 1
    with pytest.raises(InputError, match="max_classes=0"):
        SceneConfig(max_classes=0)


def test_onset_and_offset_are_positions_of_samples():
    found = scene(
        0, Constant([0], [8000]), min_events=1, max_events=1, empty_probability=0.0
    )
    (event,) = found.events
    heard = np.flatnonzero(found.waveform)
    assert event.onset_seconds == heard[0] / RATE
    assert event.offset_seconds == (heard[-1] + 1) / RATE
    assert len(heard) == 8000


# --- levels ---------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 15.0])
def test_event_level_over_the_background(snr_db):
    settings = dict(
        min_snr_db=snr_db,
        max_snr_db=snr_db,
        min_background_dbfs=-40.0,
        max_background_dbfs=-40.0,
        min_events=1,
        max_events=1,
    )
    background = street(1)
    without = scene(3, background=background, **{**settings, "empty_probability": 1.0})
    # the same draws up to the one that decides on emptiness, so the same background
    with_event = scene(3, background=background, **settings, empty_probability=0.0)
    event = with_event.waveform.astype(float) - without.waveform
    ((start, stop),) = spans(with_event)
    assert np.sqrt(np.mean(np.square(without.waveform, dtype=float))) == (
        pytest.approx(0.01, rel=1e-4)
    )  # -40 dB
    level = 20 * np.log10(np.sqrt(np.mean(event[start:stop] ** 2)) / 0.01)
    assert level == pytest.approx(snr_db, abs=0.01)
    # over silence, the level that the event would have had
    alone = scene(3, **settings, empty_probability=0.0)
    np.testing.assert_allclose(alone.waveform, event, atol=1e-6)


def test_peaks_are_scaled_only_where_they_would_clip():
    quiet = scene(1, background=street(1), max_snr_db=0.0, min_snr_db=0.0)
    assert np.abs(quiet.waveform).max() < 0.9
    loud = scene(
        1, background=street(1), min_snr_db=60.0, max_snr_db=60.0, empty_probability=0.0
    )
    assert np.abs(loud.waveform).max() == pytest.approx(1.0, abs=1e-6)
    assert np.abs(loud.waveform).max() <= 1.0


# --- rules ----------------------------------------------------------------------------


@pytest.mark.parametrize("polyphony", [1, 2, 3])
def test_polyphony_and_no_class_over_itself(polyphony):
    most = 0
    for seed in range(10):
        found = scene(seed, min_events=8, max_events=8, max_polyphony=polyphony)
        count = np.zeros(160000, int)
        by_class = np.zeros((160000, len(synthesis.EVENT_KINDS)), int)
        for (start, stop), event in zip(spans(found), found.events):
            count[start:stop] += 1
            by_class[start:stop, event.label] += 1
        assert by_class.max() <= 1
        most = max(most, count.max())
    assert most == polyphony


def test_events_without_room_are_left_out():
    # three events of 6 s of one class: only one fits into 10 s
    found = scene(
        0,
        Constant([0, 0, 0], [96000] * 3),
        min_events=3,
        max_events=3,
        empty_probability=0.0,
    )
    assert len(found.events) == 1


def test_number_of_events():
    counts = [
        len(
            scene(
                seed,
                Constant([0, 1, 2], [100] * 3),
                min_events=2,
                max_events=3,
                max_polyphony=3,
                empty_probability=0.3,
            ).events
        )
        for seed in range(60)
    ]
    assert set(counts) == {0, 2, 3}
    assert 0.1 < counts.count(0) / 60 < 0.5
    empty = scene(0, background=street(0), empty_probability=1.0)
    assert empty.events == () and empty.labels == ()
    assert empty.waveform.any()


def test_long_events_are_cut_and_faded():
    found = scene(
        0,
        Constant([0], [100000]),
        min_events=1,
        max_events=1,
        max_event_seconds=2.0,
        fade_seconds=0.01,
        empty_probability=0.0,
    )
    ((start, stop),) = spans(found)
    assert stop - start == 32000
    event = found.waveform[start:stop]
    flat = event[16000]
    # a linear ramp of 160 samples: the first is 1/161, the 80th 80/161
    np.testing.assert_allclose(
        event[[0, 79, 160]] / flat, [1 / 161, 80 / 161, 1], rtol=1e-5
    )
    np.testing.assert_allclose(event[::-1][:160], event[:160], rtol=1e-5)


def test_uncut_events_are_not_faded():
    found = scene(
        0, Constant([0], [16000]), min_events=1, max_events=1, empty_probability=0.0
    )
    ((start, stop),) = spans(found)
    assert len(np.unique(found.waveform[start:stop])) == 1


def test_excerpts_begin_and_end_where_it_sounds():
    class Bursts:
        """0.1 s of sound, 0.4 s of silence, for 8 s."""

        class_names = ("burst",)

        def choose(self, rng):
            return 0, np.tile(np.repeat([1.0, 0.0], [1600, 6400]), 16)[:-6400]

    for seed in range(20):
        for longest in (1.3, 0.3):  # the shorter may fall into a pause
            found = scene(
                seed,
                Bursts(),
                min_events=1,
                max_events=1,
                max_event_seconds=longest,
                empty_probability=0.0,
            )
            ((start, stop),) = spans(found)
            assert stop - start <= longest * RATE
            heard = np.flatnonzero(found.waveform) - start
            assert heard[0] <= 160
            assert stop - start - heard[-1] <= 161 or longest == 0.3


# --- determinism and wrong input ------------------------------------------------------


def test_same_seed_gives_the_same_bytes():
    def make(index):
        rng = np.random.default_rng([7, index])
        return mix_scene(
            rng,
            GeneratedSources(),
            synthesis.background(rng, 10.0, RATE),
            SceneConfig(),
        )

    first, again, other = make(0), make(0), make(1)
    assert first.waveform.tobytes() == again.waveform.tobytes()
    assert first.events == again.events
    assert first.waveform.tobytes() != other.waveform.tobytes()
    assert first.waveform.dtype == np.float32 and first.waveform.shape == (160000,)


@pytest.mark.parametrize(
    "settings",
    [
        {"duration_seconds": 0},
        {"sample_rate_hz": -1},
        {"max_polyphony": 0},
        {"max_event_seconds": 0},
        {"fade_seconds": -0.1},
        {"empty_probability": 1.1},
        {"min_events": -1},
        {"min_events": 5, "max_events": 4},
        {"min_snr_db": 30},
        {"min_background_dbfs": 0},
    ],
)
def test_wrong_settings_are_named(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SceneConfig(**settings)


def test_wrong_background_and_silent_events():
    with pytest.raises(InputError, match="160000"):
        scene(0, background=SILENCE[:-1])

    class Silent(Constant):
        def choose(self, rng):
            return 0, np.zeros(100, np.float32)

    with pytest.raises(InputError, match="silent"):
        scene(0, Silent([0], [1]), empty_probability=0.0)


# --- where the sound is ---------------------------------------------------------------


def test_active_region():
    waveform = np.zeros(16000)
    assert active_region(waveform, RATE) == (0, 0)
    assert active_region(waveform[:0], RATE) == (0, 0)
    waveform[4000:6000] = 0.5
    waveform[9000:9100] = 0.5
    # frames of 160 samples: 4000 is in frame 25, which begins at 4000; 9099 is in
    # frame 56, which ends at 9120
    assert active_region(waveform, RATE) == (4000, 9120)
    # -40 dB beside the loudest is silence, -20 dB is not
    waveform[:4000] = 0.005
    assert active_region(waveform, RATE) == (4000, 9120)
    waveform[12000:] = 0.05
    assert active_region(waveform, RATE) == (4000, 16000)
    # a last frame that is not whole
    assert active_region(np.ones(1000), RATE) == (0, 1000)


def test_event_parts():
    waveform = np.zeros(48000)
    waveform[1600:3200] = 1
    waveform[8000:9600] = 1  # 0.3 s later: the same event
    waveform[17600:19200] = 1  # 0.5 s later: another
    parts = event_parts(waveform, RATE)
    assert [len(part) for part in parts] == [8000, 1600]
    np.testing.assert_array_equal(parts[1], np.ones(1600))
    assert event_parts(np.zeros(1000), RATE) == []


def test_real_clips(shared_data):
    folder = shared_data / "esc10"
    clips = {
        kind: find_audio(next(folder.glob(f"* - {kind}")))[:3]
        for kind in ("Dog bark", "Rain", "Person sneeze")
    }
    sources = ClipSources(clips, lambda path: event_parts(read_audio(path), RATE))
    assert sources.class_names == ("Dog bark", "Rain", "Person sneeze")
    lengths = {label: [] for label in range(3)}
    for seed in range(60):
        label, waveform = sources.choose(np.random.default_rng(seed))
        lengths[label].append(len(waveform) / RATE)
    assert all(len(found) > 8 for found in lengths.values())  # of 60 draws
    # rain never pauses; the sneezes stand alone between silences
    assert np.median(lengths[1]) > 4.5
    assert np.median(lengths[2]) < 2.5
    found = scene(0, sources, street(0), empty_probability=0.0)
    assert set(found.labels) <= {0, 1, 2} and found.events


def test_clip_sources_draw_classes_then_clips_then_parts():
    def parts_of(clip):
        return [np.full(n, clip, np.float32) for n in (300, 100)]

    sources = ClipSources({"a": [1], "b": [2, 3, 4]}, parts_of)
    rng = np.random.default_rng(0)
    draws = [sources.choose(rng) for _ in range(4000)]
    labels = np.array([label for label, _ in draws])
    assert np.mean(labels == 0) == pytest.approx(0.5, abs=0.03)
    values = np.array([waveform[0] for _, waveform in draws])
    assert np.mean(values == 3) == pytest.approx(1 / 6, abs=0.03)
    long = np.mean([len(waveform) == 300 for _, waveform in draws])
    assert long == pytest.approx(0.75, abs=0.03)  # by length, 300 of 400


def test_unusable_clip_sources_are_refused():
    with pytest.raises(InputError, match="no classes"):
        ClipSources({}, list)
    with pytest.raises(InputError, match="'b'"):
        ClipSources({"a": [1], "b": []}, list)
    sources = ClipSources({"a": [np.zeros(100)]}, lambda w: event_parts(w, RATE))
    with pytest.raises(InputError, match="clip 0 of class 'a'"):
        sources.choose(np.random.default_rng(0))


def test_generated_sources_cover_all_kinds():
    sources = GeneratedSources()
    assert sources.class_names == tuple(synthesis.EVENT_KINDS)
    seen = set()
    for seed in range(150):
        label, waveform = sources.choose(np.random.default_rng(seed))
        seen.add(label)
        kind = synthesis.EVENT_KINDS[sources.class_names[label]]
        assert len(waveform) <= kind.max_seconds * RATE
        assert len(waveform) >= kind.min_seconds * RATE - 1600
        assert active_region(waveform, RATE)[0] == 0
    assert seen == set(range(len(synthesis.EVENT_KINDS)))


def test_a_shorter_scene_at_another_rate():
    config = SceneConfig(
        duration_seconds=4.0, sample_rate_hz=8000, empty_probability=0.0
    )
    found = mix_scene(
        np.random.default_rng(0),
        GeneratedSources(8000),
        np.zeros(32000, np.float32),
        config,
    )
    assert found.waveform.shape == (32000,)
    assert all(0 <= e.onset_seconds < e.offset_seconds <= 4.0 for e in found.events)
    assert dataclasses.replace(config, duration_seconds=1.0).num_samples == 8000
    assert mixing.Scene(found.waveform, ()).labels == ()
