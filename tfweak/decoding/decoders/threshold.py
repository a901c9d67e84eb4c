"""Runs of segments whose score reaches the threshold, in clips that have the class."""

from __future__ import annotations

import dataclasses

from ...typing import Array
from ..decoder import Decoder, Runs


@dataclasses.dataclass(frozen=True)
class Threshold(Decoder):
    """The plain threshold.

    Worked example with hop 1 s, threshold 0.5: the scores 0.9, 0.5, 0.2, 0.8 give the
    runs 0-2 and 3-4; with `max_gap_seconds=1` just 0-4.
    """

    name = "threshold"
    is_gated = True

    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """See `Decoder.runs`."""
        return self.joined(scores, scores >= thresholds, hop_seconds)
