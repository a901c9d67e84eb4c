"""Label lists by clip id: formats, traps and counts, and what becomes of a clip."""

from __future__ import annotations

import collections
import csv
import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfweak.data_prep.datasets import (
    audioset_segments,
    audioset_strong,
    dcase2017_task4,
    sl_dcase17,
)
from tfweak.data_prep.datasets.audioset_segments import AudiosetSegments
from tfweak.data_prep.datasets.audioset_strong import AudiosetStrong
from tfweak.data_prep.datasets.dcase2017_task4 import Dcase2017Task4
from tfweak.data_prep.datasets.sl_dcase17 import SlDcase17
from tfweak.data_prep.inputs import dcase17, label_lists, label_rows
from tfweak.data_prep.options import Options
from tfweak.errors import InputError
from tfweak.labels import ClassList, Event

TRAIN_HEADER = "\tDCASE17-filename\tlabel_id\ttime\n"
TEST_HEADER = "\t# YTID\tstart_seconds\tend_seconds\tpositive_labels\n"
SEGMENTS_HEADER = (
    "# Segments csv created\n# num_ytids=1\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
)
STRONG_HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
CAR, TRAIN = "/m/0k4j", "/m/07jdr"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(cls, path, kind=None):
    return cls().rows(path, Options(label_kind=kind))


def gather(rows, known=dcase17.CLASSES, classes=None):
    return label_lists.gather(rows, known, classes)


def train_list(tmp_path, *rows):
    text = "".join(f"{i}\t" + "\t".join(row) + "\n" for i, row in enumerate(rows))
    return write(tmp_path / "train.csv", TRAIN_HEADER + text)


def one(rows, **kwargs):
    listed, nameless = gather(rows, **kwargs)
    assert not nameless
    ((clip_id, clip),) = listed.items()
    return clip_id, clip


# --- the formats, on rows made here --------------------------------------------------


def test_sl_dcase17_training_rows(tmp_path):
    path = train_list(
        tmp_path,
        # unsorted, overlapping (0-3 and 2-5), touching (5-6) and twice the same
        ("Y-a_b_cdefg_30.000_40.000.wav", CAR, "[[5, 6.0], [2.0, 5.0], [0.0, 3.0]]"),
        ("Y-a_b_cdefg_30.000_40.000.wav", CAR, "[[5.0, 6.0]]"),
        ("Y-a_b_cdefg_30.000_40.000.wav", TRAIN, "[[0.0, 9.716000000000001]]"),
    )
    clip_id, clip = one(read(SlDcase17, path))
    assert clip_id == "Y-a_b_cdefg"  # begins with Y, holds _ and -: 11 characters
    assert clip.place == (30.0, 40.0) and clip.labels == [CAR, TRAIN]
    assert clip.events == {
        CAR: [(0.0, 5.0), (5.0, 6.0)],
        TRAIN: [(0.0, 9.716000000000001)],
    }


def test_sl_dcase17_weak_rows_with_two_pairs_of_quotes(tmp_path):
    text = (
        TEST_HEADER
        + '0\t-9mHz0OsKKw\t0.0\t10.0\t"""/m/0k4j"""\n'
        + '1\tzxjDTJ_DA0s\t150.0\t160.0\t"""/m/0284vy3,/m/07jdr"""\n'
    )
    listed, _ = gather(read(SlDcase17, write(tmp_path / "t.csv", text)))
    assert {k: (c.place, c.labels, c.events) for k, c in listed.items()} == {
        "-9mHz0OsKKw": ((0.0, 10.0), [CAR], None),
        "zxjDTJ_DA0s": ((150.0, 160.0), ["/m/0284vy3", TRAIN], None),
    }


def test_segments_with_spaces_after_commas_and_quoted_labels(tmp_path):
    text = SEGMENTS_HEADER + '--PJHxphWEs, 30.000, 37.500, "/m/09x0r,/t/dd00088"\r\n'
    path = write(tmp_path / "s.csv", "\ufeff" + text)
    clip_id, clip = one(read(AudiosetSegments, path), known=None)
    assert clip_id == "--PJHxphWEs"
    assert clip.place == (30.0, 37.5)
    assert (clip.labels, clip.events) == (["/m/09x0r", "/t/dd00088"], None)


