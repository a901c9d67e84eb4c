"""L8 of Kim & Ghaffarzadegan 2019: segment probabilities, attention, pooling."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.learning.pooling import POOLINGS, pool
from tfweak.settings import option
from tfweak.typing import Tensors

from ..architecture import Architecture
from .layers import masked_dense


@dataclasses.dataclass(frozen=True)
class AttentionHead(Architecture):
    """An architecture that ends in `segment_head`."""

    class_layers = ("L8-a",)

    pooling: str = option("attention", "of the segments", choices=tuple(POOLINGS))

    @property
    def attention_is_trainable(self) -> bool:
        """With attention pooling, L8-b."""
        return self.pooling == "attention"

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """L8-b, where there is attention."""
        return ("L8-b",) if self.pooling == "attention" else ()


def segment_head(hidden: Any, mask: Any, num_classes: int, pooling: str) -> Tensors:
    """L8-a, L8-b and the pooling of Kim & Ghaffarzadegan 2019.

    Args:
      hidden: (B, T, D), what L7 gives.
      mask: (B, T) bool.
      num_classes: C.
      pooling: `average` (no L8-b) or `attention`.

    Returns:
      The output dict of every architecture, see `models.architecture`.
    """
    probs = masked_dense(hidden, mask, num_classes, "sigmoid", "L8-a", "segment_probs")
    attention_logits = None
    if pooling == "attention":
        attention_logits = keras.layers.Dense(num_classes, name="L8-b")(hidden)
        attention_logits = keras.layers.Activation(
            "linear", dtype="float32", name="attention_logits"
        )(attention_logits)
    return {**pool(pooling, probs, attention_logits, mask), "mask": mask}
