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


@keras.saving.register_keras_serializable(package="tfweak")
class LinearSoftmaxPooling(Float32Layer):
    """Segments weighted by their own probability; nothing is learnt.

        A_t = X^a_t / sum_t X^a_t,   y_hat = sum_t A_t * X^a_t

    A segment is pushed up by a tag where it is above half of y_hat, and down where it
    is below: Wang, Li & Metze 2019, "A comparison of five multiple instance learning
    pooling functions for sound event detection with weak labeling", where it localises
    best of five.
    """

    def call(self, segment_probs: Any, mask: Any) -> dict[str, Any]:
        """Pools, as `AveragePooling` does."""
        logs = ops.log(ops.maximum(segment_probs, _SMALLEST_WEIGHT))
        return _weighted(segment_probs, logs, mask)


@keras.saving.register_keras_serializable(package="tfweak")
class PowerPooling(Float32Layer):
    """Segments weighted by a power of their probability that each class learns.

        A_t = (X^a_t)^n / sum_t (X^a_t)^n,   y_hat = sum_t A_t * X^a_t,   n >= 0

    From the average (n = 0) over linear softmax (n = 1) to the maximum: Liu et al.
    2021, "Power pooling: an adaptive pooling function for weakly labelled sound event
    detection". `penalty` times sum n^2 is added to the loss.
    """

    def __init__(self, penalty: float = 1e-4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.penalty = penalty

    def build(self, input_shape: Any) -> None:
        self.exponent = self.add_weight(
            (input_shape[-1],),
            "ones",
            name="exponent",
            constraint=keras.constraints.NonNeg(),
            regularizer=keras.regularizers.L2(self.penalty),
        )

    def call(self, segment_probs: Any, mask: Any) -> dict[str, Any]:
        """Pools, as `AveragePooling` does."""
        logs = ops.log(ops.maximum(segment_probs, _SMALLEST_WEIGHT))
        return _weighted(segment_probs, self.exponent * logs, mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "penalty": self.penalty}


@keras.saving.register_keras_serializable(package="tfweak")
class AutoPooling(Float32Layer):
    """A softmax over time of the probabilities, as sharp as each class learns.

        A = softmax_t(alpha * X^a_t),   y_hat = sum_t A_t * X^a_t

    From the average (alpha = 0) over exponential softmax (1) to the maximum: McFee,
    Salamon & Bello 2018, "Adaptive pooling operators for weakly labeled sound event
    detection".
    """

    def build(self, input_shape: Any) -> None:
        self.alpha = self.add_weight((input_shape[-1],), "ones", name="alpha")

    def call(self, segment_probs: Any, mask: Any) -> dict[str, Any]:
        """Pools, as `AveragePooling` does."""
        return _weighted(segment_probs, self.alpha * segment_probs, mask)


@keras.saving.register_keras_serializable(package="tfweak")
class DecisionSurfacePooling(Float32Layer):
    """The detector is its own attention; another layer judges the clip.

        X^a = sigmoid(s),   A = softmax_t(s / sqrt(d)),   y_hat = sigmoid(sum_t A_t r_t)

    Lin, Wang, Liu & Qian 2019, "Specialized decision surface and disentangled feature
    for weakly-supervised polyphonic sound event detection", with s = L8-a and r = L8-b
    of a segment of d features: sum_t A_t r_t is r of the features that A has pooled.
    """

    def __init__(self, features: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def call(self, segment_probs: Any, clip_logits: Any, mask: Any) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, X^a.
          clip_logits: (B, T, C) float, r.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C) and `attention` (B, T, C), float32.
        """
        probs = ops.clip(segment_probs, _SMALLEST_WEIGHT, 1.0 - 1e-6)
        logits = ops.log(probs) - ops.log1p(-probs)
        attention = softmax_over_time(logits / self.features**0.5, mask)
        clip = ops.sigmoid(ops.sum(attention * clip_logits, axis=1))
        return {
            "clip_probs": clip * ops.cast(ops.any(mask, axis=1)[:, None], "float32"),
            "attention": attention,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


def _weighted(segment_probs: Any, scores: Any, mask: Any) -> dict[str, Any]:
    attention = softmax_over_time(scores, mask)
    return {
        "clip_probs": ops.sum(attention * segment_probs, axis=1),
        "attention": attention,
    }


# of segments alone; `attention` and `decision_surface` read a second layer, too
_OF_SEGMENTS = {
    "average": AveragePooling,
    "linear_softmax": LinearSoftmaxPooling,
    "power": PowerPooling,
    "auto": AutoPooling,
}
POOLINGS = (*_OF_SEGMENTS, "attention", "decision_surface")


def reads_second_layer(kind: str) -> bool:
    """Whether a pooling of `POOLINGS` needs L8-b."""
    return kind not in _OF_SEGMENTS


def pool(
    kind: str, segment_probs: Any, second: Any, mask: Any, features: int = 1
) -> Tensors:
    """A pooling layer by its name, applied.

    Args:
      kind: one of `POOLINGS`.
      segment_probs: (B, T, C) float, X^a.
      second: (B, T, C) float, what L8-b gives, or None where it is not read.
      mask: (B, T) bool, True where valid.
      features: that L8 reads of a segment.

    Returns:
      What every model answers: `clip_probs`, `segment_probs`, `attention` and, where
      there is attention to train, `attention_logits`.
    """
    if kind in _OF_SEGMENTS:
        pooled = _OF_SEGMENTS[kind](name="pooling")(segment_probs, mask)
    elif kind == "attention":
        pooled = AttentionPooling(name="pooling")(segment_probs, second, mask)
        pooled["attention_logits"] = second
    else:
        pooled = DecisionSurfacePooling(features, name="pooling")(
            segment_probs, second, mask
        )
    return {**pooled, "segment_probs": segment_probs}
