"""Tables of events as arrays over all files, and which of them belong together."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..labels import Event
from ..typing import Array
from .events import check_event

# What a search on the axis of all files may be wrong by: far above the rounding of
# such times, far below the length of an event. Whatever it finds is checked exactly.
_SLACK_SECONDS = 1e-3


@dataclasses.dataclass(frozen=True)
class EventArrays:
    """N events of all files.

    Attributes:
      files: (N,) indices of their files.
      labels: (N,) classes.
      onsets, offsets: (N,) seconds in the file.
    """

    files: Array
    labels: Array
    onsets: Array
    offsets: Array

    @classmethod
    def of_tables(
        cls,
        reference: Mapping[str, Sequence[Event]],
        estimated: Mapping[str, Sequence[Event]],
        num_classes: int,
    ) -> tuple[EventArrays, EventArrays]:
        """Two tables of the files of the first, in its order; both are checked.

        Raises:
          InputError: an estimated file without reference, an event of an unknown class
            or without proper times.
        """
        unknown = sorted(set(estimated) - set(reference))
        if unknown:
            raise InputError(
                f"{len(unknown)} estimated files are not in the reference, the"
                f" first is {unknown[0]!r}; a file without events is listed"
                " with an empty row"
            )
        return (
            cls.of_rows(list(reference), reference, num_classes),
            cls.of_rows(list(reference), estimated, num_classes),
        )

    @classmethod
    def of_rows(
        cls,
        names: Sequence[str],
        table: Mapping[str, Sequence[Event]],
        num_classes: int,
    ) -> EventArrays:
        """The events of the files with these names, in their order.

        Raises:
          InputError: an event of an unknown class or without proper times.
        """
        rows = [table.get(name, ()) for name in names]
        counts = np.fromiter(map(len, rows), np.int64, len(rows))
        events = itertools.chain.from_iterable(rows)
        flat: Iterable[float] = itertools.chain.from_iterable(events)
        labels, onsets, offsets = np.fromiter(flat, np.float64).reshape(-1, 3).T
        found = cls(
            np.repeat(np.arange(len(rows)), counts),
            labels.astype(np.int64),
            onsets,
            offsets,
        )
        found.check(num_classes, names)
        return found

    def check(self, num_classes: int, names: Sequence[str]) -> None:
        """Refuses what is no event, naming its file."""
        times = (self.onsets >= 0) & (self.onsets <= self.offsets)
        right = times & np.isfinite(self.offsets)
        right &= (self.labels >= 0) & (self.labels < num_classes)
        for i in np.flatnonzero(~right)[:1]:
            event = Event(
                int(self.labels[i]), float(self.onsets[i]), float(self.offsets[i])
            )
            check_event(event, num_classes, names[self.files[i]])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Array) -> EventArrays:
        """Some of them: a mask, or indices."""
        return EventArrays(
            *(getattr(self, f.name)[index] for f in dataclasses.fields(self))
        )

    def counts(self, num_classes: int) -> Array:
        """(C,) how many events each class has."""
        return np.bincount(self.labels, minlength=num_classes)


def span_seconds(*tables: EventArrays) -> float:
    """More than any time in some tables: the room of a file on the axis of all."""
    return 1 + max((t.offsets.max() for t in tables if len(t)), default=0.0)


def near(one: EventArrays, other: EventArrays, seconds: float) -> tuple[Array, Array]:
    """Pairs of events of a file whose onsets are at most so far apart, or hardly more.

    Returns:
      Indices into `one`, which do not fall, and into `other`, (P,) each.
    """
    span = span_seconds(one, other) + seconds + 1
    axis = other.files * span + other.onsets
    order = np.argsort(axis, kind="stable")
    middle = one.files * span + one.onsets
    reach = seconds + _SLACK_SECONDS
    first = np.searchsorted(axis[order], middle - reach, "left")
    end = np.searchsorted(axis[order], middle + reach, "right")
    pairs, places = ranges(first, end)
    return pairs, order[places]


def overlapping(one: EventArrays, other: EventArrays) -> tuple[Array, Array, Array]:
    """Pairs of events of a file, of any classes, that have some time in common.

    Returns:
      Indices into `one`, which do not fall; indices into `other`; and the seconds in
      common, above 0; (P,) each.
    """
    span = span_seconds(one, other)
    onsets = other.files * span + other.onsets
    order = np.argsort(onsets, kind="stable")
    onsets = onsets[order]
    # the latest end of all that begin no later: it never falls
    latest = np.maximum.accumulate((other.files * span + other.offsets)[order])
    base = one.files * span
    first = np.searchsorted(latest, base + one.onsets - _SLACK_SECONDS, "left")
    end = np.searchsorted(onsets, base + one.offsets + _SLACK_SECONDS, "right")
    i, places = ranges(first, np.maximum(first, end))
    j = order[places]
    common = np.minimum(one.offsets[i], other.offsets[j])
    common -= np.maximum(one.onsets[i], other.onsets[j])
    meet = (common > 0) & (one.files[i] == other.files[j])
    return i[meet], j[meet], common[meet]


def ranges(first: Array, end: Array) -> tuple[Array, Array]:
    """Row i of the result's pairs has all of first[i] to end[i] - 1.

    Worked example: first 4, 0, 7 and end 6, 0, 8 give the rows 0, 0, 2 and the numbers
    4, 5, 7.
    """
    counts = end - first
    rows = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return rows, np.arange(len(rows)) - np.repeat(before - first, counts)


def matched(i: Array, j: Array) -> tuple[Array, Array]:
    """As many pairs as possible of which no two share an end.

    Args:
      i, j: (P,) ends of the pairs that may be taken, sorted by i, then by j.

    Returns:
      The ends of the pairs taken.
    """
    if not len(i):
        return i, j
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    ends_of: dict[int, list[int]] = {}
    for one, other in zip(i[~alone].tolist(), j[~alone].tolist()):
        ends_of.setdefault(other, []).append(one)
    owners: dict[int, int] = {}
    waiting = []
    for other, ends in ends_of.items():
        free = next((one for one in ends if one not in owners), None)
        if free is None:
            waiting.append(other)
        else:
            owners[free] = other
    for other in waiting:
        _augment(other, ends_of, owners)
    taken = np.array(list(owners.items()), np.int64).reshape(-1, 2).T
    return np.append(i[alone], taken[0]), np.append(j[alone], taken[1])


def _augment(start: int, ends_of: dict[int, list[int]], owners: dict[int, int]) -> None:
    """Gives `start` an end, if others can be moved to make room (breadth first)."""
    taker: dict[int, int] = {}  # who would take an end
    leaves: dict[int, int] = {}  # what it would leave for that; `start` has nothing
    queue = collections.deque([start])
    while queue:
        other = queue.popleft()
        for end in ends_of[other]:
            if end in taker:
                continue
            taker[end] = other
            if end in owners:
                leaves[owners[end]] = end
                queue.append(owners[end])
                continue
            while True:  # back along the path, from the free end
                owners[end] = taker[end]
                if taker[end] == start:
                    return
                end = leaves[taker[end]]


def taken_in_order(i: Array, j: Array) -> int:
    """How many i find a j that none before has taken; sorted by i, then by j."""
    done, taken = set(), set()
    for one, other in zip(i.tolist(), j.tolist()):
        if one not in done and other not in taken:
            done.add(one)
            taken.add(other)
    return len(done)
