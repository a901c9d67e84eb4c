"""Attentional supervision of segments by clip labels (Chou et al. 2018): its layers.

A micro subnet predicts segments, logits z (B, T, C), and attends to them by weights
A (B, T) that sum to 1 over time. `losses.micro_loss` prints the loss that this leads
to; a network that knows no labels gives its two parts, `present_cost` and
`absent_cost`, each summed over the subnets.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfweak.learning.pooling import Float32Layer, softmax_over_time


@keras.saving.register_keras_serializable(package="tfweak")
class ChannelAttention(Float32Layer):
    """(B, T, D) logits and a (B, T) mask -> (B, T) attention, summing to 1 over time.

    Each channel's softmax over the valid time, averaged over channels.
    """

    def call(self, logits: Any, mask: Any) -> Any:
        return ops.mean(softmax_over_time(logits, mask), axis=-1)


@keras.saving.register_keras_serializable(package="tfweak")
class MicroCosts(Float32Layer):
    """The two parts of a micro subnet's loss, see `tfweak.learning.losses.micro_loss`.

    The cost of a present class is the sum over time of A_t (-log p_{c,t}), that of an
    absent one the mean over time of -log(1 - p_{c,t}).

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
class Coarsen(Float32Layer):
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
class MacroMicroPooling(Float32Layer):
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
