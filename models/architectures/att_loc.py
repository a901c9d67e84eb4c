"""Xu et al. 2017's attention and localisation, their Fig. 2: `att_loc`.

The layers of `cgrnn`, and two on the input frame X(t):

  attention     1, sigmoid   Z_att(t), Eq. (3); it multiplies the CNN's output, Eq. (4),
                             and the tags O(t), Eq. (5)
  localization  C, softmax   Z_loc(t), Eq. (6), over the classes: it sums to 1 over them
                             in each frame

  O'' = sum_t Z_att(t) O(t) Z_loc(t) / sum_t Z_loc(t)     Eq. (8)

927,343 trainable parameters at C = 7: 41 for attention and 287 for localisation more
than `cgrnn`. In the output dict, `segment_probs` is Z_att(t) O(t) and `attention` is
Z_loc(t) / sum_t clip(Z_loc(t), 1e-9, 1), so `clip_probs` is their product summed over
time; `global_attention` (B, T) is Z_att, `localization` (B, T, C) is Z_loc. Both are 0
in padded frames. The clip is the published file's, as is that Z_att stands in the
numerator alone. Where Eq. (3) and (6) call X(t) "input feature", we take the
standardised frame.

`attention=false` is localisation only (Z_att = 1), `localization=false` attention only
(Eqs. 3-5, averaged over frames); with both off it is `cgrnn`. Deviations as there.

The paper has 7 classes, the published file 8 outputs, the eighth for silence. Here
there are as many as classes, so frames in which nothing happens have to go to one of
them, which is learnt badly then; `background=true` gives Z_loc, though not the tags,
one output more that takes them (41 parameters). docs/xu2017.md shows what it does.
"""

from __future__ import annotations

import dataclasses

import keras

from tfweak.errors import InputError
from tfweak.learning.pooling import LocalizationPooling
from tfweak.settings import option

from ..networks import frame_cnn, xu2017
from ..networks.layers import class_shares, masked_dense


@dataclasses.dataclass(frozen=True)
class AttLoc(frame_cnn.FrameCnnTrunk):
    """Settings, and those of `cgrnn`."""

    name = "att_loc"

    attention: bool = option(True, "the global attention Z_att, Eqs. (3)-(5)")
    localization: bool = option(True, "the softmax over classes Z_loc, Eqs. (6)-(8)")
    background: bool = option(
        False, "one more output of that softmax, for frames of no class"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.background and not self.localization:
            raise InputError(
                "background is an output of the localization, which is off"
            )

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """Z_loc, where there is one."""
        return ("localization",) if self.localization else ()

    @property
    def has_background(self) -> bool:
        """As set."""
        return self.background

    def network(self) -> keras.Model:
        """(B, frames, 40) log-mel -> the output dict, a segment a frame."""
        inputs, frames, mask = xu2017.inputs()
        hidden = frame_cnn.frame_cnn(frames, self)
        extra = {}
        if self.attention:
            gate = masked_dense(frames, mask, 1, "sigmoid", "attention", "Z_att")
            hidden = keras.layers.Multiply(name="attended_cnn")([hidden, gate])
            extra["global_attention"] = keras.layers.Reshape(
                (-1,), dtype="float32", name="global_attention"
            )(gate)
        probs = frame_cnn.recurrent_tags(hidden, mask, self)
        if self.attention:
            probs = keras.layers.Multiply(dtype="float32", name="attended_tags")(
                [probs, gate]
            )
        if not self.localization:
            outputs = xu2017.averaged(probs, mask)
        else:
            localization = class_shares(
                frames,
                mask,
                self.num_classes,
                self.background,
                "localization",
                "Z_loc",
            )
            extra["localization"] = localization
            pooled = LocalizationPooling(name="pooling")(probs, localization, mask)
            outputs = {**pooled, "segment_probs": probs, "mask": mask}
        return keras.Model(inputs, {**outputs, **extra}, name="att_loc")
