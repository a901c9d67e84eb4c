"""ResNet-ATT of Table II of Kim & Ghaffarzadegan 2019: `resnet_att`.

A residual trunk with the attention and localisation of Xu et al. 2017 (the table cites
both Chou, Jang & Yang 2018, IJCAI, "Learning to recognize transient sound events using
attentional supervision", whose comparison it is from, and Xu et al. 2017).

  R0 to R4  the residual trunk, see `_residual`       63 x 384   3,265,280 parameters
  L_att     Z_att(t), 1 sigmoid shared by classes     63 x 1           385
  L_fnn     500 ReLU, reads Z_att(t) * trunk          63 x 500     192,500
  L8-a      C sigmoids, O(t)                          63 x C       264,027
  L8-b      Z_loc(t), softmax over classes            63 x C       202,895
  pooling   y_hat = sum_t Z_att O Z_loc / sum_t Z_loc     C

With C = 527 there are 3,925,087 trainable parameters; Table II says 4M.

From our two papers: Eqs. (3) to (8) of Xu et al., the 500 ReLU units before the tags,
the 4M. From the cited paper as known: the kind of trunk. Chosen: the trunk's sizes, and
that attention and localisation read the trunk's output, where Xu et al. have them read
the input frame, which no longer exists after pooling over time.

In the output dict `segment_probs` is Z_att O of Eq. (5) and `attention` is Z_loc over
its sum in time, so that their products sum to Eq. (8); `global_attention` (B, T) is
Z_att and `localization` (B, T, C) is Z_loc. A segment stands for 0.16 s. `width` scales
all filters and the 500 units.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid
from tfweak.learning.pooling import LocalizationPooling

from ..architecture import ScaledArchitecture, scaled
from ..networks import residual, time_grid
from ..networks.layers import masked_dense, network_inputs

FRAMES = InputSpec.frames("vggish", training_seconds=10)


FNN_UNITS = 500


@dataclasses.dataclass(frozen=True)
class ResnetAtt(ScaledArchitecture):
    """Settings: the width, and no others."""

    name = "resnet_att"
    input = FRAMES
    class_layers = ("L8-a",)

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """The softmax over the classes."""
        return ("L8-b",)

    def network(self) -> keras.Model:
        """(B, frames, 64) log-mel -> the output dict, a segment for 16 frames."""
        inputs = network_inputs(FRAMES.size)
        hidden, mask, _ = residual.residual_trunk(inputs, self.width)[-1]
        attention = masked_dense(hidden, mask, 1, "sigmoid", "L_att", "Z_att")
        attended = keras.layers.Multiply(name="attended")([hidden, attention])
        attended = keras.layers.Dense(
            scaled(FNN_UNITS, self.width),
            activation="relu",
            kernel_initializer="he_uniform",
            name="L_fnn",
        )(attended)
        classes = self.num_classes
        tags = masked_dense(attended, mask, classes, "sigmoid", "L8-a", "tags")
        probs = keras.layers.Multiply(dtype="float32", name="segment_probs")(
            [tags, attention]
        )
        shares = masked_dense(hidden, mask, classes, "softmax", "L8-b", "localization")
        outputs = {
            **LocalizationPooling(name="pooling")(probs, shares, mask),
            "segment_probs": probs,
            "localization": shares,
            "global_attention": keras.layers.Reshape(
                (-1,), dtype="float32", name="global_attention"
            )(attention),
            "mask": mask,
        }
        return keras.Model(inputs, outputs, name="resnet_att")

    @property
    def grid(self) -> SegmentGrid:
        """Hop and receptive field of the trunk."""
        return time_grid.segment_grid(residual.time_layers(), FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """ceil(frames / 16)."""
        return residual.num_steps(num_frames)
