"""PSDS by hand, from tables and from scored events, and against psds_eval."""

import warnings

import numpy as np
import pytest
from conftest import SHARED
from psds_oracle import random_events, reference_psds

from tfweak.errors import InputError
from tfweak.evaluation import dcase2017, psds
from tfweak.evaluation.intersection import Criteria
from tfweak.evaluation.psds import PSDS1, PSDS2, Setting
from tfweak.labels import Event

# One file of 72 s: a false alarm is 50 an hour. Class 0 has two events, class 1 one of
# 36 s, of which a cross trigger is 100 an hour.
REFERENCE = {"a": [Event(0, 0.0, 10.0), Event(0, 15.0, 25.0), Event(1, 30.0, 66.0)]}
DURATIONS = {"a": 72.0}
# Class 0: a hit, a false alarm within class 1's event, a hit. Class 1: a false alarm
# where nothing is, a hit. In the order of their scores.
SCORED = [
    np.array([[0, 0, 10, 0.9], [0, 40, 41, 0.8], [0, 15, 25, 0.7]]),
    np.array([[0, 70, 71, 0.6], [0, 30, 66, 0.5]]),
]


def _tables(reference, scored):
    """Operating points: under every score that occurs, the events that reach it."""
    names = list(reference)
    events = [
        (names[int(row[0])], Event(label, *row[1:3].tolist()), row[3])
        for label, rows in enumerate(scored)
        for row in rows
    ]
    return [
        {n: [e for of, e, score in events if of == n and score >= cut] for n in names}
        for cut in sorted({score for _, _, score in events})
    ]


def _of_scored(scored, setting, reference=REFERENCE, durations=DURATIONS):
    """Of the tables under every threshold that scored events know."""
    tables = _tables(reference, scored)
    return psds.psds(reference, durations, tables, len(scored), setting)


def test_curves_by_hand():
    # TPR of class 0: 1/2 from eFPR 0 on, 1 from 50 on; of class 1: 0, and 1 from 50 on.
    # Mean and deviation: 1/4 and 1/4, then 1 and 0.
    found = _of_scored(SCORED, PSDS1)
    assert found.classes == [0.75, 0.5]
    assert found.value == 0.5
    assert _of_scored(SCORED, Setting(Criteria(0.7, 0.7), alpha_st=0)).value == 0.625
    # deviations may weigh more than the mean: (1/4 - 2 * 1/4) is taken for 0
    assert _of_scored(SCORED, Setting(Criteria(0.7, 0.7), alpha_st=2)).value == 0.5
    # up to 50 only: what is found at 50 counts no more
    short = _of_scored(SCORED, Setting(Criteria(0.7, 0.7), max_efpr_per_hour=50.0))
    assert (short.value, short.classes) == (0, [0.5, 0])


def test_cross_triggers_by_hand():
    # The second hit of class 0 comes at 50 + 1/4 * 100 = 75 an hour.
    # [0, 50): 1/2 and 0; [50, 75): 1/2 and 1, mean 3/4, deviation 1/4; then 1 and 1.
    setting = Setting(Criteria(0.7, 0.7, 0.3), alpha_ct=0.25)
    found = _of_scored(SCORED, setting)
    assert found.classes == [0.5 * 0.75 + 0.25, 0.5]
    assert found.value == pytest.approx(0.25 * 0.5 + 0.25)
    # A third class halves the mean over other classes: 62.5 an hour.
    more = {"a": [*REFERENCE["a"], Event(2, 0.0, 1.0)]}
    third = _of_scored([*SCORED, np.array([[0, 0, 1, 0.9]])], setting, more)
    assert third.classes == [0.5 * 0.625 + 0.375, 0.5, 1]


def test_a_class_without_truth_is_left_out():
    # Class 2 has no true event: it neither lowers the mean nor triggers, and nothing
    # triggers it; nor does it make the mean over other classes smaller.
    none = [*SCORED, np.array([[0, 40, 41, 0.9], [0, 2, 3, 0.9]])]
    for setting in (PSDS1, PSDS2, Setting(Criteria(0.7, 0.7), alpha_ct=0.25)):
        found, without = _of_scored(none, setting), _of_scored(SCORED, setting)
        assert found.value == without.value
        assert found.classes == [*without.classes, None]
    empty = _of_scored(SCORED, PSDS1, {"a": []})
    assert empty == psds.Psds(None, [None, None])


def test_clips_without_events_and_files_without_detections():
    # 72 s more in which nothing happens: false alarms are half as frequent, 25 an hour.
    reference, durations = {**REFERENCE, "b": []}, {"a": 72.0, "b": 72.0}
    found = _of_scored(SCORED, PSDS1, reference, durations)
    assert found.classes == [0.5 * 0.25 + 0.75, 0.75]
    # Where the alarm is does not matter.
    moved = [SCORED[0], np.array([[1, 70, 71, 0.6], [0, 30, 66, 0.5]])]
    assert _of_scored(moved, PSDS1, reference, durations) == found
    # A table may leave out files.
    tables = [{"a": found} for found in (REFERENCE["a"], [])]
    assert psds.psds(reference, durations, tables, 2).value == 1
    assert psds.psds(reference, durations, [{}], 2).value == 0
    assert psds.psds(reference, durations, [], 2) == psds.Psds(0, [0, 0])
    # An alarm beyond the end of its file is none.
    beyond = [SCORED[0], np.array([[0, 72, 73, 0.6], [0, 30, 66, 0.5]])]
    assert _of_scored(beyond, PSDS1).classes == [0.75, 1]


