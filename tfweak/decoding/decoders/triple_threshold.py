"""The double threshold in clips that have the class: three thresholds.

As published with Dinkel, Wu & Yu 2021, "Towards duration robust weakly supervised sound
event detection" (CDur), with 0.5 for the clip, 0.75 and 0.2 for its frames.
"""

from __future__ import annotations

import dataclasses

from .double_threshold import DoubleThreshold


@dataclasses.dataclass(frozen=True)
class TripleThreshold(DoubleThreshold):
    """The third is that of the clip's score."""

    name = "triple_threshold"
    is_gated = True
