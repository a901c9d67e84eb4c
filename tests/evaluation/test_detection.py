"""Segment- and event-based scores and thresholds, against sed_eval and by hand."""

import json
import math

import numpy as np
import pytest
import sed_eval
from sklearn import metrics as sklearn_metrics

from tfweak.errors import InputError
from tfweak.evaluation import detection
from tfweak.labels import Event

RATES = ("error_rate", "deletion_rate", "insertion_rate")


def _random_events(rng, num_classes, duration, count):
    out = []
    for _ in range(rng.integers(0, count)):
        onset = rng.uniform(0, duration - 0.1)
        length = rng.uniform(0.05, 3.0)
        out.append(Event(int(rng.integers(num_classes)), onset, onset + length))
    return out


def _jittered(rng, events, num_classes, spread):
    """Detections near the truth, some missed, doubled, invented or mislabelled."""
    out = []
    for event in events:
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            onset = max(0.0, event.onset_seconds + rng.normal(0, spread))
            label = event.label if rng.random() < 0.9 else 0
            out.append(
                Event(
                    label,
                    onset,
                    max(onset, event.offset_seconds + rng.normal(0, spread)),
                )
            )
    return out + _random_events(rng, num_classes, 10.0, 2)


def _random_tables(seed, num_classes=4, files=25, spread=0.2):
    """Class 3 is never detected, class 4 only detected, class 5 neither."""
    rng = np.random.default_rng(seed)
    durations = {f"{i}.wav": float(rng.uniform(3, 12)) for i in range(files)}
    reference = {
        n: _random_events(rng, num_classes, d, 6) for n, d in durations.items()
    }
    estimated = {
        n: [e for e in _jittered(rng, found, num_classes, spread) if e.label != 3]
        for n, found in reference.items()
    }
    estimated["1.wav"].append(Event(4, 0.5, 1.5))
    return reference, estimated, durations


def _as_dicts(name, events):
    return [
        {
            "filename": name,
            "event_label": str(e.label),
            "event_onset": e.onset_seconds,
            "event_offset": e.offset_seconds,
        }
        for e in events
    ]


def _assert_equal_to_sed_eval(found, metric, num_classes):
    overall = metric.results_overall_metrics()["f_measure"]
    assert found["micro_f1"] == pytest.approx(overall["f_measure"], abs=1e-12)
    assert found["micro_precision"] == pytest.approx(overall["precision"], abs=1e-12)
    assert found["micro_recall"] == pytest.approx(overall["recall"], abs=1e-12)
    errors = metric.results_overall_metrics()["error_rate"]
    for rate in (*RATES, "substitution_rate"):
        assert found[rate] == pytest.approx(errors[rate], abs=1e-12)
    average = metric.results_class_wise_average_metrics()["f_measure"]
    assert found["macro_f1"] == pytest.approx(average["f_measure"], abs=1e-12)
    for label in range(num_classes):
        counts, row = metric.class_wise[str(label)], found["classes"][label]
        assert row["num_reference"] == counts["Nref"]
        assert row["num_estimated"] == counts["Nsys"]
        assert (row["f1"] is None) == (row["num_reference"] == 0)
        if row["num_reference"]:
            expected = metric.class_wise_f_measure(str(label))
            assert row["f1"] == pytest.approx(expected["f_measure"], abs=1e-12)
            assert row["recall"] == pytest.approx(expected["recall"], abs=1e-12)
            assert row["precision"] == pytest.approx(expected["precision"], abs=1e-12)
            errors = metric.class_wise_error_rate(str(label))
            for rate in RATES:
                assert row[rate] == pytest.approx(errors[rate], abs=1e-12)


