"""Event tables in the formats of other tools."""

from __future__ import annotations

import csv
import json
import os
import threading

import numpy as np
import pytest

from tfweak.errors import InputError
from tfweak.evaluation.event_formats import (
    FORMATS,
    FileEvents,
    write_event_files,
    write_scores,
)
from tfweak.files import atomic
from tfweak.labels import Event, SegmentGrid

NAMES = ("Speech", "Air horn, truck horn", "a\tb")
FILES = (
    FileEvents("a.wav", 10.0, [Event(1, 0.0, 1.23456), Event(0, 2.0, 10.0)], [0.75, 1]),
    FileEvents("silent.wav", 4.0, [], []),
    FileEvents("deep/b.flac", 5.0, [Event(2, 0.5, 4.25)], [1 / 3]),
)


def test_desed_and_csv_by_hand():
    tsv = (
        "filename\tonset\toffset\tevent_label\tconfidence\n"
        "a.wav\t0.000\t1.235\tAir horn, truck horn\t0.7500\n"
        "a.wav\t2.000\t10.000\tSpeech\t1.0000\n"
        "silent.wav\t\t\t\t\n"
        "deep/b.flac\t0.500\t4.250\ta b\t0.3333\n"
    )
    assert FORMATS["desed"].text(FILES, NAMES) == tsv
    rows = list(csv.reader(FORMATS["csv"].text(FILES, NAMES).splitlines()))
    assert rows == [line.split("\t") for line in tsv.splitlines()]


def test_audacity_by_hand():
    # the manual: start, end and label, separated by tabs, no header
    assert FORMATS["audacity"].text(FILES[:1], NAMES) == (
        "0.000000\t1.234560\tAir horn, truck horn\n2.000000\t10.000000\tSpeech\n"
    )
    assert FORMATS["audacity"].text(FILES[1:2], NAMES) == ""
    with pytest.raises(InputError, match="label track is of one file"):
        FORMATS["audacity"].text(FILES, NAMES)


def test_raven_by_hand():
    lines = FORMATS["raven"].text(FILES, NAMES).splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert [row["Selection"] for row in rows] == ["1", "2", "3"]
    # the third file begins after the 10 s and 4 s of the two before it
    assert [float(row["Begin Time (s)"]) for row in rows] == [0.0, 2.0, 14.5]
    assert [float(row["End Time (s)"]) for row in rows] == [1.23456, 10.0, 18.25]
    assert [float(row["File Offset (s)"]) for row in rows] == [0.0, 2.0, 0.5]
    assert {row["Low Freq (Hz)"] for row in rows} == {"0.0"}
    assert {row["High Freq (Hz)"] for row in rows} == {"8000.0"}
    assert [row["Begin File"] for row in rows] == ["a.wav", "a.wav", "deep/b.flac"]
    assert {row["View"] for row in rows} == {"Spectrogram 1"}
    assert [row["Annotation"] for row in rows] == [
        "Air horn, truck horn",
        "Speech",
        "a b",
    ]
    assert rows[2]["Confidence"] == "0.3333"


def test_json_lines():
    lines = FORMATS["jsonl"].text(FILES, NAMES).splitlines()
    found = [json.loads(line) for line in lines]
    assert [file["filename"] for file in found] == [
        "a.wav",
        "silent.wav",
        "deep/b.flac",
    ]
    assert found[1] == {"filename": "silent.wav", "seconds": 4.0, "events": []}
    (event,) = found[2]["events"]
    assert event == {
        "onset": 0.5,
        "offset": 4.25,
        "event_label": "a\tb",
        "confidence": 0.3333,
    }


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_are_not_utf8_or_hold_separators_do_not_break_a_table(
    name, tmp_path
):
    odd = b"caf\xe9\t\n.wav".decode("utf-8", "surrogateescape")
    file = FileEvents(odd, 2.0, [Event(0, 0.0, 1.0)], [0.5])
    path = tmp_path / "x"
    write_event_files(path, [file], NAMES, [name])
    contents = path.read_bytes()
    expected = {"audacity": 1, "jsonl": 1}.get(name, 2)
    assert len(contents.splitlines()) == expected
    if name == "desed":
        assert contents.splitlines()[1].startswith(b"caf\xe9 .wav\t")
    if name == "jsonl":
        assert json.loads(contents)["filename"] == odd


def test_one_table_for_all_or_one_for_each(tmp_path):
    out = tmp_path / "events.tsv"
    assert write_event_files(out, FILES, NAMES) == [out]
    several = write_event_files(out, FILES, NAMES, ["desed", "raven", "jsonl"])
    assert [p.name for p in several] == [
        "events.tsv",
        "events.selections.txt",
        "events.jsonl",
    ]
    each = write_event_files(tmp_path / "all", FILES, NAMES, ["audacity"], True)
    assert [p.relative_to(tmp_path).as_posix() for p in each] == [
        "all/a.wav.txt",
        "all/silent.wav.txt",
        "all/deep/b.flac.txt",
    ]
    assert each[1].read_text() == "" and "a b" in each[2].read_text()
    # a name leads nowhere else
    bad = FileEvents("/tmp/../../x.wav", 1.0, [], [])
    (path,) = write_event_files(tmp_path / "all", [bad], NAMES, per_file=True)
    assert path == tmp_path / "all" / "tmp" / "x.wav.tsv"
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_event_files(tmp_path / "taken", FILES, NAMES)
    with pytest.raises(InputError, match="1 events, but 0 confidences"):
        FileEvents("a", 1.0, [Event(0, 0.0, 1.0)], [])


def test_a_pipe_is_written_through_and_a_link_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_event_files(pipe, FILES, NAMES)
    reader.join(timeout=30)
    assert got == [FORMATS["desed"].text(FILES, NAMES).encode()]
    assert atomic.is_stream(pipe)  # it is still there
    target, link = tmp_path / "target.tsv", tmp_path / "link.tsv"
    target.write_text("old")
    link.symlink_to(target)
    write_event_files(link, FILES, NAMES)
    assert link.is_symlink() and target.read_text().startswith("filename\t")
    assert atomic.is_stream("/dev/null") and not atomic.is_stream(target)


def test_a_killed_table_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "events.tsv"
    path.write_text("old")

    def fail(source, target):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="events.tsv: cannot be written .*no space"):
        write_event_files(path, FILES, NAMES)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name, before", [("desed", 1), ("raven", 1), ("jsonl", 0)])
def test_a_table_grows_file_by_file(name, before):
    asked = []

    def files():
        for file in FILES:
            asked.append(file.filename)
            yield file

    parts = FORMATS[name].parts(files(), NAMES)
    header = [next(parts) for _ in range(before)]
    assert not asked
    first = next(parts)
    assert asked == [FILES[0].filename]
    assert "".join([*header, first, *parts]) == FORMATS[name].text(FILES, NAMES)


def test_scores_of_segments(tmp_path):
    path = tmp_path / "a.tsv"
    scores = np.array([[0.25, 1.0], [0.1234567, 0.0]], np.float32)
    # slots of 1 s from -0.5 s on; what lies before the recording is cut
    write_scores(path, scores, SegmentGrid(1.0, 2.0, -0.5), ("dog", "a\tb"))
    assert path.read_text() == (
        "onset\toffset\tdog\ta b\n"
        "0.000000\t0.500000\t0.25\t1\n"
        "0.500000\t1.500000\t0.1234567\t0\n"
    )
