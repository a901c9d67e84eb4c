"""The setting that makes a network narrower, for small machines."""

from __future__ import annotations

import dataclasses

from tfweak.settings import option

from ..architecture import Architecture


@dataclasses.dataclass(frozen=True)
class ScaledArchitecture(Architecture):
    """An architecture whose layers can be made narrower."""

    width: float = option(
        1.0, "factor on the filters and units of all layers but the last", lower=0.001
    )


def scaled(filters: int, width: float) -> int:
    """A layer's filters or units at a width, 1 at least."""
    return max(1, round(filters * width))