@pytest.mark.parametrize("resolution", [1.0, 0.1])
@pytest.mark.parametrize("seed", [0, 1])
def test_segment_f1_equals_sed_eval(seed, resolution):
    reference, estimated, durations = _random_tables(seed)
    estimated["0.wav"] = []
    oracle = sed_eval.sound_event.SegmentBasedMetrics(
        [str(i) for i in range(6)],
        time_resolution=resolution,
    )
    oracle.empty_system_output_handling = "zero_score"  # no argument for it here
    for name, duration in durations.items():
        oracle.evaluate(
            _as_dicts(name, reference[name]),
            _as_dicts(name, estimated[name]),
            evaluated_length_seconds=duration,
        )
    found = detection.segment_f1(reference, estimated, durations, 6, resolution)
    _assert_equal_to_sed_eval(found, oracle, 6)
    assert 0.3 < found["micro_f1"] < 1.0  # the case is neither trivial nor hopeless


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_event_f1_equals_sed_eval(seed):
    reference, estimated, durations = _random_tables(seed, spread=0.15)
    oracle = sed_eval.sound_event.EventBasedMetrics(
        [str(i) for i in range(6)],
        t_collar=0.2,
        percentage_of_length=0.2,
        event_matching_type="optimal",
        empty_system_output_handling="zero_score",
    )
    for name in durations:
        oracle.evaluate(
            _as_dicts(name, reference[name]), _as_dicts(name, estimated[name])
        )
    found = detection.event_f1(reference, estimated, 6)
    _assert_equal_to_sed_eval(found, oracle, 6)
    assert 0.1 < found["micro_f1"] < 1.0


def _crowd(rng):
    """Events that lie so close that many fit several others, of any class."""
    onsets = np.round(rng.uniform(0, 1, rng.integers(0, 12)), 2)
    return [
        Event(int(rng.integers(3)), a, round(a + rng.uniform(0.2, 1), 2))
        for a in onsets.tolist()
    ]


@pytest.mark.parametrize("seed", range(20))
def test_crowded_events_are_matched_and_substituted_as_by_sed_eval(seed):
    rng = np.random.default_rng(seed)
    reference = {str(i): _crowd(rng) for i in range(6)}
    estimated = {str(i): _crowd(rng) for i in range(6)}
    oracle = sed_eval.sound_event.EventBasedMetrics(
        list("012"),
        t_collar=0.2,
        percentage_of_length=0.2,
        event_matching_type="optimal",
        empty_system_output_handling="zero_score",
    )
    for name in reference:
        oracle.evaluate(
            _as_dicts(name, reference[name]), _as_dicts(name, estimated[name])
        )
    found = detection.event_f1(reference, estimated, 3)
    _assert_equal_to_sed_eval(found, oracle, 3)
    assert found["substitution_rate"] > 0.05


def test_a_long_chain_of_events_is_matched_whole():
    # Each detection i fits the events i and i + 1, and is taken in the order of time:
    # the one before the first, which comes last, moves all the others.
    times = [0.25 * i for i in range(5000)]
    reference = {"a": [Event(0, t, t + 0.5) for t in times]}
    estimated = {
        "a": [Event(0, t + 0.125, t + 0.625) for t in times[:-1]] + [Event(0, 0.0, 0.5)]
    }
    found = detection.event_f1(reference, estimated, 1)
    assert found["micro_f1"] == 1.0
    assert found["error_rate"] == 0.0


def test_segment_f1_by_hand():
    # Reference: class 0 in segments 0, 1; class 1 in segment 2 of "a". Detected: class
    # 0 in segments 1, 2. One hit, one false alarm, two misses; "b" adds nothing, and
    # the event beyond the end of "a" does not count.
    reference = {"a": [Event(0, 0.2, 1.5), Event(1, 2.0, 3.0)], "b": []}
    estimated = {"a": [Event(0, 1.0, 2.1), Event(2, 3.5, 4.0)]}
    found = detection.segment_f1(reference, estimated, {"a": 3.0, "b": 5.0}, 3)
    assert found["micro_precision"] == 1 / 2
    assert found["micro_recall"] == 1 / 3
    assert found["micro_f1"] == 2 / 5
    assert found["macro_f1"] == (1 / 2 + 0) / 2  # class 2 has no reference
    assert found["classes"][1]["f1"] == 0.0
    assert found["classes"][2]["f1"] is found["classes"][2]["recall"] is None
    # Segment 0 misses its one class: deleted. Segment 2 has class 0 instead of class 1:
    # substituted. Of three, that is 1/3 each. By class: class 0 has one miss and one
    # false alarm of two, class 1 one miss of one.
    assert found["deletion_rate"] == found["substitution_rate"] == 1 / 3
    assert found["insertion_rate"] == 0
    assert found["error_rate"] == 2 / 3
    rows = found["classes"]
    assert [row["error_rate"] for row in rows] == [1.0, 1.0, None]
    assert [row["deletion_rate"] for row in rows] == [0.5, 1.0, None]
    assert [row["insertion_rate"] for row in rows] == [0.5, 0.0, None]
    assert found["macro_error_rate"] == 1.0
    json.dumps(found, allow_nan=False)


