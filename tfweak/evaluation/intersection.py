"""The intersection criterion of Bilen et al. 2020, and F1 by it.

What a detected event shares in time with the truth decides, not where its ends lie:

- a detected event is *tolerated* where the events of its class cover at least the share
  DTC of it (detection tolerance criterion);
- a true event is *found* where tolerated events of its class cover at least the share
  GTC of it (ground truth intersection criterion);
- a detected event that is not tolerated is a false alarm, unless it lies beyond the
  file's end; and it is a *cross trigger* of another class, too, where that class's
  events cover at least the share CTTC of it (cross-trigger tolerance criterion).

Everything is as in `psds_eval` 0.5.3, but that this refuses events of one class that
overlap, and ours joins them first, so that they count as one. Events that only touch
remain two. Events of no length are passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..labels import Event
from ..typing import Array
from . import detection
from .event_arrays import EventArrays, overlapping


@dataclasses.dataclass(frozen=True)
class Criteria:
    """Shares that must be covered; see the module.

    Attributes:
      dtc: of a detected event, by its class.
      gtc: of a true event.
      cttc: of a detected event, by another class.

    Raises:
      InputError: a share outside (0, 1].
    """

    dtc: float = 0.5
    gtc: float = 0.5
    cttc: float = 0.3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 < value <= 1:
                raise InputError(f"{field.name} is {value}, expected a share in (0, 1]")


@dataclasses.dataclass(frozen=True)
class Judged:
    """N detected events, judged.

    Attributes:
      tolerated: (N,) bool.
      false_alarms: (N,) bool.
      hits: which detected and true events (P,) meet and are tolerated; and the share
        (P,) that the one covers of the other.
      cross_triggers: which detected events (Q,) trigger which other classes (Q,).
    """

    tolerated: Array
    false_alarms: Array
    hits: tuple[Array, Array, Array]
    cross_triggers: tuple[Array, Array]


def intersection_f1(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    durations: Mapping[str, float],
    num_classes: int,
    dtc: float = 0.5,
    gtc: float = 0.5,
) -> dict[str, Any]:
    """F1 by the intersection criterion: 2 hits / (2 hits + misses + false alarms).

    Hits are true events that are found, false alarms detected ones that are not
    tolerated, see the module. With the shares of DESED's baseline by default.

    Args:
      reference: true events by file.
      estimated: detected events by file; only files of `reference`.
      durations: seconds of every file of `reference`.
      num_classes: C.
      dtc, gtc: as of `Criteria`.

    Returns:
      As `detection.segment_f1`, without error rates. `num_estimated` are hits and false
      alarms, of which precision is the share of the hits. A class without reference has
      no F1; its false alarms are in the micro average alone. A class with reference of
      which nothing is found has an F1 of 0. `psds_eval` leaves it out of its average,
      which `macro_f1_without_missed` is for.

    Raises:
      InputError: as `detection.segment_f1`; shares outside (0, 1].
    """
    true, found = EventArrays.of_tables(reference, estimated, num_classes)
    seconds = detection.file_seconds(reference, durations)
    true, found = joined(true), joined(found)
    judged = judge(true, found, seconds, num_classes, Criteria(dtc, gtc))
    hits = true[np.flatnonzero(covered(judged, len(true)) >= gtc)].counts(num_classes)
    alarms = found[judged.false_alarms].counts(num_classes)
    counts = np.stack([hits, true.counts(num_classes), hits + alarms])
    summary = detection.summarise(counts)
    some = [row["f1"] for row in summary["classes"] if row["f1"]]
    summary["macro_f1_without_missed"] = sum(some) / len(some) if some else None
    return summary


def judge(
    true: EventArrays,
    found: EventArrays,
    seconds: Array,
    num_classes: int,
    criteria: Criteria,
) -> Judged:
    """Judges detected events, each for itself.

    Args:
      true, found: of the same files; as `joined` gives them.
      seconds: (files,) their durations.
      num_classes: C.
      criteria: the shares.
    """
    i, j, common = overlapping(found, true)
    share = common / (found.offsets - found.onsets)[i]
    same = found.labels[i] == true.labels[j]
    covers = np.bincount(i[same], share[same], minlength=len(found))
    tolerated = covers >= criteria.dtc
    hit = same & tolerated[i]
    other = ~same & ~tolerated[i]
    keys, place = np.unique(
        i[other] * num_classes + true.labels[j[other]], return_inverse=True
    )
    keys = keys[np.bincount(place, share[other], len(keys)) >= criteria.cttc]
    return Judged(
        tolerated,
        ~tolerated & (found.onsets < seconds[found.files]),
        (i[hit], j[hit], common[hit] / (true.offsets - true.onsets)[j[hit]]),
        (keys // num_classes, keys % num_classes),
    )


def covered(judged: Judged, num_true: int) -> Array:
    """(true events,) the shares of them that tolerated events cover."""
    _, j, share = judged.hits
    return np.bincount(j, share, minlength=num_true)


def joined(events: EventArrays) -> EventArrays:
    """Those of some length; overlapping events of one class in a file are made one.

    Returns:
      Events sorted by file, class and onset.
    """
    events = events[events.offsets > events.onsets]
    events = events[np.lexsort((events.onsets, events.labels, events.files))]
    while len(events):
        follows = meets_next(events)
        if not follows.any():
            break
        # runs of which each meets the next; one that met a longer one before the last
        # is seen in the next round
        first = np.flatnonzero(~np.append(False, follows))
        offsets = np.maximum.reduceat(events.offsets, first)
        events = dataclasses.replace(events[first], offsets=offsets)
    return events


def meets_next(events: EventArrays) -> Array:
    """(N - 1,) whether a sorted event overlaps the next one, of its file and class."""
    return (
        (events.files[1:] == events.files[:-1])
        & (events.labels[1:] == events.labels[:-1])
        & (events.onsets[1:] < events.offsets[:-1])
    )
