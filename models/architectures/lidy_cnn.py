"""Lidy & Schindler 2016's parallel convolutions on a constant-Q transform: `lidy_cnn`.

T. Lidy, A. Schindler, "CQT-based convolutional neural networks for audio scene
classification and domestic audio tagging", DCASE 2016 challenge report: Lidy-CNN in Xu
et al. 2017's Table 3.

Layers for an input of 249 x 80 (4 s), time x bins x filters; two branches side by side:

  standardisation                  249 x 80
  wide_in_time       23x10, 16     249 x 71 x 16   ReLU
    max over a slot's 20 frames    13 x 1136       each band by itself
  wide_in_frequency  21x21, 16     249 x 60 x 16   ReLU
    max over 20 bins               13 x 960        each frame of a slot by itself
  both                             13 x 2096
  hidden    5 slots, 200, ReLU     13 x 200        dropout 0.25
  tags      C, sigmoid             13 x C
  mean over slots                  C

2,108,375 trainable parameters at C = 7. The branches see all frames and only whole
filters over the bins. A segment stands for 20 frames (0.32 s) and sees 122 (1.97 s).

Certain, from the title and the challenge's list of systems: constant-Q input and
convolutions; from the authors' other papers of that year: two convolutions in parallel,
one to find shapes in time and one in frequency, then one dense layer. From memory of
their network for music (40 mel bands, 80 frames): filters of 10 bins x 23 frames pooled
over 20 frames, and of 21 bins x 20 frames pooled over 20 bins; 15 or 16 filters; 200
units. Chosen: 80 bins, frames every 16 ms, filters 21 frames long rather than 20 so
that they have a middle, slots of 20 frames with the dense layer on 5 of them (where the
authors cut segments of a fixed length), ReLU, dropout, the mean over slots. Positions
outside a clip are zero in every layer.

The receptive field counts frames; the windows of the lowest bins are longer than those.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid

from ..networks import time_grid, xu2017
from ..networks.layers import ApplyMask, SequenceMask

FRAMES = InputSpec.frames("constant_q", training_seconds=4)
SLOT_FRAMES = 20
WINDOW_SLOTS = 5
# frames x bins
WIDE_IN_TIME = (23, 10)
WIDE_IN_FREQUENCY = (21, 21)
POOLED_BINS = 20


@dataclasses.dataclass(frozen=True)
class LidyCnn(xu2017.XuArchitecture):
    """Settings."""

    name = "lidy_cnn"
    input = FRAMES

    filters: int = xu2017.count(16, "of each of the two convolutions")
    hidden_units: int = xu2017.count(200, "of the layer before the output")
    dropout: float = xu2017.dropout(0.25, "of that layer's output")

    def network(self) -> keras.Model:
        """(B, frames, 80) constant-Q -> the output dict, a segment for 20 frames."""
        inputs, frames, mask = xu2017.inputs(FRAMES.size)
        image = keras.layers.Reshape((-1, FRAMES.size, 1), name="image")(frames)
        time = _convolution(image, mask, "wide_in_time", WIDE_IN_TIME, self)
        time = FoldTime(SLOT_FRAMES, name="time_slots")(time)
        # no output is below the zeros in padded frames, so the maximum passes over them
        time = SlotMaximum(name="time_maximum")(time)
        frequency = _convolution(
            image, mask, "wide_in_frequency", WIDE_IN_FREQUENCY, self
        )
        frequency = keras.layers.MaxPooling2D((1, POOLED_BINS), name="frequency_pool")(
            frequency
        )
        frequency = FoldTime(SLOT_FRAMES, name="frequency_slots")(frequency)
        hidden = keras.layers.Concatenate(name="both")(
            [_rows(time, "time_rows"), _rows(frequency, "frequency_rows")]
        )
        mask = SequenceMask(SLOT_FRAMES, name="slot_mask")(inputs["num_frames"], hidden)
        probs = xu2017.window_tags(hidden, mask, WINDOW_SLOTS, self)
        return keras.Model(inputs, xu2017.averaged(probs, mask), name="lidy_cnn")

    @property
    def grid(self) -> SegmentGrid:
        """A slot and the longest filter on either side of its window."""
        layers = [
            time_grid.same(max(WIDE_IN_TIME[0], WIDE_IN_FREQUENCY[0])),
            time_grid.pool(SLOT_FRAMES),
            time_grid.same(WINDOW_SLOTS),
        ]
        return time_grid.segment_grid(layers, FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """A segment for every started slot: ceil(frames / 20)."""
        return (num_frames + SLOT_FRAMES - 1) // SLOT_FRAMES


@keras.saving.register_keras_serializable(package="tfweak")
class FoldTime(keras.layers.Layer):
    """Frames into slots: (B, T, F, D) -> (B, ceil(T / n), n, F, D), zeros at the end.

    Args:
      slot_frames: n.
    """

    def __init__(self, slot_frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slot_frames = slot_frames

    def call(self, values: Any) -> Any:
        missing = -ops.shape(values)[1] % self.slot_frames
        values = ops.pad(values, [[0, 0], [0, missing], [0, 0], [0, 0]])
        return ops.reshape(
            values, (ops.shape(values)[0], -1, self.slot_frames, *values.shape[2:])
        )

    def compute_output_shape(self, shape: Any) -> Any:
        slots = None if shape[1] is None else -(-shape[1] // self.slot_frames)
        return (shape[0], slots, self.slot_frames, *shape[2:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "slot_frames": self.slot_frames}


@keras.saving.register_keras_serializable(package="tfweak")
class SlotMaximum(keras.layers.Layer):
    """The maximum over the frames of each slot: (B, T, n, F, D) -> (B, T, F, D)."""

    def call(self, slots: Any) -> Any:
        return ops.max(slots, axis=2)


def _convolution(
    image: Any, mask: Any, name: str, kernel: tuple[int, int], config: LidyCnn
) -> Any:
    # as many frames as before, and whole filters over the bins
    edge = (kernel[0] - 1) // 2
    padded = keras.layers.ZeroPadding2D(((edge, edge), (0, 0)), name=f"{name}_edges")(
        image
    )
    hidden = keras.layers.Conv2D(
        config.filters,
        kernel,
        activation="relu",
        kernel_initializer="he_uniform",
        name=name,
    )(padded)
    return ApplyMask(name=f"{name}_valid")(hidden, mask)


def _rows(values: Any, name: str) -> Any:
    size = 1
    for length in values.shape[2:]:
        size *= length
    return keras.layers.Reshape((-1, size), name=name)(values)
