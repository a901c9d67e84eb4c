"""L8 of Kim & Ghaffarzadegan 2019: segment probabilities, attention, pooling."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.learning.pooling import POOLINGS, AttentionPooling, pool
from tfweak.settings import option
from tfweak.typing import Tensors

from ..architecture import Architecture
from .kept_units import Dense, Dropout
from .layers import masked_dense
from .normalization import BatchNormalization


@dataclasses.dataclass(frozen=True)
class AttentionHead(Architecture):
    """An architecture that ends in `segment_head`."""

    pooling: str = option("attention", "of the segments", choices=POOLINGS)

    @property
    def class_layers(self) -> tuple[str, ...]:
        """L8-a."""
        return ("L8-a",)

    @property
    def attention_is_trainable(self) -> bool:
        """With attention pooling, L8-b."""
        return self.pooling == "attention"

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """L8-b, where it is attention."""
        return ("L8-b",) if self.pooling == "attention" else ()


def segment_head(
    hidden: Any, mask: Any, num_classes: int, pooling: str, kept: Any = None
) -> Tensors:
    """L8-a, L8-b and the pooling of Kim & Ghaffarzadegan 2019.

    Args:
      hidden: (B, T, D), what L7 gives.
      mask: (B, T) bool.
      num_classes: C.
      pooling: one of `POOLINGS`; `average` has no L8-b.
      kept: numbers of the units that `hidden` has in training; None for all.

    Returns:
      The output dict of every architecture, see `models.architecture`.
    """
    probs = masked_dense(
        hidden, mask, num_classes, "sigmoid", "L8-a", "segment_probs", kept=kept
    )
    logits = None
    if pooling == "attention":
        logits = Dense(num_classes, name="L8-b")(hidden, kept)
        logits = keras.layers.Activation(
            "linear", dtype="float32", name="attention_logits"
        )(logits)
    pooled = pool(pooling, probs, logits, mask)
    return {**pooled, "mask": mask}


def feature_head(
    hidden: Any,
    mask: Any,
    units: int,
    num_classes: int,
    dropout: Dropout,
    kept: Any = None,
    gated: bool = False,
) -> Any:
    """Clip probabilities by attention over features, which knows no classes.

        u = W_u h,   v = sigmoid(W_v h),   z = sum_t v_t u_t / sum_t v_t,
        y_hat = sigmoid(W_c dropout(ReLU(norm(z))))

    Feature-level attention of Kong et al. 2019, "Weakly labelled AudioSet tagging with
    attention neural networks". It says nothing of when. With gates, what W_c reads, x,
    is 2 sigmoid(norm(W_g x)) x: context gating of Miech et al. 2017, "Learnable pooling
    with context gating for video classification", twice so that it starts around x.

    Args:
      hidden: (B, T, D), what L7 gives.
      mask: (B, T) bool.
      units: of u and v.
      num_classes: C.
      dropout: of the pooled features.
      kept: numbers of the units that `hidden` has in training; None for all.
      gated: whether there are gates.

    Returns:
      (B, C) float32.
    """
    own = dropout.draw(hidden, units, "feature")
    values = Dense(units, name="L8-u")(hidden, kept, own)
    logits = Dense(units, name="L8-v")(hidden, kept, own)
    pooled = AttentionPooling(name="feature_pooling")(values, logits, mask)
    norm = BatchNormalization("L8-u", name="feature_norm")
    pooled = norm(pooled["clip_probs"], kept=own)
    pooled = keras.layers.ReLU(name="feature_relu")(pooled)
    pooled = dropout.apply(pooled, "feature")
    if gated:
        gates = Dense(units, name="L8-g")(pooled, own, own)
        gates = BatchNormalization("L8-g")(gates, kept=own)
        gates = keras.layers.Activation("sigmoid", name="feature_gates")(gates)
        gates = keras.layers.Rescaling(2.0, name="doubled_gates")(gates)
        pooled = keras.layers.Multiply(name="gated_features")([pooled, gates])
    logits = Dense(num_classes, name="L8-c")(pooled, own)
    return keras.layers.Activation("sigmoid", dtype="float32", name="feature_probs")(
        logits
    )
