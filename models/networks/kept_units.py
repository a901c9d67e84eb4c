"""Dropout of the same units for a whole batch, which then are not computed at all.

Graham, Reizenstein and Robinson 2015, "Efficient batchwise dropout training using
submatrices" (arXiv:1502.02478). A step multiplies by the rows and columns of a kernel
that belong to kept units alone: at a rate of one half a quarter of the work.

Layers here are called by Keras's own names, since a run's file of weights has its
groups named after them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops


def of_kept(weights: Any, kept: Any, axis: int = 0, scale: float = 1.0) -> Any:
    """Those of a layer's weights that belong to kept units, times `scale`.

    Args:
      weights: of all units.
      kept: (k,) numbers of those kept; None for all, as they are.
      axis: of the units.
      scale: for those kept.
    """
    weights = ops.convert_to_tensor(weights)
    if kept is None:
        return weights
    # the factor makes the gradient a tensor; that of taking alone comes in slices,
    # which optimizers treat in another way
    return ops.take(weights * scale, kept, axis=axis)


@keras.saving.register_keras_serializable(package="tfweak")
class KeptUnits(keras.layers.Layer):
    """Draws the units of a layer that a training step computes.

    Args:
      units: how many there are, U.
      rate: share that is left out; one unit at least is kept.
    """

    def __init__(self, units: int, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.rate = rate
        self._seeds = keras.random.SeedGenerator()

    def call(self, batch: Any, training: bool = False) -> Any:
        """(B, ...), of which nothing is read -> the kept units' numbers, (k,) int32."""
        every = ops.arange(self.units, dtype="int32")
        if not training:
            return every
        count = max(1, round(self.units * (1.0 - self.rate)))
        return ops.sort(keras.random.shuffle(every, seed=self._seeds)[:count])

    def compute_output_spec(self, batch: Any, training: bool = False) -> Any:
        return keras.KerasTensor((self.units,), "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "rate": self.rate}


@keras.saving.register_keras_serializable(package="tfweak")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` that computes kept units of kept inputs in training."""

    def build(self, shape: Any, *_: Any) -> None:
        super().build(shape)
        self.input_spec = None  # in training there are fewer inputs

    def call(
        self,
        inputs: Any,
        kept_inputs: Any = None,
        kept_units: Any = None,
        training: bool = False,
    ) -> Any:
        """(..., k) -> (..., units).

        Args:
          inputs: kept values alone; they count as much more as others are missing.
          kept_inputs: (k,) their numbers; None for all.
          kept_units: numbers of the units to compute; None for all.
          training: else all units of all inputs are computed.
        """
        if not training or (kept_inputs is None and kept_units is None):
            return super().call(inputs)
        kernel = self.kernel
        if kept_inputs is not None:
            scale = kernel.shape[0] / kept_inputs.shape[0]
            kernel = of_kept(kernel, kept_inputs, scale=scale)
        if kept_units is not None:
            kernel = of_kept(kernel, kept_units, axis=1)
        answers = ops.matmul(inputs, kernel)
        if self.use_bias:
            answers += of_kept(self.bias, kept_units)
        return answers if self.activation is None else self.activation(answers)

    def compute_output_shape(self, shape: Any, *_: Any) -> Any:
        return super().compute_output_shape(shape)


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Dropout behind a layer, of one of two kinds.

    Attributes:
      rate: share that is left out.
      of_units: leave out the same units of a whole batch, which costs less time than
        none would; else single values, as `keras.layers.Dropout` does.
    """

    rate: float
    of_units: bool

    def draw(self, batch: Any, units: int, name: str) -> Any:
        """Numbers of the units to compute of the layer `name`; None for all."""
        if not self.of_units:
            return None
        return KeptUnits(units, self.rate, name=f"{name}_dropout")(batch)

    def apply(self, values: Any, name: str) -> Any:
        """The values that the layer gave, some of them 0 in training."""
        if self.of_units:
            return values  # there are fewer already
        return keras.layers.Dropout(self.rate, name=f"{name}_dropout")(values)
