"""Tuning on made scores whose best way is known."""

from __future__ import annotations

import numpy as np
import pytest

from tfweak.decoding.decoder import DECODERS
from tfweak.decoding.decoding import CLIP_SCORES
from tfweak.decoding.tuning import TuningClips, tune
from tfweak.errors import InputError
from tfweak.evaluation import detection
from tfweak.evaluation.event_arrays import EventArrays
from tfweak.labels import Event, SegmentGrid

HOP = 0.2
GRID = SegmentGrid(HOP, 1.0)


def clips_of(scores, events, clip_scores=None, seconds=None, judged=None, **more):
    """TuningClips of (T, C) scores and lists of events."""
    count = scores[0].shape[1]
    if clip_scores is None:
        clip_scores = np.ones((len(scores), count))
    outputs = [
        {
            "segment_probs": one.astype(np.float32),
            CLIP_SCORES: np.asarray(clip[None], np.float32),
            **{name: values[n].astype(np.float32) for name, values in more.items()},
        }
        for n, (one, clip) in enumerate(zip(scores, clip_scores))
    ]
    names = [str(n) for n in range(len(scores))]
    reference = EventArrays.of_rows(names, dict(zip(names, events)), count)
    seconds = [len(s) * HOP for s in scores] if seconds is None else seconds
    return TuningClips(outputs, seconds, reference, GRID, np.full(count, 0.3), judged)


def blocks(spans, length=50, floor=0.0):
    """(T,) scores: `floor`, and from segment to segment a value."""
    scores = np.full(length, floor)
    for first, end, value in spans:
        scores[first:end] = value
    return scores


def event(label, first, end):
    return Event(label, first * HOP, end * HOP)


def with_pauses(count=12):
    """Events of 3.4 s that pause for 0.8 s twice, and 3 s between two of them."""
    scores, events = [], []
    for n in range(count):
        at = (n % 3, n % 3 + 3, n % 3 + 7, n % 3 + 10, n % 3 + 14, n % 3 + 17)
        both = [at, [place + 32 - n % 3 - (n % 3 > 1) for place in at]]
        spans = [(p[i], p[i + 1], 0.8) for p in both for i in (0, 2, 4)]
        scores.append(blocks(spans)[:, None])
        events.append([event(0, p[0], p[-1]) for p in both])
    return scores, events


def test_events_with_pauses_are_joined_over_them():
    tuned = tune(clips_of(*with_pauses()), ["threshold"])[0]
    # pauses of 0.8 s in an event and from 2.4 s between two: of the values that are
    # tried 1, 1.5
    assert 0.8 <= tuned.decoding.decoder.max_gap_seconds <= 1.5
    assert (tuned.event_f1, tuned.segment_f1, tuned.value) == (1.0, 1.0, 1.0)


def test_false_alarms_that_only_the_clip_tells_apart():
    # Scores of 0.6 in clips that surely have the class, of 0.9 in those that hardly do.
    scores, events, clip_scores = [], [], []
    for n in range(20):
        is_there = n % 2 == 0
        spans = [(5 + n, 15 + n, 0.6 if is_there else 0.9)]
        scores.append(blocks(spans)[:, None])
        events.append([event(0, 5 + n, 15 + n)] if is_there else [])
        clip_scores.append([0.9 if is_there else 0.1])
    clips = clips_of(scores, events, np.array(clip_scores))
    # without a gate the power has to do it
    tuned = tune(clips, ["double_threshold"])[0]
    assert tuned.decoding.clip_power > 0
    assert tuned.value == 1.0
    # and the gate alone does it, too
    assert tune(clips, ["threshold"])[0].value == 1.0


