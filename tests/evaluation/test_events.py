"""Event decoding and event tables."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tfweak.errors import InputError
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
