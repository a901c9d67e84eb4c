"""One event for a class in a clip: what any decoder has to beat."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...typing import Array
from ..decoder import Decoder, Runs


@dataclasses.dataclass(frozen=True)
class OneEvent(Decoder):
    """From the first segment that reaches the threshold to the last.

    Of use for clips of a few seconds alone: an hour is one event from the first bark to
    the last.
    """

    name = "one_event"
    is_gated = True

    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """See `Decoder.runs`."""
        active = scores >= thresholds
        # active from the first to the last, both included
        since = np.logical_or.accumulate(active, axis=1)
        until = np.logical_or.accumulate(active[:, ::-1], axis=1)[:, ::-1]
        return self.joined(scores, since & until, hop_seconds)
