"""What architectures share: inputs, masks, normalisation that honours them, heads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfweak.typing import Array

from .kept_units import Dense

# For `ApplyMask` before max pooling: below every output of a convolution, in bfloat16
# and float16 too.
PASSED_OVER = -60000.0


def network_inputs(num_bins: int) -> dict[str, Any]:
    """What every network takes: `features` (B, T, num_bins) and `num_frames` (B,)."""
    return {
        "features": keras.Input((None, num_bins), name="features"),
        "num_frames": keras.Input((), dtype="int32", name="num_frames"),
    }


@keras.saving.register_keras_serializable(package="tfweak")
class SequenceMask(keras.layers.Layer):
    """Valid rows as a mask: (B,) counts and (B, T, F) features -> (B, T) bool.

    Rows are divided by `stride` and rounded up, as pooling with SAME padding does.
    """

    def __init__(self, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, num_frames: Any, features: Any) -> Any:
        positions = ops.arange(ops.shape(features)[1], dtype="int32")
        segments = (ops.cast(num_frames, "int32") + self.stride - 1) // self.stride
        return positions[None, :] < segments[:, None]

    def compute_output_spec(self, num_frames: Any, features: Any) -> Any:
        return keras.KerasTensor(features.shape[:2], "bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(package="tfweak")
class ApplyMask(keras.layers.Layer):
    """Sets padded positions of (B, T, ...) values to a number, by a (B, T) mask.

    Args:
      value: zero, what SAME padding of a convolution puts beyond a clip's end; or a
        large negative number before max pooling, which then passes over padding.
    """

    def __init__(self, value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value

    def call(self, values: Any, mask: Any) -> Any:
        fill = ops.full((), self.value, values.dtype)
        kept = ops.where(ops.reshape(mask, (-1, 1)), as_rows(values), fill)
        return ops.reshape(kept, ops.shape(values))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


def as_rows(values: Any) -> Any:
    """(B, T, ...) values as a matrix of B T rows.

    TensorFlow selects, adds and multiplies by rows two to three times as fast as by
    broadcasting over four axes.
    """
    return ops.reshape(values, (-1, math.prod(values.shape[2:])))


@keras.saving.register_keras_serializable(package="tfweak")
class Standardise(keras.layers.Layer):
    """(x - mean) / deviation for each of the F values of a frame, float32.

    Both are weights that no training step changes: `set` gives them the statistics of
    the training data, and they travel with the model. Until then x stays as it is.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "trainable": False, "autocast": False})

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape, "zeros", name="mean", dtype="float32")
        self.deviation = self.add_weight(
            shape, "ones", name="deviation", dtype="float32"
        )

    def set(self, mean: Array, deviation: Array) -> None:
        """Takes the statistics, (F,) each; a deviation of 0 counts as 1."""
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > 0, deviation, 1.0))

    def call(self, features: Any) -> Any:
        return (ops.cast(features, "float32") - self.mean) / self.deviation


def fit_standardisation(network: keras.Model, batches: Any) -> None:
    """Gives a network's `Standardise` layer the statistics of its training data.

    Args:
      network: with or without such a layer; without, nothing is done.
      batches: (x, y), whose valid frames count; padded ones do not.
    """
    found = [layer for layer in network.layers if isinstance(layer, Standardise)]
    if not found:
        return
    total = square = np.zeros(1)
    count = 0
    for x, _ in batches:
        features = np.asarray(x["features"], np.float64)
        valid = np.arange(features.shape[1]) < np.asarray(x["num_frames"])[:, None]
        frames = features[valid]
        total = total + frames.sum(0)
        square = square + np.square(frames).sum(0)
        count += len(frames)
    mean = total / count
    variance = np.maximum(square / count - np.square(mean), 0)
    for layer in found:
        layer.set(mean, np.sqrt(variance))


