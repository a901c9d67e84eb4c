"""Cakir et al. 2016's convolutional network on short context windows: `cakir_cnn`.

E. Cakir, T. Heittola, T. Virtanen, "Domestic audio tagging with convolutional neural
networks", DCASE 2016 challenge report, task 4: Cakir-CNN in Xu et al. 2017's Table 3.

Layers for the 249 x 40 input (a chunk of 4 s), time x mel x filters:

  standardisation                  249 x 40
  conv_1   5x5, 64, ReLU           249 x 40 x 64   pool 2x5
  conv_2   5x5, 64, ReLU           125 x 8 x 64    pool 2x4
  conv_3   5x5, 64, ReLU           63 x 2 x 64     pool 1x2
  hidden   3 positions, 256, ReLU  63 x 256        dropout 0.25
  tags     C, sigmoid              63 x C
  mean over windows                C

257,799 trainable parameters at C = 7. A segment sees 40 frames (640 ms) around its
slot of 4 frames (64 ms). This is a network on windows of 40 frames that hop by 4, with
what windows share computed once: within a window the convolutions leave
40 -> 36 | 18 -> 14 | 7 -> 3 positions, which `hidden` takes together.

Certain, from Xu et al. 2017 and the challenge's list of systems: log-mel energies (40
bands), a convolutional network on context windows of 32 frames or 640 ms, the chunk's
label for each of its windows. Chosen, as the report is not at hand: the layer table
(5x5 kernels as in the same group's later convolutional networks for sound events), the
windows' hop, the mean over windows, dropout.

Front end: the published 32 frames in 640 ms are 40 ms long and hop by 20 ms. The front
end `xu2017` (32 ms, 16 ms) has as many bands; windows have its 40 frames to span the
same 640 ms. Training windows with the chunk's label is replaced by training the mean
over windows, as for every other system here. Positions outside a clip are zero before
every convolution.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.labels import SegmentGrid

from ..networks import time_grid, xu2017
from ..networks.layers import ApplyMask, SequenceMask

KERNEL = 5
# time x mel, after each convolution
POOLINGS = ((2, 5), (2, 4), (1, 2))
WINDOW_POSITIONS = 3


@dataclasses.dataclass(frozen=True)
class CakirCnn(xu2017.XuArchitecture):
    """Settings."""

    name = "cakir_cnn"

    filters: int = xu2017.count(64, "of each convolution")
    hidden_units: int = xu2017.count(256, "of the layer before the output")
    dropout: float = xu2017.dropout(0.25, "of that layer's output")

    def network(self) -> keras.Model:
        """(B, frames, 40) log-mel -> the output dict, a segment for 4 frames."""
        inputs, frames, mask = xu2017.inputs()
        hidden = keras.layers.Reshape((-1, xu2017.FRAMES.size, 1), name="image")(frames)
        stride = 1
        for i, pooling in enumerate(POOLINGS, 1):
            hidden = keras.layers.Conv2D(
                self.filters,
                KERNEL,
                padding="same",
                activation="relu",
                kernel_initializer="he_uniform",
                name=f"conv_{i}",
            )(hidden)
            # no output is below the zeros in padded frames, so pooling passes over them
            hidden = ApplyMask(name=f"conv_{i}_valid")(hidden, mask)
            hidden = keras.layers.MaxPooling2D(
                pooling, padding="same", name=f"conv_{i}_pool"
            )(hidden)
            stride *= pooling[0]
            rows = keras.layers.Reshape(
                (-1, hidden.shape[2] * hidden.shape[3]), name=f"conv_{i}_rows"
            )(hidden)
            mask = SequenceMask(stride, name=f"mask_{i}")(inputs["num_frames"], rows)
        probs = xu2017.window_tags(rows, mask, WINDOW_POSITIONS, self)
        return keras.Model(inputs, xu2017.averaged(probs, mask), name="cakir_cnn")

    @property
    def grid(self) -> SegmentGrid:
        """Hop and receptive field from the layer table.

        Slot k is frames 4 k to 4 k + 3.
        """
        layers = []
        for time, _ in POOLINGS:
            layers += [time_grid.same(KERNEL), time_grid.pool(time)]
        layers.append(time_grid.same(WINDOW_POSITIONS))
        return time_grid.segment_grid(layers, xu2017.FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """Each pooling over time halves and rounds up: ceil(frames / 4) in all."""
        for time, _ in POOLINGS:
            num_frames = (num_frames + time - 1) // time
        return num_frames
