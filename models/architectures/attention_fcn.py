"""Kim & Ghaffarzadegan 2019's network on log-mel, their Figure 1: `attention_fcn`.

Layers, time x mel for the 998 x 64 input; the paper gives the counts, not the table:

  L1  conv 3x3, 64    998 x 64  | pool 2x2
  L2  conv 3x3, 128   499 x 32  | pool 2x2
  L3  conv 3x3, 256   250 x 16
  L4  conv 3x3, 256   250 x 16  | pool 2x2
  L5  conv 3x3, 512   125 x 8
  L6  conv 3x3, 512   125 x 8   | pool 2x2
  L7  conv 1x4, 1024  63 x 1    over the 4 mel positions left, valid
  L8-a, L8-b          1x1, C    segment probabilities X^a, attention X^b

L1-L6 are VGGish's convolutions (ReLU, SAME padding, pools SAME). With L1-L3 fixed and
C = 527 there are 6,768,399 trainable parameters with average pooling and 7,308,574 with
attention: the 6.7 M and 7.3 M of Table II. A segment stands for 0.16 s.

Padded frames are set to zero before every convolution, which is what SAME padding puts
beyond the end of a clip, and pooling passes over them, so a padded clip and the clip
alone get the same answer.

Beyond the paper: `width` scales the filters of L1-L7 for small machines; `batch_norm`
normalises after each convolution and its pooling, which helps training from random
weights; `dropout` acts before L8. All three are off by default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from tfweak.data.input_spec import InputSpec
from tfweak.extractors.vggish import network as vggish
from tfweak.labels import SegmentGrid
from tfweak.settings import option

from ..architecture import ScaledArchitecture, scaled
from ..networks import time_grid
from ..networks.attention_head import AttentionHead, segment_head
from ..networks.layers import PASSED_OVER, ApplyMask, SequenceMask, network_inputs
from ..networks.normalization import MaskedBatchNormalization

FRAMES = InputSpec.frames("vggish", training_seconds=10)


# name, filters, pooling after it (time and mel alike)
CONVOLUTIONS = (
    ("L1", 64, 2),
    ("L2", 128, 2),
    ("L3", 256, 1),
    ("L4", 256, 2),
    ("L5", 512, 1),
    ("L6", 512, 2),
)
KERNEL = 3
L7_FILTERS = 1024


@dataclasses.dataclass(frozen=True)
class AttentionFcn(AttentionHead, ScaledArchitecture):
    """Settings; `width` is a factor on the filters of L1 to L7."""

    name = "attention_fcn"
    input = FRAMES

    batch_norm: bool = option(False, "normalise after each convolution")
    dropout: float = option(
        0.0, "share of L7's output dropped in training", lower=0.0, upper=0.99
    )

    def network(self) -> keras.Model:
        """(B, frames, 64) log-mel -> the output dict, a segment for 16 frames."""
        inputs = network_inputs(FRAMES.size)
        features, num_frames = inputs["features"], inputs["num_frames"]
        hidden = keras.layers.Reshape((-1, FRAMES.size, 1), name="image")(features)
        stride = 1
        mask = SequenceMask(name="mask_1")(num_frames, features)
        hidden = ApplyMask(name="valid_1")(hidden, mask)
        for name, filters, pool in CONVOLUTIONS:
            hidden = _convolution(hidden, name, filters, KERNEL, "same", self)
            if pool > 1:
                stride *= pool
                # max pooling before the ReLU gives what it gives after, at a quarter of
                # the work
                hidden = ApplyMask(PASSED_OVER, name=f"{name}_before_pool")(
                    hidden, mask
                )
                hidden = keras.layers.MaxPooling2D(
                    pool, padding="same", name=f"{name}_pool"
                )(hidden)
                rows = keras.layers.Reshape(
                    (-1, hidden.shape[2] * hidden.shape[3]), name=f"{name}_rows"
                )(hidden)
                mask = SequenceMask(stride, name=f"mask_{stride}")(num_frames, rows)
            hidden = _activation(hidden, mask, name, self)
        hidden = _convolution(
            hidden, "L7", L7_FILTERS, (1, hidden.shape[2]), "valid", self
        )
        hidden = _activation(hidden, mask, "L7", self)
        hidden = keras.layers.Reshape((-1, hidden.shape[3]), name="segments")(hidden)
        if self.dropout:
            hidden = keras.layers.Dropout(self.dropout, name="L7_dropout")(hidden)
        outputs = segment_head(hidden, mask, self.num_classes, self.pooling)
        return keras.Model(inputs, outputs, name="attention_fcn")

    @property
    def vggish_layers(self) -> Mapping[str, str]:
        """L1 to L6, at full width."""
        names = (name for name, _, _ in CONVOLUTIONS)
        return dict(zip(names, vggish.CONVOLUTIONS)) if self.width == 1 else {}

    @property
    def grid(self) -> SegmentGrid:
        """Hop and receptive field from the layer table.

        The k-th slot of 16 frames starts where frame 16 k is centred less half a hop:
        frames are 25 ms long, so slot 0 starts at 12.5 - 5 = 7.5 ms.
        """
        layers: list[time_grid.TimeLayer] = []
        for _, _, pool in CONVOLUTIONS:
            layers += [time_grid.same(KERNEL), time_grid.pool(pool)]
        return time_grid.segment_grid(layers, FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """Each pooling halves and rounds up: ceil(frames / 16) in all."""
        for _, _, pool in CONVOLUTIONS:
            num_frames = (num_frames + pool - 1) // pool
        return num_frames


def _convolution(
    hidden: Any,
    name: str,
    filters: int,
    kernel: Any,
    padding: str,
    config: AttentionFcn,
) -> Any:
    return keras.layers.Conv2D(
        scaled(filters, config.width),
        kernel,
        padding=padding,
        kernel_initializer="he_uniform",
        name=name,
    )(hidden)


def _activation(hidden: Any, mask: Any, name: str, config: AttentionFcn) -> Any:
    if config.batch_norm:
        hidden = MaskedBatchNormalization(name)(hidden, mask)
    hidden = keras.layers.ReLU(name=f"{name}_relu")(hidden)
    return ApplyMask(name=f"{name}_valid")(hidden, mask)