def test_a_class_of_another_scale_has_a_threshold_of_its_own():
    # Class 0: 0.9 on a floor of 0.5; class 1: 0.05 on 0.005; 36 events each.
    scores, events = [], []
    for n in range(36):
        loud = blocks([(n % 20, n % 20 + 10, 0.9)], floor=0.5)
        soft = blocks([(n % 30, n % 30 + 8, 0.05)], floor=0.005)
        scores.append(np.stack([loud, soft], 1))
        events.append([event(0, n % 20, n % 20 + 10), event(1, n % 30, n % 30 + 8)])
    tuned = tune(clips_of(scores, events), ["threshold"])[0]
    high, low = tuned.decoding.thresholds
    assert 0.5 < high <= 0.9 and 0.005 < low <= 0.05
    assert tuned.value == 1.0


def drawn():
    """Class 0 with 40 events of 0.9 and alarms of 0.5, class 1 with 10 of 0.3, 2: 0."""
    scores, events = [], []
    for n in range(40):
        here = [(5, 15, 0.9), (30, 40, 0.5)]
        rare = [(20, 30, 0.3)] if n < 10 else []
        columns = [blocks(here), blocks(rare), blocks([(1, 3, 0.2)])]
        scores.append(np.stack(columns, 1))
        events.append([event(0, 5, 15)] + [event(1, 20, 30)] * (n < 10))
    return scores, events


def test_a_rare_class_is_drawn_to_the_shared_threshold():
    # 50 peaks of true classes, 40 of them 0.9, so that nine tenths reach 0.9 at most:
    # tried is 0.99 * 0.75^n: 0.99, 0.7425, 0.557, 0.418, 0.313, 0.235, ...
    # Shared: from 0.7425 on 40 of 50 events and no alarm, F1 2 40 / (40 + 50) = 0.89;
    # below 0.3 all 50 and 40 alarms, 2 50 / (90 + 50) = 0.71 (and seconds alike).
    # Class 0: 0.7425 is the highest without a miss, 40 events are more than 30.
    # Class 1: 0.99 0.75^5 is, and 10 events count a third:
    # (0.99 0.75^5)^(1/3) (0.99 0.75)^(2/3) = 0.99 0.75^(5/3 + 2/3) = 0.5059.
    # Class 2 has no event, and the shared threshold.
    scores, events = drawn()
    tuned = tune(clips_of(scores, events), ["threshold"], ["segment"])[0]
    np.testing.assert_allclose(
        tuned.decoding.thresholds, [0.7425, 0.99 * 0.75 ** (7 / 3), 0.7425], rtol=1e-6
    )
    # What is said is what this does: class 1, 0.3 below 0.5059, is missed.
    assert tuned.event_f1 == 2 * 40 / (40 + 50)


def figures(clips, tuned, judged=None):
    """The two F1 by decoding each clip and comparing tables."""
    reference, found, durations = {}, {}, {}
    count = clips.num_classes
    truth = clips.reference
    for n, (outputs, seconds) in enumerate(zip(clips.outputs, clips.seconds)):
        known = np.ones(count, bool) if judged is None else judged[n]
        reference[str(n)] = [
            Event(int(truth.labels[i]), truth.onsets[i], truth.offsets[i])
            for i in np.flatnonzero(truth.files == n)
            if known[truth.labels[i]]
        ]
        pairs = tuned.decoding.decode(outputs, clips.grid, seconds)
        found[str(n)] = [e for e, _ in pairs if known[e.label]]
        durations[str(n)] = seconds
    return (
        detection.event_f1(reference, found, count)["micro_f1"],
        detection.segment_f1(reference, found, durations, count)["micro_f1"],
    )


