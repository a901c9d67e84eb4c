"""GRUs both ways over the valid part of clips."""

from __future__ import annotations

from typing import Any

import keras

from .layers import ApplyMask


@keras.saving.register_keras_serializable(package="tfweak")
class StopMask(ApplyMask):
    """`ApplyMask` that also takes off the mask Keras attaches to recurrent outputs.

    The layers after it are given the mask by name, and would warn of a second one.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, *_: Any) -> None:
        return None


def bidirectional_gru(
    hidden: Any, mask: Any, units: int, name: str, **settings: Any
) -> Any:
    """A GRU each way, side by side: (B, T, D) -> (B, T, 2 units), 0 where padded.

    A masked step leaves their state as it was. Backwards, a clip's padding comes first,
    so the state is still 0 at its last frame.

    Args:
      hidden: (B, T, D).
      mask: (B, T) bool.
      units: of each GRU.
      name: of the layer.
      **settings: of `keras.layers.GRU`.
    """
    hidden = keras.layers.Bidirectional(
        keras.layers.GRU(units, return_sequences=True, **settings), name=name
    )(hidden, mask=mask)
    return StopMask(name=f"{name}_valid")(hidden, mask)
