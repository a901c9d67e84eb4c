"""The threshold after a median filter over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from scipy.ndimage import median_filter

from ...settings import option
from ...typing import Array
from ..decoder import Decoder, Runs, by_length


@dataclasses.dataclass(frozen=True)
class MedianFilter(Decoder):
    """Drops what is shorter than half of the filter, and fills as short pauses.

    As in the baseline of DCASE's task 4 (DESED), 0.45 s there. The ends are mirrored;
    filtering the scores is the same as filtering what is active.
    """

    name = "median_filter"
    is_gated = True

    filter_seconds: float = option(
        0.5, "length of the filter, to the nearest odd number of segments", lower=0.0
    )

    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """See `Decoder.runs`."""
        # of two that are as near the longer, whatever the quotient rounds to
        size = 2 * int(self.filter_seconds / hop_seconds / 2 + 1e-6) + 1
        if size > 1:
            scores = by_length(
                scores, lambda part: median_filter(part, (1, size), mode="reflect")
            )
        return self.joined(scores, scores >= thresholds, hop_seconds)

    @classmethod
    def grid(cls, hop_seconds: float, high: float) -> Mapping[str, Sequence[float]]:
        """Three to fifteen segments."""
        return {"filter_seconds": [n * hop_seconds for n in (3, 5, 9, 15)]}