def random_clips(seed, judged=None, count=10):
    """Noisy scores of random events, clips of 1 to 10 s, some events beyond the end."""
    rng = np.random.default_rng(seed)
    scores, events, seconds, clip_scores, logits = [], [], [], [], []
    for _ in range(count):
        length = int(rng.integers(5, 51))
        values = rng.random((length, 3)) * 0.5
        mine = []
        for _ in range(int(rng.integers(0, 4))):
            label, first = int(rng.integers(0, 3)), int(rng.integers(0, length))
            end = first + int(rng.integers(1, 15))
            values[first:end, label] += 0.4 * rng.random()
            mine.append(Event(label, first * HOP, end * HOP + rng.random() * 0.1))
        scores.append(values)
        events.append(mine)
        seconds.append(length * HOP - rng.random() * HOP)
        clip_scores.append(values.max(axis=0))
        logits.append(rng.normal(size=values.shape))
    return clips_of(
        scores,
        events,
        np.stack(clip_scores),
        seconds,
        judged,
        attention_logits=logits,
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_figures_are_those_of_the_tables(seed):
    rng = np.random.default_rng(seed)
    for judged in (None, rng.random((10, 3)) < 0.6):
        clips = random_clips(seed, judged)
        found = tune(clips)
        ways = [(t.decoding.decoder.name, t.decoding.scores) for t in found]
        sources = ("segment", "activation", "product")
        assert sorted(ways) == sorted(
            (name, source) for name in DECODERS.names() for source in sources
        )
        values = [t.value for t in found]
        assert values == sorted(values, reverse=True) and values[0] > 0
        for tuned in found:
            assert (tuned.event_f1, tuned.segment_f1) == figures(clips, tuned, judged)


def test_what_is_not_judged_counts_neither_way():
    # Of every second clip the class is not judged: there are an alarm and a miss.
    scores, events = [], []
    judged = np.arange(20)[:, None] % 2 == 0
    for n in range(20):
        scores.append(blocks([(5 + n, 15 + n, 0.8)])[:, None])
        events.append([event(0, 5 + n, 15 + n) if judged[n] else event(0, 40, 45)])
    assert tune(clips_of(scores, events), ["threshold"])[0].value < 0.7
    clips = clips_of(scores, events, judged=judged)
    assert tune(clips, ["threshold"])[0].value == 1.0


def test_without_an_event_nothing_is_found():
    scores = [np.random.default_rng(n).random((20, 2)) * 0.9 for n in range(3)]
    for tuned in tune(clips_of(scores, [[]] * 3)):
        assert (tuned.event_f1, tuned.segment_f1) == (0.0, 0.0)
        assert (tuned.decoding.thresholds > 0).all()
        assert tuned.decoding.decode_scores(scores[0], GRID, 4.0) == []


def test_one_clip_is_enough():
    clips = clips_of([blocks([(5, 15, 0.8)])[:, None]], [[event(0, 5, 15)]])
    for tuned in tune(clips):
        assert tuned.value == 1.0


def test_sources_that_the_model_lacks():
    clips = clips_of(*with_pauses(3))
    only = ["localization", "segment"]
    found = tune(clips, ["threshold", "one_event"], only)
    assert sorted(t.decoding.decoder.name for t in found) == ["one_event", "threshold"]
    assert {t.decoding.scores for t in found} == {"segment"}
    with pytest.raises(InputError, match="has those of segment alone"):
        tune(clips, ["threshold"], ["localization"])
    with pytest.raises(InputError, match="no decoder 'treshold'"):
        tune(clips, ["treshold"])


@pytest.mark.parametrize("name", DECODERS.names())
def test_scores_that_are_rounded_as_in_half_precision_change_little(name):
    rng = np.random.default_rng(3)
    scores, events = with_pauses(24)
    noisy = [np.clip(s + 0.15 * rng.random(s.shape), 0, 1) for s in scores]
    clips = clips_of(noisy, events)
    tuned = tune(clips, [name])[0]
    assert (tuned.event_f1, tuned.segment_f1) == figures(clips, tuned)
    for _ in range(3):
        rounded = [s * (1 + 1e-3 * rng.standard_normal(s.shape)) for s in noisy]
        event_f1, segment_f1 = figures(clips_of(rounded, events), tuned)
        assert event_f1 == pytest.approx(tuned.event_f1, abs=0.05)
        assert segment_f1 == pytest.approx(tuned.segment_f1, abs=0.02)
