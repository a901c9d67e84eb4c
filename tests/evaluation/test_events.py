"""Event decoding, event tables and detection scores, against sed_eval and by hand."""

import itertools
import json
import math

import numpy as np
import pytest
import sed_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from sklearn import metrics as sklearn_metrics

from tfweak.errors import InputError
from tfweak.evaluation import detection
from tfweak.evaluation import events as sed
from tfweak.evaluation.event_formats import FileEvents, write_event_files
from tfweak.labels import ClassList, Event, SegmentGrid

CLASSES = ClassList(
    ("Speech", "Air horn, truck horn", 'The "big" one'), ("/m/0", "/m/1", "/m/2")
)
ONE_SECOND = SegmentGrid(1.0, 1.0)


def _column(*scores):
    return np.array(scores, np.float32)[:, None]


# Decoding


def test_runs_become_events():
    probs = _column(0.9, 0.5, 0.2, 0.8)
    expected = [Event(0, 0.0, 2.0), Event(0, 3.0, 4.0)]
    assert sed.decode_events(probs, ONE_SECOND, 0.5) == expected
    joined = sed.decode_events(probs, ONE_SECOND, 0.5, max_gap_seconds=1.0)
    assert joined == [Event(0, 0.0, 4.0)]


def test_times_come_from_the_grid_and_stay_in_the_clip():
    # Slots of 0.96 s from -0.48 s: the first is cut at 0, the last, 2.4-3.36 s, at 3.
    grid = SegmentGrid(0.96, 0.975, -0.48)
    probs = _column(1, 0, 0, 1)
    found = sed.decode_events(probs, grid, 0.5, duration_seconds=3.0)
    assert [e.label for e in found] == [0, 0]
    np.testing.assert_allclose([e[1:] for e in found], [(0, 0.48), (2.4, 3.0)])
    # Without a duration nothing is cut at the end; a slot beyond the end is no event.
    assert sed.decode_events(probs, grid, 0.5)[-1].offset_seconds == pytest.approx(3.36)
    assert len(sed.decode_events(probs, grid, 0.5, duration_seconds=2.4)) == 1


def test_thresholds_per_class_and_the_clip_gate():
    probs = np.full((2, 3), 0.6)
    found = sed.decode_events(probs, ONE_SECOND, np.array([0.6, 0.61, 0.1]))
    assert [e.label for e in found] == [0, 2]
    gated = sed.decode_events(
        probs,
        ONE_SECOND,
        np.array([0.6, 0.61, 0.1]),
        clip_probs=np.array([0.3, 0.9, 0.2]),
        clip_thresholds=np.array([0.3, 0.3, 0.3]),
    )
    assert [e.label for e in gated] == [0]


def test_sorted_by_onset_then_offset_then_class():
    probs = np.array([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1]], np.float64)
    found = sed.decode_events(probs, ONE_SECOND, 0.5)
    assert found == [
        Event(2, 0.0, 1.0),
        Event(1, 0.0, 2.0),
        Event(3, 0.0, 3.0),
        Event(0, 1.0, 3.0),
    ]


def test_short_events_are_dropped_after_joining():
    # Two runs of one slot with a pause of one slot between join to 3 slots of 0.16 s:
    # 0.48 s, although the difference of their times may round to less.
    grid = SegmentGrid(0.16, 1.0)
    probs = _column(0, 0, 1, 0, 1, 0, 0, 0, 1)
    settings_ = {"min_duration_seconds": 0.48, "max_gap_seconds": 0.16}
    found = sed.decode_events(probs, grid, 0.5, **settings_)
    assert len(found) == 1
    assert found[0][1:] == pytest.approx((0.32, 0.8))
    assert not sed.decode_events(probs, grid, 0.5, min_duration_seconds=0.48)
    for first in range(40):
        late = np.zeros((50, 1))
        late[[first, first + 2]] = 1
        assert len(sed.decode_events(late, grid, 0.5, **settings_)) == 1