def test_audioset_lists_with_semicolons(tmp_path):
    header = "# YTID; start_seconds; end_seconds; positive_labels\n"
    text = header + "--PJHxphWEs;30.000;37.500;/m/09x0r,/t/dd00088\n"
    _, clip = one(read(AudiosetSegments, write(tmp_path / "s.csv", text)), known=None)
    assert (clip.place, clip.labels) == ((30.0, 37.5), ["/m/09x0r", "/t/dd00088"])
    text = STRONG_HEADER.replace("\t", ";") + "a_b_c_d_e_1_30500;0.068;9.9;/m/09x0r\n"
    _, clip = one(read(AudiosetStrong, write(tmp_path / "t.csv", text)), known=None)
    assert clip.events == {"/m/09x0r": [(0.068, 9.9)]}


def test_semicolons_are_named_where_they_are_not_read(tmp_path):
    path = write(tmp_path / "l.csv", TRAIN_HEADER.replace("\t", ";"))
    with pytest.raises(InputError, match="separated by semicolons here$"):
        list(read(SlDcase17, path))
    row = "abcdefghijk_0.000_10.000.wav;0.000;10.000;Car\n"
    rows = read(Dcase2017Task4, write(tmp_path / "m.csv", row), "weak")
    with pytest.raises(InputError, match="1 columns, .* separated by semicolons here"):
        gather(rows)


def test_strong_segment_ids_are_split_at_the_last_underscore(tmp_path):
    text = STRONG_HEADER + "a_b_c_d_e_1_30500\t0.068\t9.9\t/m/09x0r\n"
    clip_id, clip = one(
        read(AudiosetStrong, write(tmp_path / "s.tsv", text)),
        known=None,
    )
    assert (clip_id, clip.place) == ("a_b_c_d_e_1", (30.5, None))
    assert clip.events == {"/m/09x0r": [(0.068, 9.9)]}


def test_dcase_rows_with_crlf_and_bare_integers(tmp_path):
    name = "-E0shPRxAbo_30.000_40.000.wav"
    horn = "Air horn, truck horn"  # one class, not two
    text = f"{name}\t0\t5\t{horn}\r\n{name}\t4\t6.5\tAmbulance (siren)\r\n"
    path = write(tmp_path / "g.csv", text)
    clip_id, clip = one(read(Dcase2017Task4, path, "strong"))
    assert clip_id == "-E0shPRxAbo"
    assert clip.events == {"/m/05x_td": [(0.0, 5.0)], "/m/012n7d": [(4.0, 6.5)]}
    text = f"{name}\t30\t40\t{horn}\r\n"
    _, clip = one(read(Dcase2017Task4, write(tmp_path / "w.csv", text), "weak"))
    assert (clip.labels, clip.events) == (["/m/05x_td"], None)


def test_label_kind_is_needed_and_checked(tmp_path):
    def plan(text, kind):
        path = write(tmp_path / "g.csv", text)
        return Dcase2017Task4().plan(Options(labels=path, label_kind=kind))

    weak = "-E0shPRxAbo_30.000_40.000.wav\t30.000\t40.000\tTrain\n"
    strong = "-E0shPRxAbo_30.000_40.000.wav\t0.000\t10.000\tTrain\n"
    both = "-E0shPRxAbo_0.000_10.000.wav\t0.000\t10.000\tTrain\n"
    with pytest.raises(InputError, match="label_kind is needed"):
        plan(weak, None)
    with pytest.raises(InputError, match="looks like a file of weak labels"):
        plan(weak, "strong")
    with pytest.raises(InputError, match="looks like a file of strong labels"):
        plan(strong, "weak")
    for text, kind in ((weak, "weak"), (strong, "strong"), (both, "weak")):
        with pytest.raises(InputError, match="source is needed"):  # the next check
            plan(text, kind)
    # a single row of the other kind is that row's fault
    path = write(tmp_path / "mixed.csv", weak * 2 + both.replace("\t10.000", "\t9.000"))
    listed, _ = gather(read(Dcase2017Task4, path, "weak"))
    assert "line 3: the times 0 and 9" in listed["-E0shPRxAbo"].problem


