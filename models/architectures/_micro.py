"""Attentional supervision of segments by clip labels (Chou et al. 2018), and its parts.

A micro subnet predicts segments, logits z (B, T, C), and attends to them by weights
A (B, T) that sum to 1 over time. Its loss puts the clip's labels y on every segment; a
present class counts where the attention is, an absent one everywhere alike:

    L_micro = sum_c [ y_c sum_t A_t (-log p_tc) + (1 - y_c) (1/T) sum_t -log(1 - p_tc) ]

summed over the subnets. It is linear in y, so a network that knows no labels can give
its two parts, `present_cost` and `absent_cost`, and `micro_loss` puts them together.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_MASKED_LOGIT = -1e9


def micro_loss(weak: Any, present_cost: Any, absent_cost: Any) -> Any:
    """L_micro of each clip: sum_c y_c present_cost_c + (1 - y_c) absent_cost_c.

    Args:
      weak: (B, C) labels in [0, 1].
      present_cost, absent_cost: (B, C), what a class costs that is there or is not.

    Returns:
      (B,) float32, on the scale of `losses.prediction_loss`.
    """
    weak = ops.cast(weak, "float32")
    return ops.sum(weak * present_cost + (1.0 - weak) * absent_cost, axis=-1)


class _Float32Layer(keras.layers.Layer):
    """Normalisations, probabilities and costs stay in float32 under any policy."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": kwargs.get("dtype", "float32")})
        self.supports_masking = False


@keras.saving.register_keras_serializable(package="tfweak")
class ChannelAttention(_Float32Layer):
    """(B, T, D) logits and a (B, T) mask -> (B, T) attention, summing to 1 over time.

    Each channel's softmax over the valid time, averaged over channels.
    """

    def call(self, logits: Any, mask: Any) -> Any:
        valid = ops.expand_dims(mask, -1)
        scores = ops.where(valid, logits, _MASKED_LOGIT)
        shares = ops.softmax(scores, axis=1) * ops.cast(valid, "float32")
        return ops.mean(shares, axis=-1)


@keras.saving.register_keras_serializable(package="tfweak")
class MicroCosts(_Float32Layer):
    """The two parts of a micro subnet's loss; see the module's docstring.

    The attention gets no gradient from them: it would only turn to where a present
    class costs least. It is trained through the clip's answer.
    """

    def call(self, logits: Any, attention: Any, mask: Any) -> dict[str, Any]:
        """Sums over time.

        Args:
          logits: (B, T, C), z.
          attention: (B, T), A, 0 where padded.
          mask: (B, T) bool, True where valid.

        Returns:
          `present` and `absent`, (B, C) float32 each.
        """
        valid = ops.cast(mask, "float32")
        even = valid / ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1.0)
        attention = ops.stop_gradient(attention)
        # -log sigmoid(z) = softplus(-z), -log(1 - sigmoid(z)) = softplus(z)
        return {
            "present": ops.einsum("bt,btc->bc", attention, ops.softplus(-logits)),
            "absent": ops.einsum("bt,btc->bc", even, ops.softplus(logits)),
        }


@keras.saving.register_keras_serializable(package="tfweak")
class Coarsen(_Float32Layer):
    """A micro subnet's answer on a grid `factor` times as coarse, rounded up.

    The probability of a segment is the mean of its valid steps, its attention the sum.
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, probs: Any, attention: Any, mask: Any) -> dict[str, Any]:
        """(B, T, C) probs, (B, T) attention and mask -> `probs`, `attention`."""
        valid = ops.expand_dims(ops.cast(mask, "float32"), -1)
        count = self._sums(valid)
        return {
            "probs": self._sums(probs * valid) / ops.maximum(count, 1.0),
            "attention": self._sums(ops.expand_dims(attention, -1))[:, :, 0],
        }

    def _sums(self, values: Any) -> Any:
        clips, steps, size = ops.shape(values)
        # up to factor - 1 too many zeros, which the floor below drops
        values = ops.pad(values, ((0, 0), (0, self.factor - 1), (0, 0)))
        segments = (steps + self.factor - 1) // self.factor
        values = values[:, : segments * self.factor]
        return ops.sum(
            ops.reshape(values, (clips, segments, self.factor, size)), axis=2
        )

    def compute_output_spec(self, probs: Any, attention: Any, mask: Any) -> Any:
        clips, steps, size = probs.shape
        segments = None if steps is None else -(-steps // self.factor)
        return {
            "probs": keras.KerasTensor((clips, segments, size), "float32"),
            "attention": keras.KerasTensor((clips, segments), "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="tfweak")
class MacroMicroPooling(_Float32Layer):
    """The mean of the macro answer M and the micro answers p_t that attention pools.

    X_t = (M + p_t) / 2,   y_hat = sum_t A_t X_t = (M + sum_t A_t p_t) / 2
    """

    def call(self, macro: Any, micro: Any, attention: Any, mask: Any) -> dict[str, Any]:
        """Pools.

        Args:
          macro: (B, C), M.
          micro: (B, T, C), p.
          attention: (B, T), A, summing to 1 over the valid segments.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C), `segment_probs` and `attention` (B, T, C), float32.
        """
        valid = ops.cast(ops.expand_dims(mask, -1), "float32")
        probs = 0.5 * (ops.expand_dims(macro, 1) + micro) * valid
        weights = ops.expand_dims(attention, -1)
        return {
            "clip_probs": ops.sum(weights * probs, axis=1),
            "segment_probs": probs,
            "attention": ops.broadcast_to(weights, ops.shape(probs)),
        }