def test_event_f1_collars_by_hand():
    # Exactly representable times. Onset off by 0.25 s: wrong with a collar of 0.125,
    # right with one of 0.25. The offset collar of a 5 s event is 1 s, 20% of it.
    reference = {"a": [Event(0, 1.0, 6.0)]}
    late = {"a": [Event(0, 1.25, 6.0)]}
    assert (
        detection.event_f1(reference, late, 1, collar_seconds=0.125)["micro_f1"] == 0.0
    )
    assert (
        detection.event_f1(reference, late, 1, collar_seconds=0.25)["micro_f1"] == 1.0
    )
    assert (
        detection.event_f1(reference, {"a": [Event(0, 1.0, 7.0)]}, 1)["micro_f1"] == 1.0
    )
    assert (
        detection.event_f1(reference, {"a": [Event(0, 1.0, 7.1)]}, 1)["micro_f1"] == 0.0
    )
    # The length that counts is the reference's, not the estimate's.
    short = {"a": [Event(0, 0.0, 1.0)]}
    assert detection.event_f1(short, {"a": [Event(0, 0.0, 1.25)]}, 1)["micro_f1"] == 0.0


def test_event_error_rates_by_hand():
    # The first event is found under another name: substituted. The second is found a
    # second late: deleted and inserted. The third is found, and found once more under
    # another name, which is inserted, for nothing is left that it could stand for.
    reference = {"a": [Event(0, 0.0, 1.0), Event(0, 2.0, 3.0), Event(1, 5.0, 6.0)]}
    estimated = {
        "a": [
            Event(1, 0.0, 1.0),
            Event(0, 3.0, 4.0),
            Event(1, 5.0, 6.0),
            Event(0, 5.0, 6.0),
        ]
    }
    found = detection.event_f1(reference, estimated, 2)
    assert found["substitution_rate"] == found["deletion_rate"] == 1 / 3
    assert found["insertion_rate"] == 2 / 3
    assert found["error_rate"] == 4 / 3
    # Class 0: both of two missed, two false alarms. Class 1: one false alarm of one.
    assert [row["error_rate"] for row in found["classes"]] == [2.0, 1.0]


def test_event_f1_matches_as_many_as_possible():
    # The first detection fits both references, the second only the first (its offset
    # is 0.25 s from the second's): paired in order of time the second pair is lost.
    reference = {"a": [Event(0, 0.0, 1.0), Event(0, 0.1, 1.15)]}
    estimated = {"a": [Event(0, 0.05, 1.1), Event(0, 0.15, 0.9)]}
    assert detection.event_f1(reference, estimated, 1)["micro_f1"] == 1.0
    # One detection cannot serve twice.
    one = {"a": [Event(0, 0.1, 1.0)]}
    assert detection.event_f1(reference, one, 1)["micro_recall"] == 1 / 2


def test_nothing_to_find():
    for found in (
        detection.segment_f1({"a": []}, {"a": [Event(0, 0.0, 1.0)]}, {"a": 2.0}, 1),
        detection.event_f1({"a": []}, {"a": [Event(0, 0.0, 1.0)]}, 1),
    ):
        assert found["micro_f1"] is found["macro_f1"] is found["micro_recall"] is None
        assert found["micro_precision"] == 0.0
        assert found["error_rate"] is found["macro_error_rate"] is None


