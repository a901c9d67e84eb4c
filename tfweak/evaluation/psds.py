"""The polyphonic sound detection score (Bilen et al. 2020).

Detected events are judged by the intersection criterion, see `intersection`, at every
operating point, that is, under every threshold. At each, a class has the rate of its
true events that are found, TPR, and the effective rate of its false alarms in an hour,

    eFPR = false alarms / hours of all files
           + alpha_CT * mean over other classes k of cross triggers of k / hours of k,

hours of k being those that the true events of k last. The highest TPR at or under an
eFPR is the class's curve, steps that begin at (0, 0). The score is the area under

    max(0, mean over classes - alpha_ST * standard deviation over classes)

from eFPR 0 to e_max, divided by e_max: a value in [0, 1].

Everything is as in `psds_eval` 0.5.3, with these words on what it refuses:

- A class without a true event has no curve and is left out of mean and deviation, and
  of the other classes that can be triggered; its false alarms count nowhere.
- A clip without a true event counts with its duration, and all that is found in it is
  a false alarm. A file without detected events is nothing special.
- With a single class that has true events there are no cross triggers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..labels import Event
from ..typing import Array
from .detection import file_seconds
from .event_arrays import EventArrays
from .intersection import Criteria, Judged, covered, joined, judge

_SECONDS_PER_HOUR = 3600.0
# (point, class) pairs looked at at a time: bounds the memory
_PAIRS_AT_A_TIME = 1 << 22

Table = Mapping[str, Sequence[Event]]
# Of one class, operating points (K,): eFPR and TPR.
_Points = tuple[Array, Array]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the score is to weigh.

    Attributes:
      criteria: when an event counts as found, or as a false alarm.
      alpha_ct: weight of cross triggers, in [0, 1].
      alpha_st: weight of the deviation over classes, at least 0.
      max_efpr_per_hour: e_max, above 0.

    Raises:
      InputError: values out of range.
    """

    criteria: Criteria
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_efpr_per_hour: float = 100.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha_ct <= 1:
            raise InputError(f"alpha_ct is {self.alpha_ct}, expected 0 to 1")
        if not self.alpha_st >= 0:
            raise InputError(f"alpha_st is {self.alpha_st}, expected at least 0")
        if not self.max_efpr_per_hour > 0:
            raise InputError(
                f"max_efpr_per_hour is {self.max_efpr_per_hour}, expected more than 0"
            )


# The two scenarios of DCASE 2021 to 2023 task 4: quick and exact; and not to confuse.
PSDS1 = Setting(Criteria(dtc=0.7, gtc=0.7))
PSDS2 = Setting(Criteria(dtc=0.1, gtc=0.1, cttc=0.3), alpha_ct=0.5)


@dataclasses.dataclass(frozen=True)
class Psds:
    """A score.

    Attributes:
      value: None where no class has a true event.
      classes: C areas under the classes' own curves, as shares of e_max; None for a
        class without true events.
    """

    value: float | None
    classes: list[float | None]


def psds(
    reference: Table,
    durations: Mapping[str, float],
    operating_points: Sequence[Table],
    num_classes: int,
    setting: Setting = PSDS1,
) -> Psds:
    """The score of the events found under some thresholds.

    Args:
      reference: true events by file.
      durations: seconds of every file of `reference`.
      operating_points: for each threshold the detected events by file, in any order.
        Overlapping events of one class are joined.
      num_classes: C.
      setting: `PSDS1`, `PSDS2` or another.

    Raises:
      InputError: as `detection.segment_f1`.
    """
    truth = _Truth(reference, durations, num_classes, setting)
    points = []
    for table in operating_points:
        _, found = EventArrays.of_tables(
            dict.fromkeys(reference, ()), table, num_classes
        )
        found = joined(found)
        judged = truth.judge(found)
        whole = covered(judged, len(truth.events)) >= setting.criteria.gtc
        points.append(
            (
                truth.events[whole].counts(num_classes) / truth.counts,
                truth.efpr(
                    found[judged.false_alarms].counts(num_classes),
                    truth.trigger_rates(found, judged),
                ),
            )
        )
    tpr, efpr = np.array(points).reshape(-1, 2, num_classes).transpose(1, 2, 0)
    return truth.score(list(zip(efpr, tpr)))


