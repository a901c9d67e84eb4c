"""What a label list says of each clip, and what is written of it.

A clip is known by the 11-character id of its video, as in AudioSet's shards. A row that
cannot be used leaves out its clip, since a label that is missing would count as a label
that is absent.
"""

from __future__ import annotations

import collections
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from tfweak.errors import InputError
from tfweak.labels import ClassList, Event

from ..dataset import Bad
from .label_rows import INAUDIBLE, LabelRow, Place

_MID = re.compile(r"/[a-z]/\w+", re.ASCII)


class Listed:
    """What all rows of a list say of one clip.

    Attributes:
      place: where the clip lies in its video.
      labels: mids or names, in the order of the rows.
      events: label -> sorted intervals in seconds from the clip's start, of which no
        two overlap; no entry for a label that is not audible. None in weak lists.
      problem: why the clip cannot be used, or "".
    """

    __slots__ = ("events", "labels", "place", "problem")  # there may be two million

    def __init__(self) -> None:
        self.place = Place(0.0, None)
        self.labels: list[str] = []
        self.events: dict[str, list[tuple[float, float]]] | None = None
        self.problem = ""

    def add(self, row: LabelRow, labels: list[str]) -> None:
        """Adds a row that can be used.

        Raises:
          InputError: it is about another part of the video than an earlier row.
        """
        if self.labels and row.place != self.place:
            raise InputError(
                f"{row.where}: the clip is at {row.place} of its video, in an earlier"
                f" row at {self.place}"
            )
        self.place = row.place
        self.labels += [label for label in labels if label not in self.labels]
        if row.times is None:
            return
        if self.events is None:
            self.events = {}
        audible = [times for times in row.times if times != INAUDIBLE]
        if audible:
            for label in labels:
                self.events[label] = union([*self.events.get(label, ()), *audible])


def gather(
    rows: Iterable[LabelRow], known: ClassList | None, classes: ClassList | None
) -> tuple[dict[str, Listed], list[Bad]]:
    """What the rows say of each clip.

    Equal rows count once, overlapping events of a class are merged, and an audible
    event outweighs a row that says "not audible".

    Args:
      rows: of one list.
      known: the classes of the data set: no label may occur that is neither one of
        them nor of `classes`. None: any mid may occur.
      classes: the vocabulary asked for, or None.

    Returns:
      id -> clip, in the order of the list; and the rows that show no id.

    Raises:
      InputError: no row can be used.
    """
    listed: dict[str, Listed] = {}
    nameless: list[Bad] = []
    usable = False
    for row in rows:
        if not row.clip_id:
            nameless.append(Bad(row.where, "label", row.problem))
            continue
        clip = listed.setdefault(row.clip_id, Listed())
        try:
            if row.problem:
                raise InputError(row.problem)
            labels = [_canonical(row, label, known, classes) for label in row.labels]
            clip.add(row, labels)
            usable = True
        except InputError as error:
            clip.problem = clip.problem or str(error)
    if not usable:
        first = [b.reason for b in nameless] + [c.problem for c in listed.values()]
        raise InputError(
            "labels: no row of the list can be used"
            + (f"; {first[0]}" if first else ", it has none")
        )
    return listed, nameless


def union(times: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted intervals; those that overlap are merged, those that only touch are not.

    >>> union([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (3.0, 4.0)])
    [(0.0, 3.0), (3.0, 4.0), (5.0, 6.0)]
    """
    out: list[tuple[float, float]] = []
    for onset, offset in sorted(set(times)):
        if out and onset < out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], offset))
        else:
            out.append((onset, offset))
    return out


class Target(NamedTuple):
    """A clip to be written.

    Attributes:
      place: where it lies in its video.
      labels: class indices, sorted.
      events: in seconds from the clip's start, by onset; None where the clip counts as
        having no strong labels.
    """

    place: Place
    labels: list[int]
    events: list[Event] | None


def targets(
    listed: dict[str, Listed], classes: ClassList, inaudible: str
) -> tuple[dict[str, Target], list[Bad]]:
    """What is to be written of each clip.

    Args:
      listed: the clips of a list.
      classes: the vocabulary. Labels outside it are dropped; each is reported once.
        A clip of a weak list that keeps none is left out; one of a strong list stays,
        since it is known that none of the classes sounds in it.
      inaudible: what a label without an audible event leads to; see `Options`.

    Returns:
      id -> target; and what was left out.
    """
    out: dict[str, Target] = {}
    bad: list[Bad] = []
    unused: collections.Counter[str] = collections.Counter()
    for name, clip in listed.items():
        if clip.problem:
            bad.append(Bad(name, "label", clip.problem))
            continue
        unused.update(label for label in clip.labels if label not in classes)
        labels = [label for label in clip.labels if label in classes]
        events = None
        if clip.events is None:
            if not labels:
                bad.append(
                    Bad(name, "no label", "none of its labels is among the classes")
                )
                continue
        else:
            silent = [label for label in labels if label not in clip.events]
            if silent and inaudible == "exclude":
                names = ", ".join(classes.names[classes.index(s)] for s in silent)
                bad.append(Bad(name, "inaudible", f"listed as not audible: {names}"))
                continue
            if inaudible == "drop":
                labels = [label for label in labels if label in clip.events]
            if not (silent and inaudible == "weak"):
                events = [
                    Event(classes.index(label), *times)
                    for label in labels
                    for times in clip.events.get(label, ())
                ]
                events.sort(key=lambda e: (e.onset_seconds, e.offset_seconds, e.label))
        indices = sorted(classes.index(label) for label in labels)
        out[name] = Target(clip.place, indices, events)
    bad += [
        Bad(label, "unused label", f"not among the classes; dropped from {count} clips")
        for label, count in sorted(unused.items())
    ]
    return out, bad


def occurring(listed: dict[str, Listed]) -> ClassList:
    """The labels of all clips, sorted."""
    return ClassList(
        tuple(sorted({s for clip in listed.values() for s in clip.labels}))
    )


def other_segment(clip_id: str, where: str, keeps: bool) -> Bad:
    """The manifest's line of a clip whose source is of another part of the video."""
    return Bad(clip_id, "kept other segment" if keeps else "other segment", where)


def _canonical(
    row: LabelRow, label: str, known: ClassList | None, classes: ClassList | None
) -> str:
    """The one way to write a label: its mid in the vocabulary, else in `known`."""
    ways, may_occur = [label], known is None and bool(_MID.fullmatch(label))
    if known is not None and label in known:
        index = known.index(label)
        ways, may_occur = [known.mids[index], known.names[index]], True
    for way in ways:
        if classes is not None and way in classes:
            return classes.mids[classes.index(way)]
    if not may_occur:
        raise InputError(f"{row.where}: unknown class {label!r}")
    return sys.intern(ways[0])
