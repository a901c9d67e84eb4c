"""M&mnet-MS of Table II of Kim & Ghaffarzadegan 2019: `mmnet_ms`.

S.-Y. Chou, J.-S. R. Jang, Y.-H. Yang, "Learning to recognize transient sound events
using attentional supervision", IJCAI 2018: a main subnet answers for the clip (macro),
light subnets on intermediate layers answer for segments (micro), at several time scales
("MS"). The clip's labels train the segments too, weighted by attention.

  R0 to R4  the residual trunk, see `_residual`                   3,265,280 parameters
  macro     mean over time, 2 x (dense 1024, normalisation,
            ReLU), L8-a: C sigmoids, M                            1,988,111
  micro1    reads R2's input, 40 ms a step, 256 channels            601,871
  micro2    reads R3's input, 80 ms a step, 384 channels          1,049,999
  micro3    reads R4's output, 160 ms a step, 384 channels        1,050,383

Each micro subnet is a convolution over 3 steps to C sigmoids, p_t (`L8-a_micro1` and so
on), and one without bias to as many channels as it reads, whose softmax over time,
averaged over channels, is its attention A_t, shared by classes. Probabilities and
attention of the three are averaged on the coarsest grid, 0.16 s, and

  y_hat = (M + sum_t A_t p_t) / 2,   segment_probs = (M + p_t) / 2

With C = 527 there are 7,955,260 trainable parameters; Table II says 8M.

The loss is L_pred on y_hat plus L_micro, `losses.micro_loss`; `WeakModel` adds the two.
For the latter the output dict has `present_cost` and `absent_cost` (B, C),
summed over the three: what the segments cost if a class is in the clip, and if not.

From our two papers: that attention scores weight a segment loss with weak labels and
are not supervised themselves; the 8M. From the cited paper and the authors' released
model for one scale: macro and micro parts as above, the answer as the mean of both,
micro subnets on normalised and rectified inputs of blocks. Chosen: trunk sizes, the
three layers, the average over scales. Deviations: the released model averages logits
and takes a second softmax of its attention; here probabilities are averaged, so that
segments times attention sum to the clip's answer, and the first softmax serves for
both. It weights a present class by the sum over channels; here by the mean, times the
number of steps, so that present and absent classes weigh alike in clips of any length.
Its weights for rare classes are left out.

`width` scales all filters and units.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid
from tfweak.learning.pooling import AveragePooling

from ..architecture import ScaledArchitecture, scaled
from ..networks import residual, time_grid
from ..networks.layers import network_inputs
from ..networks.micro_costs import (
    ChannelAttention,
    Coarsen,
    MacroMicroPooling,
    MicroCosts,
)

FRAMES = InputSpec.frames("vggish", training_seconds=10)


MACRO_UNITS = (1024, 1024)
# of what the trunk gives: the inputs of its blocks, and its output
MICRO_SCALES = (1, 2, -1)
KERNEL = 3


@dataclasses.dataclass(frozen=True)
class MmnetMs(ScaledArchitecture):
    """Settings: the width, and no others."""

    name = "mmnet_ms"
    input = FRAMES
    class_layers = ("L8-a", "L8-a_micro1", "L8-a_micro2", "L8-a_micro3")

    def network(self) -> keras.Model:
        """(B, frames, 64) log-mel -> the output dict, a segment for 16 frames."""
        inputs = network_inputs(FRAMES.size)
        scales = residual.residual_trunk(inputs, self.width)
        last = scales[-1]
        macro = _macro(last.hidden, last.mask, self)
        micro = [
            _micro(scales[index], last.stride, f"micro{number}", self)
            for number, index in enumerate(MICRO_SCALES, start=1)
        ]

        def over_scales(layer: type[keras.layers.Layer], name: str) -> Any:
            return layer(dtype="float32", name=name)([part[name] for part in micro])

        pooled = MacroMicroPooling(name="pooling")(
            macro,
            over_scales(keras.layers.Average, "probs"),
            over_scales(keras.layers.Average, "attention"),
            last.mask,
        )
        costs = {
            f"{which}_cost": over_scales(keras.layers.Add, which)
            for which in ("present", "absent")
        }
        return keras.Model(
            inputs, {**pooled, **costs, "mask": last.mask}, name="mmnet_ms"
        )

    @property
    def grid(self) -> SegmentGrid:
        """Hop and receptive field of micro3.

        The macro half of an answer hears the whole clip.
        """
        layers = [*residual.time_layers(), time_grid.same(KERNEL)]
        return time_grid.segment_grid(layers, FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """ceil(frames / 16)."""
        return residual.num_steps(num_frames)


def _macro(hidden: Any, mask: Any, config: MmnetMs) -> Any:
    # the mean over valid time, of channels instead of probabilities
    hidden = AveragePooling(name="macro_mean")(hidden, mask)["clip_probs"]
    for number, units in enumerate(MACRO_UNITS, start=1):
        name = f"macro{number}"
        hidden = keras.layers.Dense(
            scaled(units, config.width), kernel_initializer="he_uniform", name=name
        )(hidden)
        hidden = keras.layers.BatchNormalization(name=f"{name}_norm")(hidden)
        hidden = keras.layers.ReLU(name=f"{name}_relu")(hidden)
    logits = keras.layers.Dense(config.num_classes, name="L8-a")(hidden)
    return keras.layers.Activation("sigmoid", dtype="float32", name="macro_probs")(
        logits
    )


def _micro(
    scale: residual.Scale, last_stride: int, name: str, config: MmnetMs
) -> dict[str, Any]:
    """Costs at the scale's own steps, probabilities and attention on the last grid."""
    hidden, mask, stride = scale
    logits = keras.layers.Conv1D(
        config.num_classes, KERNEL, padding="same", name=f"L8-a_{name}"
    )(hidden)
    # no bias: a softmax over time does not see it
    attention = keras.layers.Conv1D(
        hidden.shape[-1],
        KERNEL,
        padding="same",
        use_bias=False,
        name=f"{name}_attention_logits",
    )(hidden)
    attention = ChannelAttention(name=f"{name}_attention")(attention, mask)
    probs = keras.layers.Activation("sigmoid", dtype="float32", name=f"{name}_probs")(
        logits
    )
    coarse = Coarsen(last_stride // stride, name=f"{name}_segments")(
        probs, attention, mask
    )
    return {**MicroCosts(name=f"{name}_costs")(logits, attention, mask), **coarse}
