"""The setting that makes a network narrower, for small machines."""

from __future__ import annotations

import dataclasses

from tfweak.errors import InputError

from ..architecture import Architecture


@dataclasses.dataclass(frozen=True)
class ScaledArchitecture(Architecture):
    """An architecture whose layers can be made narrower.

    Attributes:
      width: factor on the filters and units of all layers but the last ones.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise InputError(f"width {self.width}: more than 0 is needed")


def scaled(filters: int, width: float) -> int:
    """A layer's filters or units at a width, 1 at least."""
    return max(1, round(filters * width))
