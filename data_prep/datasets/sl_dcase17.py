"""SL-DCASE-17: the lists that Kim & Ghaffarzadegan released in 2019.

`labels` names one of

    train_strong_labels.csv             DCASE17-filename, label_id, time: strong labels,
                                        one row a clip and class
    test_set.csv, validation_set.csv    # YTID, start_seconds, end_seconds,
                                        positive_labels: weak labels

all with tabs and with an index in front; the header tells which it is. The ids of the
records are those of the videos; how they are found, `join` says. The classes are the
17 of DCASE 2017 task 4, unless `classes` names a list of others. What the time
[[0.0, 0.0]] means is for `inaudible` to say, see `Options`; where a class also has an
audible event in the clip, that one counts.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator
from typing import Any

from tfweak.errors import InputError

from ..inputs import dcase17, label_rows
from ..inputs.join import LabelListDataset
from ..options import Options

_STRONG = ["", "DCASE17-filename", "label_id", "time"]
_WEAK = ["", "# YTID", "start_seconds", "end_seconds", "positive_labels"]


class SlDcase17(LabelListDataset):
    """The lists of all three sets."""

    name = "sl_dcase17"
    help = "SL-DCASE-17's lists: strong (training), weak (validation, test), by clip id"
    options = LabelListDataset.options | {"inaudible"}
    what = "train_strong_labels.csv, or a list of weak labels"
    known = dcase17.CLASSES

    def rows(
        self, path: pathlib.Path, options: Options
    ) -> Iterator[label_rows.LabelRow]:
        """The rows of one of the lists.

        Raises:
          InputError: when the header is of neither kind.
        """
        lines = label_rows.lines(path)
        header = next(lines, label_rows.Line("", "")).text
        names = [name.strip() for name in header.split("\t")]
        if names not in (_STRONG, _WEAK):
            expected = " or ".join(f"the header {_shown(n)}" for n in (_STRONG, _WEAK))
            raise label_rows.wrong_format(path, expected, header)
        return label_rows.parsed(lines, _strong if names == _STRONG else _weak)


def _strong(line: label_rows.Line) -> label_rows.LabelRow:
    _, name, label, time = label_rows.fields(line, "\t", _STRONG)
    clip_id, place = label_rows.clip_name(name)
    times = [label_rows.event(*pair, place) for pair in _intervals(time)]
    return label_rows.LabelRow(line.where, clip_id, place, [label], times)


def _weak(line: label_rows.Line) -> label_rows.LabelRow:
    _, name, start, end, labels = label_rows.fields(line, "\t", _WEAK)
    clip_id, place = label_rows.clip_id(name), label_rows.place(start, end)
    return label_rows.LabelRow(line.where, clip_id, place, label_rows.mids(labels))


def _intervals(text: str) -> list[tuple[float, float]]:
    """The intervals of a literal such as `[[0.0, 2.5], [4, 10.0]]`."""
    try:
        value = ast.literal_eval(text)
        return [(_number(onset), _number(offset)) for onset, offset in _full(value)]
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise InputError(
            f"time {text[:80]!r}: expected [[onset, offset], ...] in seconds"
        ) from None


def _full(value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _shown(names: list[str]) -> str:
    return repr("\t".join(names))
