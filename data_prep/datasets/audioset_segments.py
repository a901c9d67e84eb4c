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

from . import Options, Plan, _join, _rows
from ._join import load

__all__ = ["OPTIONS", "load", "plan"]

OPTIONS = _join.OPTIONS

_COLUMNS = ["YTID", "start_seconds", "end_seconds", "positive_labels"]


def plan(options: Options) -> Plan:
    """Reads the list and finds its clips in the source.

    Raises:
      InputError: no such list or source, or one that cannot be used.
    """
    path = _rows.label_file(options, "a CSV of AudioSet segments")
    return _join.plan(options, read(path), None, {})


def read(path: pathlib.Path) -> Iterator[_rows.Row]:
    """The rows of a segments CSV.

    Raises:
      InputError: when no `#` line at its top is the header.
    """
    for line in _rows.lines(path):
        names = [name.strip() for name in line.text.lstrip("#").split(",")]
        if line.text.startswith("#") and names == _COLUMNS:
            break
        if not line.text.startswith("#"):
            raise _rows.wrong_format(path, _expected(), line.text)
    else:
        raise _rows.wrong_format(path, _expected(), "no such line")
    rows = (line for line in _rows.lines(path) if not line.text.startswith("#"))
    return _rows.read(rows, _row)


def _row(line: _rows.Line) -> _rows.Row:
    name, start, end, labels = _rows.fields(line, ",", _COLUMNS)
    clip_id, place = _rows.clip_id(name), _rows.place(start, end)
    return _rows.Row(line.where, clip_id, place, _rows.mids(labels))


def _expected() -> str:
    return f"the line '# {', '.join(_COLUMNS)}'"
