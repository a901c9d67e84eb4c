"""Kumar, Khadkevich & Fügen 2018, the "TLWeak" of Kim & Ghaffarzadegan 2019: `tlweak`.

A. Kumar, M. Khadkevich, C. Fügen, "Knowledge transfer from weakly labeled audio using
convolutional neural network for sound events and scenes", ICASSP 2018, arXiv
1711.01369; its network N_S, trained on weak labels by averaging over the clip.

Layers, time x mel for the 860 x 128 input of 10 s; each convolution is followed by
batch normalisation and ReLU:

  standardisation                              860 x 128
  B1  conv 3x3, 16; conv 3x3, 16   | pool 2x2  430 x 64
  B2  conv 3x3, 32; conv 3x3, 32   | pool 2x2  215 x 32
  B3  conv 3x3, 64; conv 3x3, 64   | pool 2x2  107 x 16
  B4  conv 3x3, 128; conv 3x3, 128 | pool 2x2  53 x 8
  B5  conv 3x3, 256; conv 3x3, 256 | pool 2x2  26 x 4
  B6  conv 3x3, 512                | pool 2x2  13 x 2
  F1  conv 2x2, 1024, valid                    12 x 1
  L8-a  conv 1x1, C sigmoids                   12 x 1
  pooling  the mean over time

With C = 527 there are 5,002,047 trainable parameters, two of batch normalisation for a
channel among them: the "5M" of Table II. (L8-a is a dense layer, which is what a 1x1
convolution over a map of one mel position is.) A segment reads the frames of two
64-frame windows, so segments overlap by half and a hop is 0.74 s.

The layers are the cited paper's; neither of our two papers prints them. Chosen:
convolutions with bias, which the count confirms; poolings drop a last odd frame, as the
authors' framework does; standardised input.

Least clip length: F1 reads 128 frames, 65,536 + 512 samples or 1.50 s at 44.1 kHz.
Shorter clips are answered too, as one segment, with zeros where frames are missing.
Longer ones lose what is left over after whole windows of 64 frames, at most 0.73 s.

`width` scales all filters.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid

from ..architecture import ScaledArchitecture, scaled
from ..networks import time_grid
from ..networks.attention_head import segment_head
from ..networks.layers import ApplyMask, Standardise, network_inputs
from ..networks.normalization import MaskedBatchNormalization

FRAMES = InputSpec.frames("tlweak", training_seconds=10)


# filters of each block's convolutions
BLOCKS = ((16, 16), (32, 32), (64, 64), (128, 128), (256, 256), (512,))
KERNEL = 3
F1_FILTERS = 1024
F1_KERNEL = 2
STRIDE = 2 ** len(BLOCKS)
MIN_FRAMES = F1_KERNEL * STRIDE


@dataclasses.dataclass(frozen=True)
class Tlweak(ScaledArchitecture):
    """Settings: the width, and no others."""

    name = "tlweak"
    input = FRAMES
    class_layers = ("L8-a",)

    def network(self) -> keras.Model:
        """(B, frames, 128) log-mel -> the output dict, a segment for 64 frames."""
        inputs = network_inputs(FRAMES.size)
        num_frames = inputs["num_frames"]
        hidden = Standardise(name="standardisation")(inputs["features"])
        hidden = AtLeast(MIN_FRAMES, name="least_length")(hidden)
        mask = WholeWindowsMask(name="mask_1")(num_frames, hidden)
        hidden = keras.layers.Reshape((-1, FRAMES.size, 1), name="image")(hidden)
        hidden = ApplyMask(name="valid_1")(hidden, mask)
        stride = 1
        for number, block in enumerate(BLOCKS, start=1):
            for letter, filters in zip("ab", block):
                name = f"B{number}{letter}"
                hidden = _convolution(hidden, mask, name, filters, KERNEL, "same", self)
            # after a ReLU, the zeros of padding never are a window's maximum
            hidden = keras.layers.MaxPooling2D(2, name=f"B{number}_pool")(hidden)
            stride *= 2
            mask = WholeWindowsMask(stride, name=f"mask_{stride}")(num_frames, hidden)
            hidden = ApplyMask(name=f"valid_{stride}")(hidden, mask)
        mask = WholeWindowsMask(stride, F1_KERNEL, name="mask")(num_frames, hidden)
        hidden = _convolution(hidden, mask, "F1", F1_FILTERS, F1_KERNEL, "valid", self)
        size = hidden.shape[2] * hidden.shape[3]
        hidden = keras.layers.Reshape((-1, size), name="segments")(hidden)
        outputs = segment_head(hidden, mask, self.num_classes, "average")
        return keras.Model(inputs, outputs, name="tlweak")

    @property
    def grid(self) -> SegmentGrid:
        """Hop and receptive field from the layer table."""
        layers = []
        for block in BLOCKS:
            layers += [time_grid.same(KERNEL)] * len(block) + [time_grid.pool(2)]
        layers.append(time_grid.TimeLayer(F1_KERNEL))
        return time_grid.segment_grid(layers, FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """floor(frames / 64) - 1, and 1 for fewer than 192 frames."""
        return _windows(num_frames, STRIDE, F1_KERNEL)


def _windows(num_frames: Any, stride: int, span: int) -> Any:
    """How often `span` windows of `stride` frames fit side by side; once at least."""
    whole = num_frames // stride - (span - 1)
    if isinstance(whole, int):
        return max(whole, 1)
    return ops.maximum(whole, 1)


@keras.saving.register_keras_serializable(package="tfweak")
class WholeWindowsMask(keras.layers.Layer):
    """Valid rows as a mask, where pooling drops what fills no whole window.

    (B,) counts and (B, T, ...) values -> (B, T') bool, T' = T - span + 1: what a valid
    convolution over `span` rows leaves. A clip shorter than that has one valid row.

    Args:
      stride: frames a row.
      span: rows that one output reads.
    """

    def __init__(self, stride: int = 1, span: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride
        self.span = span

    def call(self, num_frames: Any, values: Any) -> Any:
        positions = ops.arange(ops.shape(values)[1] - (self.span - 1), dtype="int32")
        count = _windows(ops.cast(num_frames, "int32"), self.stride, self.span)
        return positions[None, :] < count[:, None]

    def compute_output_spec(self, num_frames: Any, values: Any) -> Any:
        rows = values.shape[1]
        rows = None if rows is None else rows - (self.span - 1)
        return keras.KerasTensor((values.shape[0], rows), "bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride, "span": self.span}


@keras.saving.register_keras_serializable(package="tfweak")
class AtLeast(keras.layers.Layer):
    """Appends rows of zeros to (B, T, F) values of fewer than `rows` rows."""

    def __init__(self, rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, values: Any) -> Any:
        clips, rows, size = ops.shape(values)
        missing = ops.maximum(self.rows - rows, 0)
        zeros = ops.zeros((clips, missing, size), values.dtype)
        return ops.concatenate([values, zeros], axis=1)

    def compute_output_spec(self, values: Any) -> Any:
        clips, rows, size = values.shape
        rows = None if rows is None else max(rows, self.rows)
        return keras.KerasTensor((clips, rows, size), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows}


def _convolution(
    hidden: Any,
    mask: Any,
    name: str,
    filters: int,
    kernel: int,
    padding: str,
    config: Tlweak,
) -> Any:
    hidden = keras.layers.Conv2D(
        scaled(filters, config.width),
        kernel,
        padding=padding,
        kernel_initializer="he_uniform",
        name=name,
    )(hidden)
    hidden = MaskedBatchNormalization(name)(hidden, mask)
    hidden = keras.layers.ReLU(name=f"{name}_relu")(hidden)
    return ApplyMask(name=f"{name}_valid")(hidden, mask)
