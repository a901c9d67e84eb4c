"""DCASE 2017 task 4: its ground-truth files of weak and of strong labels.

Rows of four columns between tabs, without a header: the clip's name
`YTID_start_end.wav`, two times, and the name of one class. In the weak files the times
are the clip's place in its video, as in its name; in the strong ones they are those of
an event, counted from the clip's start. `label_kind` says which it is, and is checked
against the file.

The ids of the records are those of the videos; how they are found, `join` says. The
classes are the task's 17, unless `classes` names a list of others. What a strong row
with the times 0 0 means is for `inaudible` to say, see `Options`; where the class
also has an audible event in the clip, that one counts.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from tfweak.errors import InputError

from ..inputs import dcase17, label_rows
from ..inputs.join import LabelListDataset
from ..options import Options

_COLUMNS = ["file name", "start", "end", "class"]
_SAME_SECONDS = 0.001


class Dcase2017Task4(LabelListDataset):
    """Weak or strong, as `label_kind` says."""

    name = "dcase2017_task4"
    help = "DCASE 2017 task 4's ground truth, weak or strong, by clip id"
    options = LabelListDataset.options | {"inaudible", "label_kind"}
    what = "a groundtruth_*_label_*_set.csv of the task"
    known = dcase17.CLASSES

    def rows(
        self, path: pathlib.Path, options: Options
    ) -> Iterator[label_rows.LabelRow]:
        """The rows of a file.

        Raises:
          InputError: no `label_kind`, or the file looks like one of the other kind.
        """
        kind = options.label_kind
        if kind is None:
            raise InputError(
                "label_kind is needed: weak for the files whose times are places in the"
                " video, strong for those of events"
            )
        _check_kind(path, kind)
        parse = _weak if kind == "weak" else _strong
        return label_rows.parsed(label_rows.lines(path), parse)


def _check_kind(path: pathlib.Path, kind: str) -> None:
    """Compares the times of the rows that can be read with those in their names.

    Raises:
      InputError: most do not fit the kind. A clip that starts at 0 may fit both.
    """
    like_weak = like_strong = 0
    for line in label_rows.lines(path):
        try:
            (_, place), start, end, _ = _fields(line)
        except InputError:
            continue  # the row itself is reported later
        if not _is_place(start, end, place):
            like_strong += 1
        elif place.start_seconds > 0:
            like_weak += 1
    other = {"weak": "strong", "strong": "weak"}[kind]
    if {"weak": like_strong > like_weak, "strong": like_weak > like_strong}[kind]:
        raise InputError(
            f"label_kind={kind}, but {path} looks like a file of {other} labels: of"
            f" {like_weak + like_strong} rows, {like_weak} repeat the times of the file"
            f" name and {like_strong} do not; give label_kind={other}"
        )


def _weak(line: label_rows.Line) -> label_rows.LabelRow:
    (clip_id, place), start, end, label = _fields(line)
    if not _is_place(start, end, place):
        raise InputError(
            f"the times {start:g} and {end:g} are not those of the file name, {place}"
        )
    return label_rows.LabelRow(line.where, clip_id, place, [label])


def _strong(line: label_rows.Line) -> label_rows.LabelRow:
    (clip_id, place), onset, offset, label = _fields(line)
    times = [label_rows.event(onset, offset, place)]
    return label_rows.LabelRow(line.where, clip_id, place, [label], times)


def _fields(
    line: label_rows.Line,
) -> tuple[tuple[str, label_rows.Place], float, float, str]:
    name, start, end, label = label_rows.fields(line, "\t", _COLUMNS)
    return (
        label_rows.clip_name(name),
        label_rows.seconds(start),
        label_rows.seconds(end),
        label,
    )


def _is_place(start: float, end: float, place: label_rows.Place) -> bool:
    gaps = start - place.start_seconds, end - (place.end_seconds or 0.0)
    return max(map(abs, gaps)) < _SAME_SECONDS