# --- broken rows and files -----------------------------------------------------------

GOOD = "9\tgoodgoodgoo_0.000_10.000.wav\t/m/0k4j\t[[0.0, 1.0]]\n"


@pytest.mark.parametrize(
    "row, reason",
    [
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j", "3 columns, expected 4"),
        (
            "abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0.0, 1.0]]\tx",
            "5 columns, expected 4",
        ),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0.0, 1.0]", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0.0]]", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[]", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0, 'a']]", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0, True]]", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t__import__('os')", "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t" + "[" * 9999, "expected [[onset"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[2.0, 1.0]]", "onset 2 and offset 1"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[2.0, 2.0]]", "onset 2 and offset 2"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[-1.0, 1.0]]", "onset -1"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[0, 1e999]]", "offset inf"),
        ("abcdefghijk_0.000_10.000.wav\t/m/0k4j\t[[10.0, 11.0]]", "begins at 10 s in"),
        ("abcdefghijk_0.000_10.000.wav\t/m/09x0r\t[[0.0, 1.0]]", "class '/m/09x0r'"),
        (
            "abcdefghijk_0.000_10.000.wav\tCar alarms\t[[0.0, 1.0]]",
            "class 'Car alarms'",
        ),
        ("abcdefghijk_10.000_0.000.wav\t/m/0k4j\t[[0.0, 1.0]]", "ends at 0 s"),
        ("abcdefghijk_ten_20.000.wav\t/m/0k4j\t[[0.0, 1.0]]", "is not a name such as"),
        ('abcdefghijk_0.000_10.000.wav\t"/m/0k4j\t[[0.0, 1.0]]', "cannot be read"),
        (b"abcdefghijk_0.000_10.000.wav\t/m/0k4j\xff\t[[0.0, 1.0]]", "unknown class"),
    ],
)
def test_a_broken_row_leaves_out_its_clip_only(tmp_path, row, reason):
    raw = row if isinstance(row, bytes) else row.encode()
    before = b"0\tabcdefghijk_0.000_10.000.wav\t/m/07jdr\t[[0.0, 1.0]]\n"
    text = TRAIN_HEADER.encode() + before + b"1\t" + raw + b"\n" + GOOD.encode()
    listed, nameless = gather(read(SlDcase17, write(tmp_path / "l.csv", text)))
    assert nameless == []
    problem = listed["abcdefghijk"].problem
    assert problem.startswith("l.csv, line 3: ") and reason in problem
    targets, bad = label_lists.targets(listed, dcase17.CLASSES, "tag")
    assert list(targets) == ["goodgoodgoo"]
    assert [(b.file, b.kind, b.reason) for b in bad] == [
        ("abcdefghijk", "label", problem)
    ]


def test_a_row_without_an_id_is_listed_by_its_line(tmp_path):
    text = TRAIN_HEADER + "0\tshort_0_10.wav\t/m/0k4j\t[[0, 1]]\n" + GOOD
    listed, nameless = gather(read(SlDcase17, write(tmp_path / "l.csv", text)))
    assert list(listed) == ["goodgoodgoo"]
    assert [(b.file, b.kind) for b in nameless] == [("l.csv, line 2", "label")]


