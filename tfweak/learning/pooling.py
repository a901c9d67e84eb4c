"""Layers that turn segment outputs into a clip's answer, and time back into attention.

Each takes a mask (B, T), True where a segment is valid, and stops it: nothing of a
padded segment reaches a clip's answer.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..typing import Tensors

_MASKED_LOGIT = -1e9
# What a frame counts for at least in the denominator of Xu et al. 2017's Eq. (8).
_SMALLEST_WEIGHT = 1e-9


class Float32Layer(keras.layers.Layer):
    """Probabilities, normalisations and costs stay in float32 under any dtype policy.

    Keras's own mask ends at such a layer; the mask that counts is an argument.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": kwargs.get("dtype", "float32")})
        self.supports_masking = False


def softmax_over_time(scores: Any, mask: Any) -> Any:
    """(B, T, D) scores and a (B, T) mask -> shares (B, T, D) of the valid time.

    They sum to 1 over the valid segments, or to 0 where there are none, and are 0 in
    padded ones.
    """
    valid = ops.expand_dims(mask, -1)
    scores = ops.where(valid, scores, _MASKED_LOGIT)
    return ops.softmax(scores, axis=1) * ops.cast(valid, scores.dtype)


@keras.saving.register_keras_serializable(package="tfweak")
class AveragePooling(Float32Layer):
    """Mean of the segment probabilities over a clip's valid time.

    y_hat_c = (1 / T) sum_t X^a_{c,t}: model (a), "no attention", of Kim &
    Ghaffarzadegan 2019. The attention it reports is uniform, 1 / T.
    """

    def call(self, segment_probs: Any, mask: Any) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, X^a.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C) and `attention` (B, T, C), float32.
        """
        valid = ops.cast(mask, "float32")
        count = ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1.0)
        attention = ops.broadcast_to(
            ops.expand_dims(valid / count, -1), ops.shape(segment_probs)
        )
        return {
            "clip_probs": ops.sum(attention * segment_probs, axis=1),
            "attention": attention,
        }


@keras.saving.register_keras_serializable(package="tfweak")
class AttentionPooling(Float32Layer):
    """Class-wise attention over time (Section II of Kim & Ghaffarzadegan 2019).

        X^b = sigmoid(Z),   A = X^b / sum_t X^b,   y_hat = sum_t A_t * X^a_t

    The paper prints the normalisation, not the activation of X^b; a sigmoid keeps X^b
    in [0, 1], so that a target in {0, 1} can also be put on X^b itself. A is computed
    as softmax_t(log sigmoid(Z)), which is the same quotient and stays finite (uniform)
    where every X^b underflows to zero.
    """

    def call(
        self, segment_probs: Any, attention_logits: Any, mask: Any
    ) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, X^a.
          attention_logits: (B, T, C) float, Z, what sigmoid makes X^b of.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C) and `attention` (B, T, C), float32; the attention of a
          class sums to 1 over the valid segments and is 0 elsewhere.
        """
        attention = softmax_over_time(ops.log_sigmoid(attention_logits), mask)
        return {
            "clip_probs": ops.sum(attention * segment_probs, axis=1),
            "attention": attention,
        }


@keras.saving.register_keras_serializable(package="tfweak")
class LocalizationPooling(Float32Layer):
    """A clip's answer, each segment weighted by which class it belongs to.

        A_c(t) = Z_c(t) / sum_t clip(Z_c(t), 1e-9, 1),   y_hat = sum_t A(t) * O(t)

    Eq. (8) of Xu et al. 2017, "Attention and localization based on a deep convolutional
    recurrent model for weakly supervised audio tagging", where Z is a softmax over the
    classes of each segment, Eq. (6). The clip is their published file's; where Z of a
    class is below 1e-9 throughout, A sums to less than 1 and the answer goes to 0.
    """

    def call(self, segment_probs: Any, localization: Any, mask: Any) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, O, times a global attention if there is one.
          localization: (B, T, C) float, Z.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C) and `attention` (B, T, C), A, float32; the attention is 0
          in padded segments.
        """
        valid = ops.expand_dims(ops.cast(mask, "float32"), -1)
        weights = valid * ops.clip(localization, _SMALLEST_WEIGHT, 1.0)
        total = ops.sum(weights, axis=1, keepdims=True)
        attention = valid * localization / ops.maximum(total, _SMALLEST_WEIGHT)
        return {
            "clip_probs": ops.sum(attention * segment_probs, axis=1),
            "attention": attention,
        }


POOLINGS = ("average", "attention")


def pool(kind: str, segment_probs: Any, attention_logits: Any, mask: Any) -> Tensors:
    """A pooling layer by its name, applied.

    Args:
      kind: one of `POOLINGS`.
      segment_probs: (B, T, C) float, X^a.
      attention_logits: (B, T, C) float, what L8-b gives; read by `attention` alone.
      mask: (B, T) bool, True where valid.

    Returns:
      What every model answers: `clip_probs`, `segment_probs`, `attention` and, where
      there is attention to train, `attention_logits`.
    """
    if kind == "attention":
        pooled = AttentionPooling(name="pooling")(segment_probs, attention_logits, mask)
        pooled["attention_logits"] = attention_logits
    else:
        pooled = AveragePooling(name="pooling")(segment_probs, mask)
    return {**pooled, "segment_probs": segment_probs}
