"""Two thresholds: a low one finds the borders, a high one decides (hysteresis)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ...settings import option
from ...typing import Array
from ..decoder import Decoder, Runs, peaks


@dataclasses.dataclass(frozen=True)
class DoubleThreshold(Decoder):
    """Runs above the threshold that hold a segment `factor` times as high.

    Runs are joined first, so that one high segment speaks for a whole event with
    pauses. The confidence is the highest score.
    """

    name = "double_threshold"

    factor: float = option(
        3.0, "what an event's highest segment has to be of the threshold", lower=1.0
    )

    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """See `Decoder.runs`."""
        found = peaks(scores, self.joined(scores, scores >= thresholds, hop_seconds))
        decisive = np.minimum(self.factor * thresholds, 1.0)
        return found.where(found.confidences >= decisive[found.rows, 0])

    @classmethod
    def grid(cls, hop_seconds: float, high: float) -> Mapping[str, Sequence[float]]:
        """A single threshold, and up to ten times the low one."""
        return {"factor": [1.0, 1.5, 2.0, 3.0, 5.0, 10.0]}
