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
(Eqs. 3-5, averaged over frames); with both off it is `cgrnn`. Deviations as there; the
published file has 8 outputs, 7 tags and silence, here there are as many as classes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from tfweak.labels import SegmentGrid
from tfweak.models.architectures import _cgrnn, _xu2017
from tfweak.models.layers import ApplyMask

PAYLOAD = "log_mel"
FRONT_END = _xu2017.FRONT_END
TRAINING_FRAMES = _xu2017.TRAINING_FRAMES

# Z_loc is at least this in the denominator of Eq. (8).
SMALLEST_WEIGHT = 1e-9


@dataclasses.dataclass(frozen=True)
class Config(_cgrnn.TrunkConfig):
    """Settings, and those of `cgrnn`.

    Attributes:
      attention: the global attention Z_att, Eqs. (3)-(5).
      localization: the softmax over classes Z_loc, Eqs. (6)-(8).
    """

    attention: bool = True
    localization: bool = True


@keras.saving.register_keras_serializable(package="tfweak")
class LocalizationAverage(keras.layers.Layer):
    """Eq. (8) of Xu et al. 2017: a clip's answer, each frame weighted by Z_loc.

    A_c(t) = Z_loc,c(t) / sum_t clip(Z_loc,c(t), 1e-9, 1),  O''_c = sum_t A_c(t) O'_c(t)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": kwargs.get("dtype", "float32")})
        self.supports_masking = False

    def call(self, segment_probs: Any, localization: Any, mask: Any) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, Z_att(t) O(t).
          localization: (B, T, C) float, Z_loc.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C) and `attention` (B, T, C), float32; the attention is 0 in
          padded frames.
        """
        valid = ops.cast(ops.expand_dims(mask, -1), "float32")
        weights = valid * ops.clip(localization, SMALLEST_WEIGHT, 1.0)
        total = ops.sum(weights, axis=1, keepdims=True)
        attention = valid * localization / ops.maximum(total, SMALLEST_WEIGHT)
        return {
            "clip_probs": ops.sum(attention * segment_probs, axis=1),
            "attention": attention,
        }


def build(config: Config) -> keras.Model:
    """(B, frames, 40) log-mel -> the output dict, a segment a frame."""
    inputs, frames, mask = _xu2017.inputs()
    hidden = _cgrnn.frame_cnn(frames, config)
    extra = {}
    if config.attention:
        gate = _activated(frames, 1, "sigmoid", "attention", mask)
        hidden = keras.layers.Multiply(name="attended_cnn")([hidden, gate])
        extra["global_attention"] = keras.layers.Reshape(
            (-1,), dtype="float32", name="global_attention"
        )(gate)
    probs = _cgrnn.recurrent_tags(hidden, mask, config)
    if config.attention:
        probs = keras.layers.Multiply(dtype="float32", name="attended_tags")(
            [probs, gate]
        )
    if not config.localization:
        outputs = _xu2017.averaged(probs, mask)
    else:
        localization = _activated(
            frames, config.num_classes, "softmax", "localization", mask
        )
        extra["localization"] = localization
        pooled = LocalizationAverage(name="pooling")(probs, localization, mask)
        outputs = {**pooled, "segment_probs": probs, "mask": mask}
    return keras.Model(inputs, {**outputs, **extra}, name="att_loc")


def grid(config: Config) -> SegmentGrid:
    """A segment a frame, which stands for 16 ms in the middle of its 32 ms."""
    del config  # the same for all
    return _cgrnn.grid()


def num_segments(config: Config, num_frames: Any) -> Any:
    """One segment a frame."""
    del config
    return num_frames


def _activated(frames: Any, units: int, activation: str, name: str, mask: Any) -> Any:
    # one layer on the input frame; its activation in float32, 0 in padded frames
    logits = keras.layers.Dense(units, name=name)(frames)
    values = keras.layers.Activation(
        activation, dtype="float32", name=f"{name}_{activation}"
    )(logits)
    return ApplyMask(dtype="float32", name=f"valid_{name}")(values, mask)
