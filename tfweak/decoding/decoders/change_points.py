"""Events between change points of the scores ("sound event bounding boxes").

Written from the description by Ebbers, Germain, Wichern & Le Roux 2024, "Sound event
bounding boxes": borders are where the scores change most, and do not move with the
threshold, which decides on whole events by their mean score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ...settings import option
from ...typing import Array
from ..decoder import PADDING, Decoder, Runs

_SMALL = 1e-3


@dataclasses.dataclass(frozen=True)
class ChangePoints(Decoder):
    """Candidates between the greatest rise and the greatest fall, merged where alike.

    delta(t) is the mean of the scores in the `step_seconds` / 2 after t less that of as
    much before it, and no score is taken as 0 beyond the clip. Local maxima above 0 are
    onsets, minima below 0 offsets; of several onsets without an offset between them the
    greatest counts, and so of offsets. Two candidates are merged where the highest
    score of each is less than `absolute` above the lowest score from the last segment
    of one to the first of the other and less than `relative` times that. The confidence
    is the mean score.
    """

    name = "change_points"
    is_ranked = True

    step_seconds: float = option(
        0.48, "length of the filter that finds the changes", lower=0.0
    )
    relative: float = option(2.0, "ratio of peak and pause that parts", lower=1.0)
    absolute: float = option(
        0.2, "difference of peak and pause that parts", lower=0.0, upper=1.0
    )

    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """See `Decoder.runs`."""
        size = max(1, round(self.step_seconds / hop_seconds / 2))
        found = []
        for row in np.flatnonzero(scores.max(axis=1, initial=0) >= thresholds[:, 0]):
            valid = scores[row][scores[row] != PADDING].astype(np.float64)
            runs = self._merged(valid.tolist(), _between(valid, size))
            found += [(row, *run) for run in runs]
        rows, first, end = np.array(found, np.int64).reshape(-1, 3).T
        whole = self.finished(scores, rows, first, end, hop_seconds)
        return whole.where(whole.confidences >= thresholds[whole.rows, 0])

    def _merged(self, scores: list[float], runs: list[list[int]]) -> list[list[int]]:
        """Neighbours without a real pause between them become one."""
        place = 0
        while place + 1 < len(runs):
            (first, end), (start, last) = runs[place : place + 2]
            pause = min(scores[end - 1 : start + 1])
            peak = max(max(scores[first:end]), max(scores[start:last]))
            alike = (peak + _SMALL) / (pause + _SMALL) < self.relative
            if alike and peak - pause < self.absolute:
                # a higher peak is no more like the one before
                runs[place : place + 2] = [[first, last]]
            else:
                place += 1
        return runs

    @classmethod
    def grid(cls, hop_seconds: float, high: float) -> Mapping[str, Sequence[float]]:
        """As published, on a grid of 0.16 s."""
        return {
            "step_seconds": [n * 2 * hop_seconds for n in (1, 2, 3, 4, 6)],
            "relative": [1.5, 2.0, 3.0, 6.0, 12.0],
            "absolute": [share * high for share in (0.15, 0.2, 0.3, 0.5)],
        }


def _between(scores: Array, size: int) -> list[list[int]]:
    """[first, end] from each greatest rise to the greatest fall after it."""
    total = np.cumsum(np.pad(scores, (size + 1, size)))
    at = np.arange(len(scores) + 1) + size
    delta = (total[at + size] - 2 * total[at] + total[at - size]) / size
    around = np.pad(delta, 1)
    rises = (delta > 0) & (delta >= around[:-2]) & (delta > around[2:])
    falls = (delta < 0) & (delta <= around[:-2]) & (delta < around[2:])
    changes: list[int] = []
    for place in np.flatnonzero(rises | falls).tolist():
        if changes and (delta[place] > 0) == (delta[changes[-1]] > 0):
            if abs(delta[place]) > abs(delta[changes[-1]]):
                changes[-1] = place
        else:
            changes.append(place)
    # scores rise from 0 first and fall to 0 last
    return [list(pair) for pair in zip(changes[::2], changes[1::2])]