@settings(max_examples=60, deadline=None)
@given(
    st_numpy.arrays(np.float64, (13, 2), elements=st.floats(0, 1)),
    st.sampled_from([3, 5, 7]),
)
def test_median_filter_of_decisions_is_that_of_scores(probs, length):
    half = length // 2
    padded = np.pad(probs, ((half, half), (0, 0)), mode="symmetric")
    smooth = np.stack([np.median(padded[t : t + length], axis=0) for t in range(13)])
    assert sed.decode_events(
        probs, ONE_SECOND, 0.4, median_filter_segments=length
    ) == sed.decode_events(smooth, ONE_SECOND, 0.4)


def test_median_filter_by_hand():
    # Length 3 removes the lone segment 1 and fills the lone pause 5.
    probs = _column(0, 1, 0, 0, 1, 0, 1, 1)
    found = sed.decode_events(probs, ONE_SECOND, 0.5, median_filter_segments=3)
    assert found == [Event(0, 5.0, 8.0)]


@settings(max_examples=100, deadline=None)
@given(
    st_numpy.arrays(
        bool, st.tuples(st.integers(0, 20), st.integers(1, 4)), elements=st.booleans()
    ),
    st.sampled_from([(1.0, 0.0), (0.96, 0.0), (0.16, 0.3)]),
)
def test_decoding_inverts_the_segment_labels(active, timing):
    grid = SegmentGrid(timing[0], 1.0, timing[1])
    found = sed.decode_events(active.astype(np.float32), grid, 0.5)
    np.testing.assert_array_equal(grid.labels(found, *active.shape), active)
    # As few events as there are runs, counted independently.
    runs = sum(
        key for column in active.T for key, _ in itertools.groupby(column.tolist())
    )
    assert len(found) == runs


@pytest.mark.parametrize(
    "probs, options, message",
    [
        (np.zeros(4), {}, "segments, classes"),
        (np.full((4, 2), np.nan), {}, "NaN"),
        (np.zeros((4, 2)), {"median_filter_segments": 4}, "odd"),
        (np.zeros((4, 2)), {"median_filter_segments": 0}, "odd"),
        (np.zeros((4, 2)), {"thresholds": np.zeros(3)}, "thresholds"),
        (np.zeros((4, 2)), {"thresholds": np.nan}, "thresholds"),
        (np.zeros((4, 2)), {"clip_probs": np.zeros(2)}, "belong together"),
        (np.zeros((4, 2)), {"clip_thresholds": 0.5}, "belong together"),
        (
            np.zeros((4, 2)),
            {"clip_probs": np.zeros(3), "clip_thresholds": 0.5},
            "clip_probs",
        ),
    ],
)
def test_decoding_refuses_what_does_not_fit(probs, options, message):
    with pytest.raises(InputError, match=message):
        sed.decode_events(probs, ONE_SECOND, **{"thresholds": 0.5, **options})


# Event tables


def write_events(path, table):
    """As tfweak-predict does."""
    files = [FileEvents(n, 60.0, events, [0.5] * len(events)) for n, events in table]
    write_event_files(path, files, CLASSES.names)


_TIMES = st.integers(0, 60_000).map(lambda milliseconds: milliseconds / 1000)
_EVENTS = st.builds(
    lambda label, times: Event(label, *sorted(times)),
    st.integers(0, len(CLASSES) - 1),
    st.tuples(_TIMES, _TIMES),
)
_FILENAMES = st.text(
    st.characters(blacklist_characters="\t\r\n\0", blacklist_categories=["Cs"]),
    min_size=1,
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(_FILENAMES, st.lists(_EVENTS, max_size=4), max_size=5))
def test_tables_round_trip(tmp_path, table):
    path = tmp_path / "events.tsv"
    write_events(path, table.items())
    found = sed.read_events(path, CLASSES)
    assert list(found) == list(table)
    for name, events in table.items():
        assert set(found[name]) == set(events)
        assert found[name] == sorted(found[name], key=lambda e: (e[1], e[2], e[0]))
        assert len(found[name]) == len(set(found[name]))


def test_file_names_that_are_not_utf8_survive(tmp_path):
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    path = tmp_path / "events.tsv"
    write_events(path, [(name, [Event(0, 0.0, 1.0)])])
    assert b"caf\xe9.wav\t" in path.read_bytes()
    assert sed.read_events(path, CLASSES) == {name: [Event(0, 0.0, 1.0)]}