def standardised(inputs: dict[str, Any], layer: Standardise) -> tuple[Any, Any]:
    """Features through a `Standardise`, and the mask of their frames.

    Args:
      inputs: see `network_inputs`.
      layer: `fit_standardisation` finds it by the name `standardisation`.

    Returns:
      (B, T, F) with zeros, the mean of the training data, in padded frames; mask (B, T)
      bool.
    """
    features = inputs["features"]
    mask = SequenceMask(name="frame_mask")(inputs["num_frames"], features)
    return ApplyMask(name="valid_frames")(layer(features), mask), mask


def masked_dense(
    hidden: Any,
    mask: Any,
    units: int,
    activation: str,
    name: str,
    values_name: str,
    bias: Any = "zeros",
    kept: Any = None,
) -> Any:
    """A dense layer on each segment whose answer is probabilities or weights.

    Args:
      hidden: (B, T, D).
      mask: (B, T) bool.
      units: of the layer.
      activation: `sigmoid` or `softmax`.
      name: of the layer.
      values_name: of its activations.
      bias: how its bias starts.
      kept: numbers of the units that `hidden` has in training; None for all.

    Returns:
      (B, T, units) float32, 0 in padded segments.
    """
    logits = Dense(units, bias_initializer=bias, name=name)(hidden, kept)
    values = keras.layers.Activation(activation, dtype="float32", name=values_name)(
        logits
    )
    return ApplyMask(dtype="float32", name=f"valid_{values_name}")(values, mask)


@keras.saving.register_keras_serializable(package="tfweak")
class LastOneHalf(keras.initializers.Initializer):
    """Biases of n logits that give the last one half of their softmax: log(n - 1)."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        (size,) = shape
        return ops.one_hot(size - 1, size, dtype=dtype) * math.log(size - 1)

    def get_config(self) -> dict[str, Any]:
        return {}


@keras.saving.register_keras_serializable(package="tfweak")
class WithoutLast(keras.layers.Layer):
    """All values of the last axis but the last one."""

    def call(self, values: Any) -> Any:
        return values[..., :-1]

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] - 1)


def class_shares(
    hidden: Any,
    mask: Any,
    num_classes: int,
    background: bool,
    name: str,
    values_name: str,
) -> Any:
    """Which class a segment belongs to: a dense layer and a softmax over the classes.

    Args:
      hidden: (B, T, D).
      mask: (B, T) bool.
      num_classes: C.
      background: give the softmax one output more, for segments that belong to no
        class; without it some class has to take them. It starts with half of each
        segment: no loss tells it from a class, and it must not be by chance that it
        takes what belongs to none.
      name: of the layer.
      values_name: of its activations.

    Returns:
      (B, T, C) float32, 0 in padded segments; the sum over the classes is 1, with a
      background 1 minus its share.
    """
    if not background:
        return masked_dense(hidden, mask, num_classes, "softmax", name, values_name)
    shares = masked_dense(
        hidden, mask, num_classes + 1, "softmax", name, values_name, LastOneHalf()
    )
    return WithoutLast(dtype="float32", name=f"{values_name}_of_classes")(shares)


def start_at_frequencies(
    network: keras.Model,
    class_layers: Iterable[str],
    label_counts: Array,
    num_clips: int,
) -> None:
    """Sets the class layers' bias so that an untrained model answers frequencies.

    With hundreds of rare classes the first hundred steps would otherwise go into
    learning that most are absent: bias = log(f / (1 - f)), f = (n_c + 0.5) / (N + 1)
    (the initialisation of Lin et al. 2017, "Focal loss for dense object detection",
    with each class's own frequency).

    Args:
      network: whose layers these are.
      class_layers: names of layers whose sigmoids are class probabilities.
      label_counts: (C,) n_c, training clips a class.
      num_clips: N.
    """
    frequency = (np.asarray(label_counts) + 0.5) / (num_clips + 1.0)
    for name in class_layers:
        network.get_layer(name).bias.assign(np.log(frequency / (1.0 - frequency)))
