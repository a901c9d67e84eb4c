"""The winner of DCASE 2017 task 4, a gated CRNN (Xu et al. 2017, 2018): `gated_crnn`.

Y. Xu, Q. Kong, W. Wang, M. D. Plumbley, "Surrey-CVSSP system for DCASE2017 challenge
task4", tech. rep. 2017, which Kim & Ghaffarzadegan 2019 compare with as [20]; in print
as "Large-scale weakly supervised audio classification using gated convolutional neural
network", ICASSP 2018. This is its variant for sound event detection, which keeps every
frame; the tagging variant pools time by 8 and averages.

Layers, time x mel x channels for the 240 x 64 input of 10 s:

  standardisation                       240 x 64
  L1, L2   gated block, 64 | pool 1x2   240 x 32 x 64
  L3, L4   gated block, 64 | pool 1x2   240 x 16 x 64
  L5, L6   gated block, 64 | pool 1x2   240 x 8 x 64
  L7, L8   gated block, 64 | pool 1x2   240 x 4 x 64
  L9       conv 3x3, 256, ReLU | 1x4    240 x 256
  L10      bidirectional GRU, 128 each way, linear, times another one with sigmoid
  L8-a     C sigmoids for each frame, O
  L8-b     softmax over the C classes of each frame, Z
  pooling  y_hat = sum_t Z_t O_t / sum_t Z_t

A gated block is a 3x3 convolution to 128 channels without bias, batch normalisation,
and the first 64 channels times the sigmoid of the last 64.

With C = 527 there are 1,529,246 trainable parameters. Neither of our two papers prints
a layer table or a count: Kim & Ghaffarzadegan ran the released model. Blocks, widths,
poolings and GRUs are those of the authors' papers and their model file.

Chosen, or other than in the model file: it connects only the first block of the last
stage to what follows, here both are, as in the paper; there the softmax reads the
sigmoids' outputs, here both layers read the GRUs; the GRUs' gates are plain sigmoids,
not Keras 2's piecewise linear ones; any clip length, with padded frames masked in
convolutions, normalisation, both directions of the GRUs and pooling. `width` scales all
filters and units. `background=true` gives the softmax one output more, for frames that
belong to no class; one of the classes has to take them otherwise.

L8-a and L8-b are named as in the other architectures; they have nothing to do with L8.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid
from tfweak.learning.pooling import LocalizationPooling
from tfweak.settings import option

from ..architecture import ScaledArchitecture, scaled
from ..networks import time_grid
from ..networks.layers import (
    ApplyMask,
    Standardise,
    class_shares,
    masked_dense,
    network_inputs,
    standardised,
)
from ..networks.normalization import MaskedBatchNormalization
from ..networks.recurrent import bidirectional_gru

FRAMES = InputSpec.frames("gated_crnn", training_seconds=10)


STAGES = 4
BLOCKS_A_STAGE = 2
BLOCK_FILTERS = 64
LAST_FILTERS = 256
GRU_UNITS = 128
KERNEL = 3


@dataclasses.dataclass(frozen=True)
class GatedCrnn(ScaledArchitecture):
    """Settings, and `width`."""

    name = "gated_crnn"
    input = FRAMES
    class_layers = ("L8-a",)

    background: bool = option(
        False, "one more output of the softmax over the classes, for frames of none"
    )

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """The softmax over the classes."""
        return ("L8-b",)

    @property
    def has_background(self) -> bool:
        """As set."""
        return self.background

    def network(self) -> keras.Model:
        """(B, frames, 64) log-mel -> the output dict, a segment a frame.

        Beside the keys of every architecture, `localization` (B, T, C): Z.
        """
        inputs = network_inputs(FRAMES.size)
        hidden, mask = standardised(inputs, Standardise(name="standardisation"))
        hidden = keras.layers.Reshape((-1, FRAMES.size, 1), name="image")(hidden)
        number = 0
        for stage in range(1, STAGES + 1):
            for _ in range(BLOCKS_A_STAGE):
                number += 1
                hidden = _gated_block(hidden, mask, f"L{number}", self)
            hidden = keras.layers.MaxPooling2D((1, 2), name=f"pool_{stage}")(hidden)
        name = f"L{number + 1}"
        hidden = ApplyMask(name=f"{name}_valid")(hidden, mask)
        hidden = keras.layers.Conv2D(
            scaled(LAST_FILTERS, self.width),
            KERNEL,
            padding="same",
            activation="relu",
            name=name,
        )(hidden)
        hidden = keras.layers.MaxPooling2D((1, hidden.shape[2]), name=f"{name}_pool")(
            hidden
        )
        hidden = keras.layers.Reshape((-1, hidden.shape[3]), name="segments")(hidden)
        hidden = ApplyMask(name="valid_segments")(hidden, mask)
        hidden = _gated_gru(hidden, mask, f"L{number + 2}", self)
        classes = self.num_classes
        probs = masked_dense(hidden, mask, classes, "sigmoid", "L8-a", "segment_probs")
        shares = class_shares(
            hidden, mask, classes, self.background, "L8-b", "localization"
        )
        outputs = {
            **LocalizationPooling(name="pooling")(probs, shares, mask),
            "segment_probs": probs,
            "localization": shares,
            "mask": mask,
        }
        return keras.Model(inputs, outputs, name="gated_crnn")

    @property
    def grid(self) -> SegmentGrid:
        """A segment a frame; the receptive field is that of the convolutions.

        The GRUs carry what they hear over the whole clip, on top of it.
        """
        convolutions = STAGES * BLOCKS_A_STAGE + 1
        return time_grid.segment_grid([time_grid.same(KERNEL)] * convolutions, FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """Time is not pooled: as many segments as frames."""
        return num_frames


@keras.saving.register_keras_serializable(package="tfweak")
class GatedLinearUnit(keras.layers.Layer):
    """(..., 2 D) -> (..., D): the first half times the sigmoid of the second."""

    def call(self, values: Any) -> Any:
        linear, gate = ops.split(values, 2, axis=-1)
        return linear * ops.sigmoid(gate)

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] // 2)


def _gated_block(hidden: Any, mask: Any, name: str, config: GatedCrnn) -> Any:
    hidden = ApplyMask(name=f"{name}_valid")(hidden, mask)
    hidden = keras.layers.Conv2D(
        2 * scaled(BLOCK_FILTERS, config.width),
        KERNEL,
        padding="same",
        use_bias=False,
        name=name,
    )(hidden)
    hidden = MaskedBatchNormalization(name)(hidden, mask)
    return GatedLinearUnit(name=f"{name}_gate")(hidden)


def _gated_gru(hidden: Any, mask: Any, name: str, config: GatedCrnn) -> Any:
    """Linear GRUs times sigmoid GRUs."""
    units = scaled(GRU_UNITS, config.width)
    parts = [
        bidirectional_gru(
            hidden,
            mask,
            units,
            f"{name}_{activation}",
            activation=activation,
            reset_after=False,
        )
        for activation in ("linear", "sigmoid")
    ]
    return keras.layers.Multiply(name=f"{name}_gate")(parts)
