"""The trunk of Xu et al. 2017's Fig. 1 and 2: CNN on one frame, bidirectional GRUs."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.labels import SegmentGrid

from . import time_grid, xu2017
from .recurrent import bidirectional_gru

KERNEL_BINS = 30


@dataclasses.dataclass(frozen=True)
class FrameCnnTrunk(xu2017.XuArchitecture):
    """Settings of the trunk."""

    filters: int = xu2017.count(128, "of the convolution over the mel bands")
    recurrent_units: int = xu2017.count(128, "of each GRU, each way")
    recurrent_layers: int = xu2017.count(3, "bidirectional GRUs")
    hidden_units: int = xu2017.count(500, "of the layer before the output")
    dropout: float = xu2017.dropout(0.2, "of that layer's output")

    @property
    def grid(self) -> SegmentGrid:
        """A segment a frame, which stands for 16 ms in the middle of its 32 ms.

        The GRUs see all of a chunk; the receptive field is that of one of 4 s.
        """
        assert self.input.training_rows
        chunk = time_grid.same(self.input.training_rows)
        return time_grid.segment_grid([chunk], self.input)


def frame_cnn(frames: Any, config: FrameCnnTrunk) -> Any:
    """One convolution over the bands of each frame: (B, T, 40) -> (B, T, filters)."""
    image = keras.layers.Reshape((-1, xu2017.FRAMES.size, 1), name="image")(frames)
    hidden = keras.layers.Conv2D(
        config.filters, (1, KERNEL_BINS), activation="relu", name="cnn"
    )(image)
    positions = xu2017.FRAMES.size - KERNEL_BINS + 1
    hidden = keras.layers.MaxPooling2D((1, positions), name="cnn_pool")(hidden)
    return keras.layers.Reshape((-1, config.filters), name="cnn_frames")(hidden)


def recurrent_tags(hidden: Any, mask: Any, config: FrameCnnTrunk) -> Any:
    """GRUs, ReLU layer, sigmoid layer: (B, T, filters) -> O, (B, T, C)."""
    for i in range(1, config.recurrent_layers + 1):
        hidden = bidirectional_gru(hidden, mask, config.recurrent_units, f"gru_{i}")
    hidden = keras.layers.Dense(config.hidden_units, activation="relu", name="hidden")(
        hidden
    )
    hidden = keras.layers.Dropout(config.dropout, name="hidden_dropout")(hidden)
    return xu2017.tag_probs(hidden, mask, config.num_classes)