def _table(tmp_path, *rows, header="filename\tonset\toffset\tevent_label"):
    path = tmp_path / "events.tsv"
    path.write_bytes("\r\n".join([header, *rows, ""]).encode())
    return path


def test_reading_merges_duplicates_mids_and_line_ends(tmp_path):
    path = _table(
        tmp_path,
        "b.wav\t3\t4\tSpeech",
        "",
        "a.wav\t5\t6.5\t/m/1",
        "a.wav\t0\t1\tSpeech",
        "a.wav\t0.0\t1.00\t/m/0",  # the same event in other words
        "c.wav\t\t\t",
    )
    assert sed.read_events(path, CLASSES) == {
        "b.wav": [Event(0, 3.0, 4.0)],
        "a.wav": [Event(0, 0.0, 1.0), Event(1, 5.0, 6.5)],
        "c.wav": [],
    }


def test_reading_a_table_with_confidences(tmp_path):
    path = _table(
        tmp_path,
        "a.wav\t0\t1\tSpeech\t0.7",
        "b.wav\t\t\t\t",
        header="filename\tonset\toffset\tevent_label\tconfidence",
    )
    expected = {"a.wav": [Event(0, 0.0, 1.0)], "b.wav": []}
    assert sed.read_events(path, CLASSES) == expected


def test_confidence_is_the_mean_score_inside():
    scores = np.array([[0.9, 0.1], [0.5, 0.2], [0.2, 0.8], [0.8, 0.6]])
    found = [Event(0, 0.0, 2.0), Event(1, 2.0, 4.0), Event(0, 3.0, 3.3)]
    # (0.9 + 0.5) / 2, (0.8 + 0.6) / 2; the last is cut to less than half a segment
    expected = [0.7, 0.7, 0.8]
    assert sed.confidences(found, scores, ONE_SECOND) == pytest.approx(expected)


def test_reading_a_table_with_byte_order_mark(tmp_path):
    path = _table(
        tmp_path,
        "a.wav\t0\t1\tSpeech",
        header="\ufefffilename\tonset\toffset\tevent_label",
    )
    assert sed.read_events(path, CLASSES) == {"a.wav": [Event(0, 0.0, 1.0)]}


@pytest.mark.parametrize(
    "row, message",
    [
        ("a.wav\t2\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\tnan\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t0\tnan\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t0\tinf\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t-1\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\tone\t1\tSpeech", "must be numbers"),
        ("a.wav\t\t1\tSpeech", "must be numbers"),
        ("a.wav\t0\t1\t", "unknown class ''"),
        ("a.wav\t0\t1\tspeech", "unknown class 'speech'"),
        ("a.wav\t0\t1", "expected 4 tab-separated fields"),
        ("a.wav\t0\t1\tSpeech\tmore", "4 tab-separated fields"),
        ("a.wav,0,1,Speech", "expected 4 tab-separated fields"),
        ("\t0\t1\tSpeech", "a file name first"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = _table(tmp_path, "ok.wav\t0\t1\tSpeech", row)
    with pytest.raises(InputError, match=message) as caught:
        sed.read_events(path, CLASSES)
    assert f"{path}, line 3" in str(caught.value)


def test_unreadable_tables_are_named(tmp_path):
    with pytest.raises(InputError, match="absent.tsv"):
        sed.read_events(tmp_path / "absent.tsv", CLASSES)
    for content in ("", "filename,onset,offset,event_label\n", "a.wav\t0\t1\tSpeech\n"):
        (tmp_path / "x.tsv").write_text(content)
        with pytest.raises(InputError, match="x.tsv, line 1: expected .* header"):
            sed.read_events(tmp_path / "x.tsv", CLASSES)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "fuzz.tsv"
    path.write_bytes(b"filename\tonset\toffset\tevent_label\n" + content)
    try:
        found = sed.read_events(path, CLASSES)
    except InputError as error:
        assert "fuzz.tsv" in str(error)
    else:
        for event in itertools.chain.from_iterable(found.values()):
            assert 0 <= event.onset_seconds <= event.offset_seconds < math.inf


# Detection scores


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