@pytest.mark.parametrize(
    "cls, header, row, reason",
    [
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            'x, 0, 10, "/m/a"',
            "columns",
        ),
        (AudiosetSegments, SEGMENTS_HEADER, "x, 0, 10", "3 columns"),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            "x, 0, ten, /m/a",
            "'ten' is not",
        ),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            "x, nan, 9, /m/a",
            "'nan' is not",
        ),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            "x, 5, 5, /m/a",
            "ends at 5 s",
        ),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            'x, 0, 5, ""',
            "expected labels",
        ),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            'x, 0, 5, "/m/a',
            "cannot be read",
        ),
        (
            AudiosetSegments,
            SEGMENTS_HEADER,
            "x, 0, 5, Dog",
            "class 'Dog'",
        ),
        (AudiosetStrong, STRONG_HEADER, "x_5\t0\t1", "3 columns"),
        (
            AudiosetStrong,
            STRONG_HEADER,
            "x\t0\t1\t/m/a",
            "not a segment id",
        ),
        (
            AudiosetStrong,
            STRONG_HEADER,
            "x_a\t0\t1\t/m/a",
            "not a segment id",
        ),
        *(
            (
                AudiosetStrong,
                STRONG_HEADER,
                f"x_{number}\t0\t1\t/m/a",
                "not a segment id",
            )
            for number in ("9" * 400, "9" * 5000, "\u00b2")
        ),
        (
            AudiosetStrong,
            STRONG_HEADER,
            "x_5\t1\t1\t/m/a",
            "onset 1 and offset 1",
        ),
        (
            AudiosetStrong,
            STRONG_HEADER,
            "x_5\t-1\t1\t/m/a",
            "'-1' is not",
        ),
        (
            AudiosetStrong,
            STRONG_HEADER,
            "x_5\t0\t1\tDog",
            "class 'Dog'",
        ),
    ],
)
def test_broken_rows_of_audioset_lists(tmp_path, cls, header, row, reason):
    if reason == "columns":
        row, reason = "x, 0, 10, /m/a,/m/b", "5 columns, expected 4"
    good = {
        SEGMENTS_HEADER: "goodgoodgoo, 0, 10, /m/a\n",
        STRONG_HEADER: "goodgoodgoo_0\t0\t1\t/m/a\n",
    }[header]
    text = header + good + row.replace("x", "_-Ybcdefghi", 1) + "\n" + good
    listed, _ = gather(read(cls, write(tmp_path / "l", text)), known=None)
    line = header.count("\n") + 2
    assert listed["_-Ybcdefghi"].problem.startswith(f"l, line {line}: ")
    assert reason in listed["_-Ybcdefghi"].problem
    assert not listed["goodgoodgoo"].problem


@pytest.mark.parametrize("cls", [SlDcase17, AudiosetSegments, AudiosetStrong])
@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "\x00\x01\n", "# YTID, positive_labels\n", GOOD],
)
def test_a_file_of_another_format_is_refused(tmp_path, cls, text):
    path = write(tmp_path / "other.csv", text)
    with pytest.raises(
        InputError, match=r"other.csv: expected .*header|the line '# YTID"
    ):
        list(read(cls, path))


def test_a_list_of_which_no_row_can_be_used_is_refused(tmp_path):
    for text, reason in (("", "it has none"), ("a\tb\n", "l.csv, line 1: 2 columns")):
        rows = read(Dcase2017Task4, write(tmp_path / "l.csv", text), "weak")
        with pytest.raises(InputError, match=f"no row of the list .*{reason}"):
            gather(rows)


def test_a_clip_in_two_places_is_left_out(tmp_path):
    path = train_list(
        tmp_path,
        ("abcdefghijk_30.000_40.000.wav", CAR, "[[0, 1]]"),
        ("abcdefghijk_50.000_60.000.wav", TRAIN, "[[0, 1]]"),
        ("goodgoodgoo_50.000_60.000.wav", TRAIN, "[[0, 1]]"),
    )
    listed, _ = gather(read(SlDcase17, path))
    assert listed["abcdefghijk"].problem == (
        "train.csv, line 3: the clip is at 50 to 60 s of its video, in an earlier row"
        " at 30 to 40 s"
    )


# --- what is not audible, and what is not in the vocabulary --------------------------


def label_mid(name):
    return dcase17.CLASSES.mids[dcase17.CLASSES.names.index(name)]


def rows(*entries):
    return [
        label_rows.LabelRow(
            f"l, line {i}", clip_id, label_rows.Place(0.0, 10.0), [label], times
        )
        for i, (clip_id, label, times) in enumerate(entries)
    ]


