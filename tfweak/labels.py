"""Class vocabularies, events in seconds, and the time grid of a model's segments."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import pathlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError
from .files import atomic
from .typing import Array

_INDEX = re.compile("[0-9]{1,9}")
# What would make two lines or columns of one in a table.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class Event(NamedTuple):
    """One sound event: class index, onset and offset in seconds in the clip."""

    label: int
    onset_seconds: float
    offset_seconds: float


def are_times(onsets: Any, offsets: Any) -> Any:
    """Whether events may have these times: finite, from 0, none before its onset.

    Args:
      onsets, offsets: seconds, floats or arrays, which broadcast.

    Returns:
      bool, of their shape.
    """
    onsets, offsets = np.asarray(onsets), np.asarray(offsets)
    return (onsets >= 0) & (offsets >= onsets) & (offsets < np.inf)


@dataclasses.dataclass(frozen=True)
class ClassList:
    """The classes of a dataset, in the order of the model's outputs.

    Attributes:
      names: display names, unique.
      mids: machine ids (`/m/09x0r`), unique; equal to `names` where a dataset has none.
    """

    names: tuple[str, ...]
    mids: tuple[str, ...] = ()
    _lookup: dict[str, int] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "mids", tuple(self.mids) or self.names)
        if not self.names:
            raise InputError("a class list needs at least one class")
        if len(self.names) != len(self.mids):
            raise InputError(f"{len(self.names)} class names but {len(self.mids)} ids")
        for values in (self.names, self.mids):
            if len(set(values)) != len(values):
                twice = sorted({v for v in values if values.count(v) > 1})
                raise InputError(f"class listed twice: {', '.join(twice[:5])}")
            for value in values:
                if not value or _CONTROL.search(value):
                    raise InputError(
                        f"class {value!r} is empty, or holds a tab, a line end or"
                        " another control character"
                    )
        lookup = {name: i for i, name in enumerate(self.names)}
        lookup.update({mid: i for i, mid in enumerate(self.mids)})
        self._lookup.update(lookup)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, label: str) -> bool:
        return label in self._lookup

    def index(self, label: str) -> int:
        """The index of a class given by display name or by mid.

        Raises:
          InputError: when the class is unknown.
        """
        try:
            return self._lookup[label]
        except KeyError:
            raise InputError(
                f"unknown class {label!r}; the list has {len(self)}"
                " classes, matched whole by name or mid"
            ) from None

    @property
    def digest(self) -> str:
        """A fingerprint of names, ids and their order."""
        text = "\n".join(f"{m}\t{n}" for m, n in zip(self.mids, self.names))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def indices(cls, count: int) -> ClassList:
        """Stand-in names `0`, `1`, ... for data that carries no class names."""
        return cls(tuple(str(i) for i in range(count)))

    @classmethod
    def read_csv(cls, path: str | pathlib.Path) -> ClassList:
        """Reads `index,mid,display_name` (AudioSet's class_labels_indices.csv).

        The rows may be in any order; the indices must be 0 .. C-1. What separates the
        columns is for `delimiter_of`.

        Raises:
          InputError: missing file, a pipe, wrong header, or indices with gaps.
        """
        atomic.require_files(path)
        try:
            with open(path, newline="", encoding="utf-8-sig") as handle:
                text = handle.read()
            delimiter = delimiter_of(text.partition("\n")[0])
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"class list {path}: cannot be read ({error})") from error
        if not rows or [c.strip() for c in rows[0]] != ["index", "mid", "display_name"]:
            raise InputError(
                f"class list {path}: expected the header 'index,mid,display_name',"
                f" found {text[:80].partition(chr(10))[0].strip()!r}"
            )
        table: dict[int, tuple[str, str]] = {}
        for number, row in enumerate(rows[1:], start=2):
            if not row:
                continue
            if len(row) != 3 or not _INDEX.fullmatch(row[0].strip()):
                raise InputError(
                    f"class list {path}, line {number}: expected"
                    f" index,mid,display_name, found {row}"
                )
            if int(row[0]) in table:
                raise InputError(
                    f"class list {path}, line {number}: index {row[0]} stands twice"
                )
            table[int(row[0])] = (row[1], row[2])
        if sorted(table) != list(range(len(table))):
            raise InputError(
                f"class list {path}: the indices are not 0 to {len(table) - 1}"
            )
        try:
            return cls(
                tuple(table[i][1] for i in range(len(table))),
                tuple(table[i][0] for i in range(len(table))),
            )
        except InputError as error:
            raise InputError(f"class list {path}: {error}") from None

    def write_csv(self, path: str | pathlib.Path) -> None:
        """Writes the form that `read_csv` reads."""
        with open(path, "w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["index", "mid", "display_name"])
            writer.writerows(
                (i, m, n) for i, (m, n) in enumerate(zip(self.mids, self.names))
            )


def delimiter_of(header: str) -> str:
    """What separates the columns of a table: tabs, else commas, else semicolons.

    Spreadsheets write semicolons where the comma is a decimal sign. No name of a column
    holds any of the three.
    """
    return next((sign for sign in "\t,;" if sign in header), ",")


@dataclasses.dataclass(frozen=True)
class SegmentGrid:
    """Where a model's segments lie in time.

    Segment t stands for the slot [offset + t * hop, offset + (t + 1) * hop) and is
    computed from a receptive field of `receptive_field_seconds` around the slot's
    centre.
    """

    hop_seconds: float
    receptive_field_seconds: float
    offset_seconds: float = 0.0

    def onsets(self, num_segments: int) -> Array:
        """Slot starts in seconds, (T,) float64."""
        return self.offset_seconds + self.hop_seconds * np.arange(num_segments)

    def labels(
        self, events: Iterable[Event], num_segments: int, num_classes: int
    ) -> Array:
        """Segment labels of one clip's events by `marks`, (T, C) uint8 in {0, 1}."""
        out = np.zeros((num_segments, num_classes), np.uint8)
        starts = self.onsets(num_segments)
        for event in events:
            out[self.marks(starts, *event[1:]), event.label] = 1
        return out

    def marks(self, starts: Any, onsets: Any, offsets: Any, xp: Any = np) -> Any:
        """Which segments events mark, bool; arrays of seconds, which broadcast.

        A segment is positive for a class where some event of it covers at least half
        of the shorter of the two, slot or event, so that an event shorter than a slot
        still marks one. Worked example with hop 1 s, offset 0: an event from 0.6 s to
        2.3 s covers 0.4, 1.0 and 0.3 s of the slots 0, 1 and 2; half a slot is needed,
        so only segment 1 is positive.

        Args:
          starts: of the segments, as `onsets` gives them.
          onsets, offsets: of the events.
          xp: the module of the arrays, NumPy or TensorFlow.
        """
        hop = self.hop_seconds
        overlap = xp.minimum(offsets, starts + hop) - xp.maximum(onsets, starts)
        needed = 0.5 * xp.minimum(hop, offsets - onsets)
        # the tolerance keeps an exact half a half after rounding
        return (overlap > 0) & (overlap >= needed - 1e-6)
