"""Vocabularies and the segment grid."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfweak.errors import InputError
from tfweak.labels import ClassList, Event, SegmentGrid


def test_real_class_list(shared_data):
    classes = ClassList.read_csv(shared_data / "audioset" / "class_labels_indices.csv")
    assert len(classes) == 527
    assert sum("," in name for name in classes.names) == 75
    assert classes.index("Male speech, man speaking") == 1
    assert classes.index("/m/09x0r") == 0
    kinds = [sum(m.startswith(p) for m in classes.mids) for p in ("/m/", "/t/", "/g/")]
    assert kinds == [492, 34, 1]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_csv_round_trip(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("csv") / "classes.csv"
    classes = ClassList(tuple(names))
    classes.write_csv(path)
    again = ClassList.read_csv(path)
    assert again == classes and again.digest == classes.digest


def test_rows_in_any_order(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text("index,mid,display_name\n1,/m/1,B\n\n0,/m/0,A\n")
    assert ClassList.read_csv(path) == ClassList(("A", "B"), ("/m/0", "/m/1"))


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_lists_as_spreadsheets_write_them(tmp_path, delimiter):
    path = tmp_path / "classes.csv"
    with open(path, "w", newline="", encoding="utf-8-sig") as handle:
        rows = csv.writer(handle, delimiter=delimiter)
        rows.writerow(["index", "mid", "display_name"])
        rows.writerows([(0, "/m/0", "A; b"), (1, "/m/1", "C, d")])
    assert ClassList.read_csv(path) == ClassList(("A; b", "C, d"), ("/m/0", "/m/1"))


def test_the_digest_depends_on_names_ids_and_order():
    lists = [
        ClassList(("A", "B"), ("/m/0", "/m/1")),
        ClassList(("B", "A"), ("/m/1", "/m/0")),
        ClassList(("A", "B"), ("/m/1", "/m/0")),
        ClassList(("A", "C"), ("/m/0", "/m/1")),
        ClassList(("A", "B")),
    ]
    assert len({classes.digest for classes in lists}) == len(lists)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\nc", "expected the header 'index,mid,display_name', found 'a,b'$"),
        ("index,mid,display_name\n0,/m/1,A\n2,/m/2,B\n", "not 0 to 1"),
        ("index,mid,display_name\n0,/m/1,A\n0,/m/2,B\n", "line 3: index 0"),
        ("index,mid,display_name\nx,/m/1,A\n", "line 2"),
        ("index,mid,display_name\n\u00b2,/m/1,A\n", "line 2"),
        (f"index,mid,display_name\n{'9' * 5000},/m/1,A\n", "line 2"),
        ("index,mid,display_name\n0,/m/1,A\n1,/m/1,B\n", "/m/1"),
        ("index,mid,display_name\n", "at least one class"),
    ],
)
def test_broken_class_lists_are_named(tmp_path, text, message):
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        ClassList.read_csv(path)
    assert "classes.csv" in str(caught.value)


def test_missing_class_list_and_unknown_class(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv"):
        ClassList.read_csv(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="'cat'"):
        ClassList(("dog",)).index("cat")


def test_segment_labels_worked_example():
    # 0.6-2.3 s covers 0.4, 1.0 and 0.3 of the one-second slots 0, 1, 2
    grid = SegmentGrid(1.0, 1.0)
    found = grid.labels([Event(1, 0.6, 2.3)], 4, 2)
    np.testing.assert_array_equal(found, [[0, 0], [0, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    "events, positive",
    [
        # half of slot 0 and half of slot 1
        ([(0.48, 1.44)], [0, 1]),
        # half of slot 9, from 9 * 0.96 = 8.64: in floats 9.12 - 8.64 < 0.48
        ([(7.68, 9.12)], [8, 9]),
        # 0.47 of slot 0, 0.96 of slot 1 (half a slot is 0.48)
        ([(0.49, 1.92)], [1]),
        # an event of no length covers nothing
        ([(1.0, 1.0)], []),
        ([(0.96, 0.96)], []),
        # two events of a class: a later one takes nothing from an earlier one
        ([(0.0, 0.96), (1.92, 2.88)], [0, 2]),
        ([(1.92, 2.88), (0.0, 0.96)], [0, 2]),
        # 0.24 of slot 1 each, which do not add up
        ([(0.0, 1.2), (1.68, 2.88)], [0, 2]),
    ],
)
def test_segment_labels_at_their_boundaries(events, positive):
    grid = SegmentGrid(0.96, 0.975)
    found = grid.labels([Event(1, *times) for times in events], 10, 2)
    assert np.flatnonzero(found[:, 1]).tolist() == positive
    assert not found[:, 0].any()


def test_slots_begin_at_the_offset():
    # slots 0.25-0.75, 0.75-1.25, 1.25-1.75: the event covers 0.25 of slot 1, all of 2
    grid = SegmentGrid(0.5, 0.5, 0.25)
    np.testing.assert_array_equal(grid.onsets(3), [0.25, 0.75, 1.25])
    found = grid.labels([Event(0, 1.0, 1.75)], 3, 1)[:, 0]
    np.testing.assert_array_equal(found, [0, 1, 1])


@given(
    st.floats(0, 9),
    st.floats(0.01, 5),
    st.sampled_from([0.16, 0.5, 0.96, 1.0]),
    st.floats(0, 0.1),
)
def test_every_event_inside_marks_a_segment(onset, length, hop, offset):
    count = int(20 / hop)
    grid = SegmentGrid(hop, hop, offset)
    onset = max(onset, offset)
    found = grid.labels([Event(0, onset, onset + length)], count, 1)[:, 0]
    assert found.any()
    # and nothing further away than the event itself
    starts = grid.onsets(count)
    outside = (starts >= onset + length) | (starts + hop <= onset)
    assert not found[outside].any()


@pytest.mark.parametrize(
    ("onset", "offset", "positive"),
    [(0.6, 2.3, [1]), (0.3, 0.5, [0]), (1.8, 2.1, [2])],
)
def test_worked_example_of_the_docs(onset, offset, positive):
    # slots of 0.96 s; overlaps 0.36, 0.96, 0.38 s of the first event, half a slot is
    # 0.48 s; the others are shorter than a slot: 0.1 s and 0.15 s are needed
    from tfweak.models.architecture import create

    grid = create("embedding_attention", num_classes=1).grid
    labels = grid.labels([Event(0, onset, offset)], 3, 1)[:, 0]
    assert np.flatnonzero(labels).tolist() == positive
    fcn = create("attention_fcn", num_classes=1).grid
    assert fcn.receptive_field_seconds == pytest.approx(0.715)  # docs/labels.md


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", "a\rb", "a\0", "a\u2028b"])
def test_class_names_that_would_forge_rows_are_refused(name):
    for names, mids in (((name, "x"), ("m", "n")), (("m", "n"), (name, "x"))):
        with pytest.raises(InputError, match="is empty, or holds a tab"):
            ClassList(names, mids)