@pytest.mark.parametrize(
    "inaudible, expected",
    [
        ("tag", {"half": ([0, 1], [Event(0, 1.0, 2.0)]), "none": ([1], [])}),
        ("weak", {"half": ([0, 1], None), "none": ([1], None)}),
        ("drop", {"half": ([0], [Event(0, 1.0, 2.0)]), "none": ([], [])}),
        ("exclude", {}),
    ],
)
def test_inaudible(inaudible, expected):
    classes = ClassList(("/m/a", "/m/b"))
    listed, _ = gather(
        rows(
            ("half", "/m/a", [(1.0, 2.0)]),
            ("half", "/m/b", [(0.0, 0.0)]),
            ("none", "/m/b", [(0.0, 0.0)]),
            # contradictory pairs, in both orders: the audible row counts
            ("pair1", "/m/b", [(0.0, 0.0)]),
            ("pair1", "/m/b", [(0.0, 10.0)]),
            ("pair2", "/m/b", [(0.0, 10.0)]),
            ("pair2", "/m/b", [(0.0, 0.0)]),
            # not audible, but not a class of ours either
            ("other", "/m/a", [(1.0, 2.0)]),
            ("other", "/m/c", [(0.0, 0.0)]),
        ),
        known=None,
    )
    targets, bad = label_lists.targets(listed, classes, inaudible)
    pair = ([1], [Event(1, 0.0, 10.0)])
    assert {k: (t.labels, t.events) for k, t in targets.items()} == {
        **expected,
        "pair1": pair,
        "pair2": pair,
        "other": ([0], [Event(0, 1.0, 2.0)]),
    }
    left_out = [("half", "inaudible"), ("none", "inaudible")]
    assert [(b.file, b.kind) for b in bad] == [
        *(left_out if inaudible == "exclude" else []),
        ("/m/c", "unused label"),
    ]


def test_labels_outside_the_vocabulary():
    classes = ClassList(("Dog", "Car"), ("/m/dog", CAR))
    weak = rows(("one", "/m/dog", None), ("one", "/m/x", None), ("two", "/m/x", None))
    targets, bad = label_lists.targets(gather(weak, None, classes)[0], classes, "tag")
    assert {k: (t.labels, t.events) for k, t in targets.items()} == {"one": ([0], None)}
    assert [(b.file, b.kind) for b in bad] == [
        ("two", "no label"),
        ("/m/x", "unused label"),
    ]
    assert bad[1].reason == "not among the classes; dropped from 2 clips"
    strong = rows(("one", "Dog", [(0.0, 1.0)]), ("two", "/m/x", [(0.0, 1.0)]))
    targets, bad = label_lists.targets(gather(strong, None, classes)[0], classes, "tag")
    assert {k: (t.labels, t.events) for k, t in targets.items()} == {
        "one": ([0], [Event(0, 0.0, 1.0)]),
        "two": ([], []),
    }
    # a class of the data set that is not in --classes is dropped, any other is an error
    known = rows(("one", "Car", None), ("two", "Train", None), ("bad", "Cow", None))
    listed, _ = gather(known, classes=classes)
    assert listed["bad"].problem == "l, line 2: unknown class 'Cow'"
    targets, bad = label_lists.targets(listed, classes, "tag")
    assert {k: t.labels for k, t in targets.items()} == {"one": [1]}
    assert {(b.file, b.kind) for b in bad} == {
        ("two", "no label"),
        ("bad", "label"),
        (TRAIN, "unused label"),
    }


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 10)).map(
            lambda t: (t[0] / 4, (t[0] + t[1]) / 4)
        )
    )
)
def test_union_covers_the_same_time(intervals):
    merged = label_lists.union(intervals)

    def covered(times):  # by quarters of a second
        return {q for a, b in times for q in range(round(4 * a), round(4 * b))}

    assert covered(merged) == covered(intervals)
    assert all(a[1] <= b[0] for a, b in zip(merged, merged[1:]))
    assert {a for a, _ in merged} <= {a for a, _ in intervals}
    assert {b for _, b in merged} <= {b for _, b in intervals}


