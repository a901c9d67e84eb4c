"""AudioSet's segment lists: the weak labels of every clip of a set.

`--labels` names a CSV with the line `# YTID, start_seconds, end_seconds,
positive_labels` among the `#` lines at its top; the labels of a clip are one quoted
field of mids. The ids of the records are those of the videos; how they are found,
`_join` says.

The classes are those of `--classes`, else the labels that occur, by mid. A label
outside `--classes` is dropped and reported once in the manifest, as `unused label`; a
clip that keeps none is left out, as `no label`. Both follow from the class list that
was asked for, so they do not count as files that could not be used.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from ..dataset import Options, Plan
from ..inputs import join, label_rows
from ..inputs.join import load

__all__ = ["OPTIONS", "load", "plan"]

OPTIONS = join.OPTIONS

_COLUMNS = ["YTID", "start_seconds", "end_seconds", "positive_labels"]


def plan(options: Options) -> Plan:
    """Reads the list and finds its clips in the source.

    Raises:
      InputError: no such list or source, or one that cannot be used.
    """
    path = label_rows.label_file(options, "a CSV of AudioSet segments")
    return join.plan(options, read(path), None, {})


def read(path: pathlib.Path) -> Iterator[label_rows.Row]:
    """The rows of a segments CSV.

    Raises:
      InputError: when no `#` line at its top is the header.
    """
    for line in label_rows.lines(path):
        names = [name.strip() for name in line.text.lstrip("#").split(",")]
        if line.text.startswith("#") and names == _COLUMNS:
            break
        if not line.text.startswith("#"):
            raise label_rows.wrong_format(path, _expected(), line.text)
    else:
        raise label_rows.wrong_format(path, _expected(), "no such line")
    rows = (line for line in label_rows.lines(path) if not line.text.startswith("#"))
    return label_rows.read(rows, _row)


def _row(line: label_rows.Line) -> label_rows.Row:
    name, start, end, labels = label_rows.fields(line, ",", _COLUMNS)
    clip_id, place = label_rows.clip_id(name), label_rows.place(start, end)
    return label_rows.Row(line.where, clip_id, place, label_rows.mids(labels))


def _expected() -> str:
    return f"the line '# {', '.join(_COLUMNS)}'"
