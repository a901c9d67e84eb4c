"""The intersection criterion by hand, and F1 by it against psds_eval."""

import numpy as np
import pytest
from psds_oracle import random_events, reference_psds

from tfweak.errors import InputError
from tfweak.evaluation import intersection
from tfweak.evaluation.event_arrays import EventArrays
from tfweak.labels import Event

TEN = {"a": 10.0}


def _f1(true, found, num_classes=1, **options):
    return intersection.intersection_f1(
        {"a": true}, {"a": found}, TEN, num_classes, **options
    )


def test_criteria_by_hand():
    # The truth covers 2 of the 4 s that are detected, DTC 0.5 exactly; and is itself
    # covered whole.
    true, found = [Event(0, 2.0, 4.0)], [Event(0, 1.0, 5.0)]
    assert _f1(true, found)["micro_f1"] == 1.0
    assert _f1(true, found, dtc=0.51)["micro_f1"] == 0.0
    # The other way round: 2 of 4 s are found.
    assert _f1(found, true)["micro_f1"] == 1.0
    strict = _f1(found, true, gtc=0.51)
    # neither a hit nor a false alarm
    assert strict["classes"][0]["num_estimated"] == 0
    assert strict["micro_f1"] == strict["micro_recall"] == 0.0
    # Two detections of 1 s each cover half of it together.
    pieces = [Event(0, 1.0, 2.0), Event(0, 3.0, 4.0)]
    assert _f1(found, pieces)["micro_f1"] == 1.0
    # One detection that two true events cover together finds both.
    two = [Event(0, 1.0, 2.0), Event(0, 3.0, 4.0)]
    assert _f1(two, [Event(0, 1.0, 4.0)])["micro_recall"] == 1.0


def test_figures_by_hand():
    # Class 0: one of two found, no false alarm: F1 2/3. Class 1: missed, 0. Class 2 has
    # no truth and one false alarm. Micro: 2 / (2 * 1 + 2 misses + 1 alarm).
    found = _f1(
        [Event(0, 0.0, 1.0), Event(0, 5.0, 6.0), Event(1, 0.0, 1.0)],
        [Event(0, 0.0, 1.0), Event(2, 0.0, 9.0)],
        3,
    )
    assert [row["f1"] for row in found["classes"]] == [2 / 3, 0.0, None]
    assert found["macro_f1"] == 1 / 3
    assert found["macro_f1_without_missed"] == 2 / 3
    assert found["micro_f1"] == 2 / 5
    assert found["micro_precision"] == 1 / 2 and found["micro_recall"] == 1 / 3
    assert "error_rate" not in found


def test_what_lies_beyond_the_end_is_no_false_alarm():
    assert _f1([Event(0, 0.0, 1.0)], [Event(0, 10.0, 11.0)])["micro_precision"] == 0
    beyond = _f1([Event(0, 0.0, 1.0)], [Event(0, 10.0, 11.0)])
    assert beyond["classes"][0]["num_estimated"] == 0
    before = _f1([Event(0, 0.0, 1.0)], [Event(0, 9.9, 11.0)])
    assert before["classes"][0]["num_estimated"] == 1


def test_overlapping_events_of_a_class_are_one():
    # 0-10 s holds 1-2 and 3-4 s, and 9-12 s begins in it; 12-13 s only touches that.
    # The other class and the other file are for themselves; 5-5 s is nothing.
    table = {
        "a": [
            Event(0, 0.0, 10.0),
            Event(0, 3.0, 4.0),
            Event(0, 1.0, 2.0),
            Event(0, 9.0, 12.0),
            Event(0, 12.0, 13.0),
            Event(1, 1.0, 2.0),
            Event(1, 5.0, 5.0),
        ],
        "b": [Event(0, 1.0, 2.0)],
    }
    joined = intersection.joined(EventArrays.of_rows(["a", "b"], table, 2))
    columns = (joined.files, joined.labels, joined.onsets, joined.offsets)
    assert np.stack(columns, axis=1).tolist() == [
        [0, 0, 0, 12],
        [0, 0, 12, 13],
        [0, 1, 1, 2],
        [1, 0, 1, 2],
    ]


def test_nothing_to_find_and_nothing_found():
    nothing = _f1([], [Event(0, 0.0, 1.0)])
    assert nothing["micro_f1"] is nothing["macro_f1"] is None
    assert nothing["macro_f1_without_missed"] is None
    missed = _f1([Event(0, 0.0, 1.0)], [])
    assert missed["micro_f1"] == missed["macro_f1"] == 0
    assert _f1([], [])["micro_precision"] == 0


def test_wrong_shares_are_refused():
    for share in (0, 1.1, np.nan):
        with pytest.raises(InputError, match="gtc is"):
            _f1([], [], gtc=share)


@pytest.mark.parametrize("seed", range(24))
def test_f1_equals_psds_eval(seed):
    """On times as they come, and on grids, where shares reach the criteria exactly."""
    rng = np.random.default_rng(seed)
    step = (None, 0.1, 0.5, 1.0)[seed % 4]
    tables = [
        {str(i): random_events(rng, 4, 3, step) for i in range(8)} for _ in range(2)
    ]
    dtc, gtc = rng.choice([0.1, 0.3, 0.5, 0.7], 2)
    durations = dict.fromkeys(tables[0], 10.0)
    oracle, frame = reference_psds(tables[0], durations, dtc, gtc, 0.3)
    with np.errstate(invalid="ignore"):  # it divides by no hits
        expected, of_class = oracle.compute_macro_f_score(frame(tables[1]))
    found = intersection.intersection_f1(*tables, durations, 4, dtc, gtc)
    if np.isnan(expected):
        assert found["macro_f1"] == 0
    else:
        assert found["macro_f1_without_missed"] == pytest.approx(expected, abs=1e-12)
    for label, row in enumerate(found["classes"]):
        score = of_class.get(str(label), np.nan)  # NaN where nothing is found, too
        assert (row["f1"] or 0) == pytest.approx(np.nan_to_num(score), abs=1e-12)
