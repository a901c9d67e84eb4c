"""Label tables of a folder: semicolons, and files that several rows name."""

from __future__ import annotations

import csv
import os

import numpy as np
import pytest
import soundfile

from tfweak.data_prep import writer
from tfweak.data_prep.inputs import label_tables
from tfweak.data_prep.options import Options
from tfweak.errors import InputError


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_with_semicolons(tmp_path):
    rows = label_tables.read_table(
        table(
            tmp_path / "tags.csv", "filename;labels", 'a.wav;"Dog;Cat"', "b, c.wav;Dog;"
        )
    )
    assert [(row.filename, row.label) for row in rows] == [
        ("a.wav", "Dog;Cat"),
        ("b, c.wav", "Dog"),
    ]
    assert label_tables.split_labels("Dog;Cat", ()) == ["Dog", "Cat"]
    # further fields belong to the last column, as they do after commas
    (row,) = label_tables.read_table(
        table(tmp_path / "more.csv", "filename;labels", "a.wav;Dog;Cat")
    )
    assert label_tables.split_labels(row.label, ()) == ["Dog", "Cat"]


def test_times_with_decimal_commas(tmp_path):
    row, wrong = label_tables.read_table(
        table(
            tmp_path / "events.csv",
            "filename;onset;offset;event_label",
            "a.wav;0,25;1,5;Siren, old",
            "a.wav;1.000,5;2000;Dog",
        )
    )
    assert row.times() == (0.25, 1.5) and row.label == "Siren, old"
    with pytest.raises(InputError, match="line 3: onset '1.000.5'"):
        wrong.times()


def test_labels_that_hold_semicolons_are_known():
    assert label_tables.split_labels("a; b, c", {"a; b"}) == ["a; b", "c"]
    assert label_tables.split_labels("a; b, c", {"b, c"}) == ["a", "b, c"]


def test_a_header_with_both_is_one_with_commas(tmp_path):
    path = table(tmp_path / "tags.csv", "filename;labels,more", "a.wav;Dog,1")
    with pytest.raises(InputError, match="found filename;labels, more"):
        label_tables.read_table(path)


@pytest.mark.parametrize("name", ["onset", "offset"])
def test_half_of_the_times_makes_no_table_of_tags(tmp_path, name):
    header = f"filename,{name},event_label"
    path = table(tmp_path / "events.csv", header, "a.wav,0.5,Dog")
    with pytest.raises(InputError, match=f"expected a header .* found .*{name}"):
        label_tables.read_table(path)


def prepare(tmp_path, *lines):
    source = tmp_path / "audio"
    source.mkdir()
    for name in "abc":
        soundfile.write(source / f"{name}.wav", np.zeros(1600), 16000)
    tags = table(tmp_path / "tags.csv", "filename;labels", *lines)
    options = Options(source=source, tags=tags)
    (result,) = writer.prepare("folder", tmp_path / "out", options, workers=1)
    with open(tmp_path / "out" / "manifest.csv", newline="") as handle:
        return result, {row["file"]: row for row in csv.DictReader(handle)}


def test_rows_that_differ_are_joined_and_named(tmp_path, logged):
    result, manifest = prepare(
        tmp_path, "a.wav;Dog", "b.wav;Cat", "a.wav;Dog,Cat", "b.wav;Cat", "c.wav;Dog"
    )
    assert result.num_clips == 3 and result.is_whole
    assert list(manifest) == ["a.wav"]
    reason = manifest["a.wav"]["reason"]
    rows = "tags.csv, line 2: Dog; tags.csv, line 4: Dog, Cat"
    assert reason == f"its rows differ, and it has the labels of all: {rows}"
    assert f"such as a.wav ({rows})" in logged.text
    assert "NOTE 1 (1 several rows)" in "\n".join(result.summary())


def test_equal_rows_are_no_matter(tmp_path, logged):
    result, manifest = prepare(
        tmp_path, "a.wav;Dog, Cat", "a.wav;Cat;Dog", "b.wav;Cat", "c.wav;Dog"
    )
    assert result.num_clips == 3 and not manifest and "rows" not in logged.text


@pytest.mark.parametrize("text", ['a.wav,"dog\nb.wav,cat\nc.wav,owl\n', 'a.wav,"x\n'])
def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path, text):
    path = tmp_path / "tags.csv"
    path.write_text(f"filename,labels\nz.wav,dog\n{text}")
    assert label_tables.is_label_table(path)  # and so it is read, and refused
    with pytest.raises(InputError, match="tags.csv, line 3: a quote that is not"):
        label_tables.read_table(path)


def test_a_pipe_in_the_source_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "tags.csv")
    assert not label_tables.is_label_table(tmp_path / "tags.csv")


@pytest.mark.parametrize("form", ["%s", '"%s"'])
def test_quotes_within_a_name_stay(tmp_path, form):
    name = 'the "one"'
    written = form % (name if form == "%s" else name.replace('"', '""'))
    path = table(tmp_path / "tags.csv", "filename,labels", f"a.wav,{written}")
    (row,) = label_tables.read_table(path)
    assert row.label == name
    assert label_tables.split_labels(row.label, {name}) == [name]
    # quotes around a whole list, once more than the table needs
    assert label_tables.split_labels('"Dog, Cat"', set()) == ["Dog", "Cat"]