def test_a_single_class_has_no_cross_triggers():
    found = _of_scored(
        [SCORED[0]], Setting(Criteria(0.7, 0.7), alpha_ct=1), {"a": REFERENCE["a"][:2]}
    )
    assert found.value == 0.75


def test_pieces_add_up_as_the_threshold_falls():
    # 10 s are found in pieces of 3, 4 and 3 s: 0.7 of it at the second threshold, after
    # the false alarm.
    scored = [np.array([[0, 0, 3, 3], [0, 20, 21, 2.5], [0, 4, 8, 2], [0, 8, 10, 1]])]
    assert _of_scored(scored, PSDS1, {"a": [Event(0, 0.0, 10.0)]}).value == 0.5


def test_operating_points_in_any_order():
    tables = _tables(REFERENCE, SCORED)
    one = psds.psds(REFERENCE, DURATIONS, tables, 2)
    other = psds.psds(REFERENCE, DURATIONS, tables[::-1] + tables[:1], 2)
    assert one == other


def test_tables_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="a: the duration is None"):
        psds.psds(REFERENCE, {}, [], 2)
    with pytest.raises(InputError, match="'b'"):
        psds.psds(REFERENCE, DURATIONS, [{"b": []}], 2)
    for wrong in ({"alpha_ct": 2}, {"alpha_st": -1}, {"max_efpr_per_hour": 0}):
        with pytest.raises(InputError, match=f"{list(wrong)[0]} is"):
            Setting(Criteria(), **wrong)


def _random(seed, files=8, classes=4):
    """True and scored events; a part of the latter is true."""
    rng = np.random.default_rng(seed)
    step = (None, 0.1, 0.5, 1.0)[seed % 4]
    reference = {str(i): random_events(rng, classes, 3, step) for i in range(files)}
    durations = {name: float(rng.choice([9, 10, 12])) for name in reference}
    scored = [[] for _ in range(classes)]
    for i, events in enumerate(reference.values()):
        if rng.random() < 0.5:
            found = [event for event in events if rng.random() < 0.8]
        else:
            found = random_events(rng, classes, 4, step)
        for label, onset, offset in found:
            scored[label].append((i, onset, offset, float(rng.integers(8))))
    return reference, durations, [np.array(s).reshape(-1, 4) for s in scored]


def _expected(reference, durations, tables, setting):
    criteria = setting.criteria
    oracle, frame = reference_psds(
        reference, durations, criteria.dtc, criteria.gtc, criteria.cttc
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old pandas and of curves of no class
        for table in tables:
            oracle.add_operating_point(frame(table))
        return oracle.psds(
            setting.alpha_ct, setting.alpha_st, setting.max_efpr_per_hour
        ).value


@pytest.mark.parametrize(
    "setting", [PSDS1, PSDS2, Setting(Criteria(0.3, 0.5, 0.1), 1.0, 0.3, 400.0)]
)
@pytest.mark.parametrize("seed", range(8))
def test_random_cases_equal_psds_eval(seed, setting):
    reference, durations, scored = _random(seed)
    tables = _tables(reference, scored)
    found = _of_scored(scored, setting, reference, durations)
    assert len({event.label for row in reference.values() for event in row}) == 4
    expected = _expected(reference, durations, tables, setting)
    assert found.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("setting", [PSDS1, PSDS2])
def test_real_events_equal_psds_eval(setting):
    path = (
        SHARED / "data" / "dcase2017_task4" / "groundtruth_strong_label_testing_set.csv"
    )
    if not path.is_file():
        pytest.skip(f"no ground truth in {path}")
    rng = np.random.default_rng(0)
    rows = dcase2017.read_rows(path)
    names = sorted({row.label for of_file in rows.values() for row in of_file})
    reference = {}
    for name, of_file in rows.items():
        events = sorted(Event(names.index(r.label), r[0], r[1]) for r in of_file)
        reference[name] = [  # psds_eval refuses events of a class that overlap
            e
            for before, e in zip([None, *events], events)
            if before is None or before.label != e.label or before[2] <= e[1]
        ]
    # Later points hold more of the truth, worse, and more false alarms.
    tables = [
        {
            name: [
                Event(
                    e.label, e[1] + rng.uniform(0, 0.3), e[2] + rng.uniform(0.3, late)
                )
                for e in events
                if rng.random() < share
            ]
            for name, events in reference.items()
        }
        for share, late in ((0.4, 0.5), (0.6, 1), (0.9, 2))
    ]
    for table, label in zip(tables, (3, 8, 16)):
        for name in list(table)[:: 20 - label]:
            if all(event.label != label for event in table[name]):
                table[name].append(Event(label, 0.0, 4.0))
    tables = [
        {
            name: [
                e
                for before, e in zip([None, *sorted(events)], sorted(events))
                if before is None or before.label != e.label or before[2] <= e[1]
            ]
            for name, events in table.items()
        }
        for table in tables
    ]
    durations = dict.fromkeys(reference, 10.0)
    found = psds.psds(reference, durations, tables, len(names), setting)
    expected = _expected(reference, durations, tables, setting)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert 0.1 < expected < 0.9


def test_many_points_are_looked_at_in_parts(monkeypatch):
    reference, durations, scored = _random(1)
    whole = _of_scored(scored, PSDS1, reference, durations)
    monkeypatch.setattr(psds, "_PAIRS_AT_A_TIME", 5)
    parts = _of_scored(scored, PSDS1, reference, durations)
    assert parts.value == pytest.approx(whole.value, abs=1e-12)