class _Truth:
    """True events, and what counts against them.

    Attributes:
      events: see `intersection.joined`.
      counts: (C,) how many each class has; NaN for none.
    """

    def __init__(
        self,
        reference: Table,
        durations: Mapping[str, float],
        num_classes: int,
        setting: Setting,
    ) -> None:
        self.setting = setting
        self.events = joined(
            EventArrays.of_rows(list(reference), reference, num_classes)
        )
        self._seconds = file_seconds(reference, durations)
        counts = self.events.counts(num_classes)
        self.counts = np.where(counts, counts, np.nan)
        lengths = self.events.offsets - self.events.onsets
        self._class_seconds = np.bincount(self.events.labels, lengths, num_classes)

    def judge(self, found: EventArrays) -> Judged:
        """See `intersection.judge`."""
        return judge(
            self.events, found, self._seconds, len(self.counts), self.setting.criteria
        )

    def trigger_rates(self, found: EventArrays, judged: Judged) -> Array:
        """(C,) mean over other classes of cross triggers an hour."""
        which, others = judged.cross_triggers
        others_in_all = max(int(np.count_nonzero(self.counts > 0)) - 1, 1)
        rates = _SECONDS_PER_HOUR / self._class_seconds[others] / others_in_all
        return np.bincount(found.labels[which], rates, len(self.counts))

    def efpr(self, false_alarms: Array, trigger_rates: Array) -> Array:
        """Effective false alarms an hour."""
        hours = self._seconds.sum() / _SECONDS_PER_HOUR
        alarms = np.divide(
            false_alarms, hours, np.zeros(len(false_alarms)), where=hours > 0
        )
        return alarms + self.setting.alpha_ct * trigger_rates

    def score(self, points: Sequence[_Points]) -> Psds:
        """The score of the classes' operating points; NaN for a class without truth."""
        limit = self.setting.max_efpr_per_hour
        known = np.flatnonzero(self.counts > 0).tolist()
        curves = [
            _steps(efpr, tpr, limit) for efpr, tpr in map(points.__getitem__, known)
        ]
        classes: list[float | None] = [None] * len(points)
        for label, (efpr, tpr) in zip(known, curves):
            classes[label] = float(np.diff(np.append(efpr, limit)) @ tpr / limit)
        if not known:
            return Psds(None, classes)
        area = 0.0
        for efpr, width in _pieces([efpr for efpr, _ in curves], limit):
            tpr = np.stack(
                [y[np.searchsorted(x, efpr, "right") - 1] for x, y in curves]
            )
            lowered = tpr.mean(axis=0) - self.setting.alpha_st * tpr.std(axis=0)
            area += float(width @ np.maximum(lowered, 0))
        return Psds(area / limit, classes)


def _steps(efpr: Array, tpr: Array, limit: float) -> _Points:
    """Where a class's curve rises, from (0, 0) on; all below the limit."""
    order = np.lexsort((tpr, efpr))
    x, y = np.append(0, efpr[order]), np.maximum.accumulate(np.append(0, tpr[order]))
    # the highest of those with one eFPR, and of these where it is more than before
    last = np.append(x[1:] != x[:-1], True) & (x < limit)
    x, y = x[last], y[last]
    rises = np.append(True, y[1:] > y[:-1])
    return x[rises], y[rises]


def _pieces(axes: Sequence[Array], limit: float) -> Iterator[tuple[Array, Array]]:
    """Where some curve rises, and how far it is to the next such place, in parts."""
    efpr = np.unique(np.concatenate(axes))
    widths = np.diff(np.append(efpr, limit))
    step = max(_PAIRS_AT_A_TIME // len(axes), 1)
    for start in range(0, len(efpr), step):
        yield efpr[start : start + step], widths[start : start + step]