@pytest.mark.parametrize(
    "estimated, durations, message",
    [
        ({"b": []}, {"a": 1.0}, "'b'"),
        ({}, {}, "a: the duration is None"),
        ({}, {"a": math.nan}, "a: the duration is nan"),
        ({}, {"a": -1.0}, "a: the duration is -1.0"),
        ({}, {"a": math.inf}, "a: the duration is inf"),
        ({"a": [Event(2, 0.0, 1.0)]}, {"a": 1.0}, "a: event of class 2"),
        ({"a": [Event(0, 1.0, 0.5)]}, {"a": 1.0}, "a: event from 1.0"),
    ],
)
def test_tables_that_do_not_fit_are_refused(estimated, durations, message):
    with pytest.raises(InputError, match=message):
        detection.segment_f1({"a": []}, estimated, durations, 2)


def test_a_file_of_no_length_has_no_segments():
    # Only b's segment counts: a hit. What is detected in a lies beyond its end.
    reference = {"a": [], "b": [Event(0, 0.0, 1.0)]}
    estimated = {"a": [Event(0, 0.0, 1.0)], "b": [Event(0, 0.5, 1.0)]}
    found = detection.segment_f1(reference, estimated, {"a": 0.0, "b": 1.0}, 1)
    assert found["micro_f1"] == 1.0


def test_resolution_must_be_positive():
    with pytest.raises(InputError, match="resolution_seconds"):
        detection.segment_f1({"a": []}, {}, {"a": 1.0}, 2, resolution_seconds=0.0)


# Thresholds


def test_best_thresholds_by_hand():
    # Class 0, ranked + + - +: F1 of the highest 1..4 is 2/4, 4/5, 4/6, 6/7: all four,
    # so the lowest score. Class 1, ranked + - - -: 2/2, ...: between 0.8 and 0.4.
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    scores = np.array([[0.9, 0.4, 1], [0.7, 0.3, 1], [0.5, 0.2, 1], [0.1, 0.8, 1]])
    found = detection.best_thresholds(labels, scores, default=0.25)
    np.testing.assert_allclose(found, [0.1, 0.6, 0.25])


def test_of_equally_good_cuts_the_highest_is_taken():
    # Ranked + - +: F1 of the highest 1, 2, 3 is 2/3, 2/4, 4/5: all, the lowest score.
    # Ranked + - - +: 2/3, 2/4, 2/5, 4/6: the first and the last are equal, so between
    # 0.9 and 0.5. Ranked - + - - - +: 0, 2/4, 2/5, 2/6, 2/7, 4/8: so below the second.
    for labels, scores, expected in (
        ([1, 0, 1], [0.9, 0.5, 0.25], 0.25),
        ([1, 0, 0, 1], [0.9, 0.5, 0.4, 0.1], 0.7),
        ([0, 1, 0, 0, 0, 1], [0.9, 0.8, 0.6, 0.4, 0.3, 0.2], 0.7),
    ):
        columns = np.array(labels)[:, None], np.array(scores)[:, None]
        found = detection.best_thresholds(*columns)
        np.testing.assert_allclose(found, [expected])


@pytest.mark.parametrize("decimals", [1, 6])
def test_best_thresholds_reach_the_best_f1(decimals):
    rng = np.random.default_rng(decimals)
    labels = (rng.random((120, 6)) < 0.25).astype(int)
    scores = np.round(rng.normal(labels, 1.0), decimals).astype(np.float32)
    thresholds = detection.best_thresholds(labels, scores)
    for i in range(6):
        best = max(
            sklearn_metrics.f1_score(labels[:, i], scores[:, i] >= cut)
            for cut in np.unique(scores[:, i])
        )
        reached = sklearn_metrics.f1_score(labels[:, i], scores[:, i] >= thresholds[i])
        assert reached == pytest.approx(best, abs=1e-12)


def test_threshold_between_neighbouring_floats_still_separates():
    low = 0.1
    high = np.nextafter(low, 1.0)
    labels, scores = np.array([[0], [1]]), np.array([[low], [high]])
    threshold = detection.best_thresholds(labels, scores)[0]
    assert low < threshold <= high


def test_thresholds_refuse_nan():
    with pytest.raises(InputError, match="clip 1"):
        detection.best_thresholds(np.array([[0], [1]]), np.array([[0.0], [np.nan]]))
