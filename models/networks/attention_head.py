"""L8 of Kim & Ghaffarzadegan 2019: segment probabilities, attention, pooling."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.learning.pooling import POOLINGS, pool, reads_second_layer
from tfweak.settings import option
from tfweak.typing import Tensors

from ..architecture import Architecture
from .layers import masked_dense


@dataclasses.dataclass(frozen=True)
class AttentionHead(Architecture):
    """An architecture that ends in `segment_head`."""

    pooling: str = option("attention", "of the segments", choices=POOLINGS)

    @property
    def class_layers(self) -> tuple[str, ...]:
        """L8-a; where L8-b judges the clip, that too."""
        judges = self.pooling == "decision_surface"
        return ("L8-a", "L8-b") if judges else ("L8-a",)

    @property
    def attention_is_trainable(self) -> bool:
        """With attention pooling, L8-b."""
        return self.pooling == "attention"

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """L8-b, where it is attention."""
        return ("L8-b",) if self.pooling == "attention" else ()


def segment_head(hidden: Any, mask: Any, num_classes: int, pooling: str) -> Tensors:
    """L8-a, L8-b and the pooling of Kim & Ghaffarzadegan 2019.

    Args:
      hidden: (B, T, D), what L7 gives.
      mask: (B, T) bool.
      num_classes: C.
      pooling: one of `POOLINGS`; without L8-b where it does not read it.

    Returns:
      The output dict of every architecture, see `models.architecture`.
    """
    probs = masked_dense(hidden, mask, num_classes, "sigmoid", "L8-a", "segment_probs")
    second = None
    if reads_second_layer(pooling):
        second = keras.layers.Dense(num_classes, name="L8-b")(hidden)
        second = keras.layers.Activation(
            "linear", dtype="float32", name="attention_logits"
        )(second)
    pooled = pool(pooling, probs, second, mask, hidden.shape[-1])
    return {**pooled, "mask": mask}
