"""Batch normalisation of clips of different length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from .kept_units import of_kept
from .layers import as_rows


@keras.saving.register_keras_serializable(package="tfweak")
class MaskedBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose statistics leave padded positions out.

    What `keras.layers.BatchNormalization` does with a mask, several times as fast on a
    CPU: sum and sum of squares by matrix products, the gradient written out.

    Args:
      of: name of the layer that it belongs to, is fixed with, and is named after.
      momentum: of the moving statistics.
      epsilon: added to the variance.
    """

    def __init__(
        self,
        of: str | None = None,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        if of is not None:
            kwargs.setdefault("name", f"{of}_norm")
        super().__init__(**kwargs)
        self.of = of
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, shape: Any, *_: Any) -> None:
        def weight(name: str, initial: str, trainable: bool) -> Any:
            return self.add_weight(
                name=name,
                shape=(shape[-1],),
                initializer=initial,
                trainable=trainable,
                dtype="float32",
                autocast=False,
            )

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(
        self, values: Any, mask: Any, kept: Any = None, training: bool = False
    ) -> Any:
        """Normalises.

        Args:
          values: (B, T, ..., C), finite in padding too.
          mask: (B, T) bool.
          kept: numbers of the channels that `values` has in training; None for all.
          training: use the values' own statistics, and learn from them.
        """
        rows = as_rows(values)
        kept = kept if training else None
        if training and self.trainable:
            valid = ops.cast(ops.reshape(mask, (1, -1)), "float32")
            mean, variance = _moments(rows, valid, values.shape[-1])
            self._follow(mean, variance, kept)
            inverse = ops.rsqrt(variance + self.epsilon)
            affine = _affine_by_own_moments(valid, mean, inverse)
        else:
            mean = of_kept(self.moving_mean, kept)
            inverse = ops.rsqrt(of_kept(self.moving_variance, kept) + self.epsilon)
            affine = _affine
        scale = of_kept(self.gamma, kept) * inverse
        rows = affine(rows, scale, of_kept(self.beta, kept) - mean * scale)
        return ops.reshape(rows, ops.shape(values))

    def _follow(self, mean: Any, variance: Any, kept: Any) -> None:
        """Moves the moving statistics of kept channels towards those of a batch."""
        pairs = (self.moving_mean, mean), (self.moving_variance, variance)
        for moving, now in pairs:
            step = (1.0 - self.momentum) * (now - of_kept(moving, kept))
            if kept is not None:
                step = ops.scatter(kept[:, None], step, moving.shape)
            moving.assign_add(step)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "of": self.of,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

    def compute_output_shape(self, shape: Any, *_: Any) -> Any:
        return shape


@keras.saving.register_keras_serializable(package="tfweak")
class BatchNormalization(MaskedBatchNormalization):
    """Batch normalisation of (B, C) values.

    Called by Keras's own name for the files of runs, see `kept_units`.
    """

    def call(
        self, values: Any, mask: Any = None, kept: Any = None, training: bool = False
    ) -> Any:
        """See there; `mask` (B,) leaves clips out, None none."""
        rows = values[:, None]
        counts = ops.ones(ops.shape(rows)[:2], "bool") if mask is None else mask
        return super().call(rows, counts, kept, training=training)[:, 0]


# Below, `rows` are (R, W C): W positions of C channels side by side in each row, and
# `valid` (1, R) is 1 where a row counts.


def _moments(rows: Any, valid: Any, channels: int) -> tuple[Any, Any]:
    """Mean and variance of each channel over the valid rows, (C,) float32."""
    count = _count(rows, valid, channels)
    values = ops.cast(ops.stop_gradient(rows), "float32")
    mean = _channel_sums(valid, values, channels) / count
    square = _channel_sums(valid, ops.square(values), channels) / count
    return mean, ops.maximum(square - ops.square(mean), 0.0)


def _affine_by_own_moments(
    valid: Any, mean: Any, inverse: Any
) -> Callable[[Any, Any, Any], Any]:
    """`_affine`, of which the gradient knows that scale and shift depend on the rows.

    Scale and shift hold mean and inverse standard deviation as constants, of which no
    gradient is taken. With g the gradient that comes in and n the count of valid values
    of a channel, d shift = sum g, d scale = sum g x, and

        d x = scale (g - (sum g + (x - mean) inverse^2 sum g (x - mean)) / n)

    where the part divided by n is 0 in rows that are not valid.
    """
    channels = mean.shape[0]

    def affine(rows: Any, scale: Any, shift: Any) -> tuple[Any, Callable[..., Any]]:
        def gradient(upstream: Any) -> tuple[Any, Any, Any]:
            every = ops.ones_like(valid)
            wide = ops.cast(upstream, "float32")
            to_shift = _channel_sums(every, wide, channels)
            products = wide * ops.cast(rows, "float32")
            to_scale = _channel_sums(every, products, channels)
            count = _count(rows, valid, channels)
            slope = scale * ops.square(inverse) * (to_scale - mean * to_shift) / count
            by_moments = _affine(rows, slope, scale * to_shift / count - slope * mean)
            by_moments *= ops.cast(ops.transpose(valid), rows.dtype)
            to_rows = upstream * _side_by_side(scale, upstream) - by_moments
            return to_rows, to_scale, to_shift

        return _affine(rows, scale, shift), gradient

    return ops.custom_gradient(affine)


def _affine(rows: Any, scale: Any, shift: Any) -> Any:
    """rows scale + shift, by channel."""
    return rows * _side_by_side(scale, rows) + _side_by_side(shift, rows)


def _side_by_side(channels: Any, rows: Any) -> Any:
    """(C,) repeated for each position of a row, in the dtype of the rows."""
    repeats = rows.shape[1] // channels.shape[0]
    return ops.tile(ops.cast(channels, rows.dtype), repeats)


def _channel_sums(weights: Any, rows: Any, channels: int) -> Any:
    """sum_r weights_r rows_r, added up over positions: (C,)."""
    if tf.config.list_physical_devices("GPU"):
        # there a product rounds to TensorFloat-32, too coarse for a variance
        sums = ops.sum(ops.transpose(weights) * rows, axis=0)
    else:
        sums = ops.matmul(weights, rows)
    return ops.sum(ops.reshape(sums, (-1, channels)), axis=0)


def _count(rows: Any, valid: Any, channels: int) -> Any:
    """Valid values of a channel; 1 at least."""
    return ops.maximum(ops.sum(valid) * (rows.shape[1] // channels), 1.0)