ids = st.text("aZ09-_Y", min_size=11, max_size=11)
times = st.integers(0, 10**6).map(lambda ms: ms / 1000)


@given(ids, times, times.filter(bool))
def test_names_are_read_as_they_are_written(clip_id, start, length):
    end = round(start + length, 3)
    name = f"{clip_id}_{start:.3f}_{end:.3f}.wav"
    assert label_rows.clip_name(name) == (clip_id, (start, end))


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(text):
    line = label_rows.Line("f, line 1", text)
    for parse in (
        sl_dcase17._strong,
        sl_dcase17._weak,
        dcase2017_task4._weak,
        dcase2017_task4._strong,
        *(
            functools.partial(module._row, delimiter=delimiter)
            for module in (audioset_segments, audioset_strong)
            for delimiter in "\t,;"
        ),
    ):
        (row,) = label_rows.parsed([line], parse)
        assert row.problem or len(row.clip_id) == 11


# --- the real lists: the counts of their authors' files ------------------------------


def test_the_17_classes(shared_data):
    text = (shared_data / "dcase2017_task4/sound_event_list_17_classes.txt").read_text()
    table = [line.split("\t") for line in text.splitlines()[1:]]
    assert dcase17.CLASSES.mids == tuple(row[0] for row in table)
    assert dcase17.CLASSES.names == tuple(row[2] for row in table)
    audioset = ClassList.read_csv(shared_data / "audioset/class_labels_indices.csv")
    for mid, name in zip(dcase17.CLASSES.mids, dcase17.CLASSES.names):
        assert audioset.names[audioset.index(mid)] == name
    path = shared_data / "sl_dcase17/train_strong_labels.csv"
    found = {row.labels[0] for row in read(SlDcase17, path)}
    assert found == set(dcase17.CLASSES.mids)


def test_real_sl_dcase17_training_list(shared_data):
    table = list(read(SlDcase17, shared_data / "sl_dcase17/train_strong_labels.csv"))
    assert len(table) == 1955
    assert sum(len(row.times) for row in table) == 2390
    assert sum(list(row.times) == [label_rows.INAUDIBLE] for row in table) == 185
    real = [t for row in table for t in row.times if t != label_rows.INAUDIBLE]
    assert len(real) == 2205 and sum(b - a < 0.96 for a, b in real) == 249
    listed, nameless = gather(table)
    assert len(listed) == 1591 and nameless == []
    assert not any(clip.problem for clip in listed.values())
    assert sum(not clip.events for clip in listed.values()) == 105
    merged = sum(len(t) for clip in listed.values() for t in clip.events.values())
    assert merged == 2205 - 3  # three rows overlap within a class
    unsorted = [row for row in table if list(row.times) != sorted(row.times)]
    assert len(unsorted) == 1
    (times,) = [
        times
        for label, times in listed[unsorted[0].clip_id].events.items()
        if label == unsorted[0].labels[0]
    ]
    assert times == sorted(times)
    kept = {
        choice: label_lists.targets(listed, dcase17.CLASSES, choice)[0]
        for choice in ("tag", "weak", "drop", "exclude")
    }
    silent = {row.clip_id for row in table if list(row.times) == [label_rows.INAUDIBLE]}
    assert {choice: len(t) for choice, t in kept.items()} == {
        "tag": 1591,
        "weak": 1591,
        "drop": 1591,
        "exclude": 1591 - len(silent),
    }
    assert sum(len(t.labels) for t in kept["tag"].values()) == 1955
    assert sum(len(t.labels) for t in kept["drop"].values()) == 1955 - 185
    assert sum(not t.labels for t in kept["drop"].values()) == 105
    assert sum(t.events is None for t in kept["weak"].values()) == len(silent)


def test_real_sl_dcase17_weak_lists_do_not_overlap(shared_data):
    ids = {}
    for name, count in (("test_set", 626), ("validation_set", 1638)):
        listed, nameless = gather(
            read(SlDcase17, shared_data / f"sl_dcase17/{name}.csv")
        )
        assert (len(listed), nameless) == (count, [])
        assert not any(c.problem or c.events is not None for c in listed.values())
        assert all(c.labels for c in listed.values())
        ids[name] = set(listed)
    train = read(SlDcase17, shared_data / "sl_dcase17/train_strong_labels.csv")
    ids["train"] = {row.clip_id for row in train}
    assert len(set.union(*ids.values())) == 626 + 1638 + 1591


@pytest.mark.parametrize(
    "part, clips, silent",
    [("training", 51172, None), ("testing", 488, 36), ("evaluation", 1103, 150)],
)
def test_real_dcase_lists(shared_data, part, clips, silent):
    folder = shared_data / "dcase2017_task4"
    path = folder / f"groundtruth_weak_label_{part}_set.csv"
    weak, nameless = gather(read(Dcase2017Task4, path, "weak"))
    assert (len(weak), nameless) == (clips, [])
    assert not any(c.problem for c in weak.values())
    with pytest.raises(InputError, match="looks like a file of weak labels"):
        read(Dcase2017Task4, path, "strong")
    if silent is None:
        return
    path = folder / f"groundtruth_strong_label_{part}_set.csv"
    with pytest.raises(InputError, match="looks like a file of strong labels"):
        read(Dcase2017Task4, path, "weak")
    table = list(read(Dcase2017Task4, path, "strong"))
    assert sum(list(row.times) == [label_rows.INAUDIBLE] for row in table) == silent
    strong, nameless = gather(table)
    assert (len(strong), nameless) == (clips, [])
    assert not any(c.problem for c in strong.values())
    # both files name the same classes of the same clips
    assert {k: set(c.labels) for k, c in weak.items()} == {
        k: set(c.labels) for k, c in strong.items()
    }


def test_real_dcase_duplicates_overlaps_and_the_contradictory_pair(shared_data):
    folder = shared_data / "dcase2017_task4"
    seen = collections.Counter()
    for part in ("testing", "evaluation"):
        path = folder / f"groundtruth_strong_label_{part}_set.csv"
        table = list(read(Dcase2017Task4, path, "strong"))
        exact = collections.Counter((r.clip_id, *r.labels, *r.times) for r in table)
        seen["twice"] += sum(n > 1 for n in exact.values())
        listed, _ = gather(table)
        apart = collections.Counter((c, label) for c, label, t in exact if t != (0, 0))
        seen["overlapping"] += sum(
            len(listed[clip_id].events[label_mid(label)]) < n
            for (clip_id, label), n in apart.items()
        )
        if part == "testing":
            assert listed["-oCvKmNbhl0"].events["/m/07r04"] == [(0.0, 10.0)]
        silent = {r.clip_id + r.labels[0] for r in table if (0.0, 0.0) in r.times}
        heard = {r.clip_id + r.labels[0] for r in table if (0.0, 0.0) not in r.times}
        seen["contradictory"] += len(silent & heard)
    assert seen == {"twice": 1, "overlapping": 4, "contradictory": 1}


def test_real_balanced_segments(shared_data):
    path = shared_data / "audioset/balanced_train_segments.csv"
    classes = ClassList.read_csv(shared_data / "audioset/class_labels_indices.csv")
    listed, nameless = gather(read(AudiosetSegments, path), None, classes)
    assert (len(listed), nameless) == (22160, [])
    assert sum(clip_id.startswith("-") for clip_id in listed) == 459
    short = [c.place for c in listed.values() if c.place[1] - c.place[0] < 10]
    assert len(short) == 345
    targets, bad = label_lists.targets(listed, classes, "tag")
    # the file's own second line: num_positive_labels=52882
    assert (sum(len(t.labels) for t in targets.values()), bad) == (52882, [])
    assert label_lists.occurring(listed).mids == tuple(sorted(classes.mids))
    with open(path, newline="") as handle:  # a reader that knows nothing of ours
        rows = list(csv.reader(handle, skipinitialspace=True))[3:]
    assert {r[0]: set(r[3].split(",")) for r in rows} == {
        k: set(c.labels) for k, c in listed.items()
    }
