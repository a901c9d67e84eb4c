"""The residual trunk of Chou et al. 2018: convolutions over time, bands as channels.

Shared by `resnet_att` and `mmnet_ms`. Frames x channels for the 998 x 64 input of 10 s:

  standardisation      998 x 64
  R0  conv 3, 128      998 x 128
  R1  block, 256       998 x 256 | pool 4
  R2  block, 384       250 x 384 | pool 2
  R3  block, 384       125 x 384 | pool 2
  R4  block, 384       63 x 384  | normalisation, ReLU

A block normalises and rectifies its input before each of two convolutions over 3
frames, normalises what comes out and adds the input through a convolution over 1 frame.

With 64 bands there are 3,265,280 parameters:
  R0  3 * 64 * 128 + 128                                                   24,704
  R1  2 * 128 + (3 * 128 * 256 + 256) + 512 + (3 * 256 * 256 + 256) + 512
      + (128 * 256 + 256)                                                 329,728
  R2  512 + (3 * 256 * 384 + 384) + 768 + (3 * 384 * 384 + 384) + 768
      + (256 * 384 + 384)                                                 838,784
  R3, R4  768 + 2 (3 * 384 * 384 + 384) + 2 * 768 + (384 * 384 + 384)   1,035,648 each
  last normalisation  2 * 384                                                 768

The cited paper has a residual network over time with the mel bands as channels; the
authors' released model for DCASE 2017 has three such blocks of twice, three times and
three times the first convolution's filters, with poolings of 4. Chosen: the fourth
block, 128 filters in R0 for 64 bands, poolings of 4, 2 and 2 (three scales on the way
to segments of 0.16 s), and the parameter counts that follow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from ..architecture import scaled
from . import time_grid
from .layers import PASSED_OVER, ApplyMask, SequenceMask, Standardise, standardised
from .normalization import MaskedBatchNormalization

FIRST_FILTERS = 128
# filters of a block, and by how often 2 time is pooled after it
BLOCKS = ((256, 2), (384, 1), (384, 1), (384, 0))
KERNEL = 3


class Scale(NamedTuple):
    """Rectified activations (B, T, D), their mask (B, T), and frames a step."""

    hidden: Any
    mask: Any
    stride: int


def residual_trunk(inputs: dict[str, Any], width: float) -> list[Scale]:
    """A network's inputs -> what each block reads, and the last one's output.

    Every entry is normalised, rectified and 0 where padded.
    """
    hidden, mask = standardised(inputs, Standardise(name="standardisation"))
    num_frames = inputs["num_frames"]
    hidden = _convolution(hidden, "R0", scaled(FIRST_FILTERS, width), KERNEL)
    scales, stride = [], 1
    for number, (filters, halvings) in enumerate(BLOCKS, start=1):
        name = f"R{number}"
        rectified = _rectified(hidden, mask, f"{name}_in")
        scales.append(Scale(rectified, mask, stride))
        hidden = _block(hidden, rectified, mask, name, scaled(filters, width))
        if halvings:
            hidden = ApplyMask(PASSED_OVER, name=f"{name}_before_pool")(hidden, mask)
            # twice by 2, not once by 4: SAME padding would then lie on both sides
            for turn in range(1, halvings + 1):
                hidden = keras.layers.MaxPooling1D(
                    2, padding="same", name=f"{name}_pool{turn}"
                )(hidden)
                stride *= 2
            mask = SequenceMask(stride, name=f"mask_{stride}")(num_frames, hidden)
            hidden = ApplyMask(name=f"{name}_valid")(hidden, mask)
    scales.append(Scale(_rectified(hidden, mask, "R_out"), mask, stride))
    return scales


def time_layers() -> list[time_grid.TimeLayer]:
    """The trunk's layers in time, for the grid of its last output."""
    convolution = time_grid.same(KERNEL)
    layers = [convolution]
    for _, halvings in BLOCKS:
        layers += [convolution] * 2 + [time_grid.pool(2)] * halvings
    return layers


def num_steps(num_frames: Any) -> Any:
    """Each halving rounds up: ceil(frames / 16) in all."""
    for _, halvings in BLOCKS:
        for _ in range(halvings):
            num_frames = (num_frames + 1) // 2
    return num_frames


def _block(hidden: Any, rectified: Any, mask: Any, name: str, filters: int) -> Any:
    inner = _convolution(rectified, f"{name}a", filters, KERNEL)
    inner = _rectified(inner, mask, f"{name}a")
    inner = _convolution(inner, f"{name}b", filters, KERNEL)
    inner = MaskedBatchNormalization(f"{name}b")(inner, mask)
    skip = _convolution(hidden, f"{name}_skip", filters, 1)
    return keras.layers.Add(name=f"{name}_sum")([inner, skip])


def _rectified(hidden: Any, mask: Any, name: str) -> Any:
    hidden = MaskedBatchNormalization(name)(hidden, mask)
    hidden = keras.layers.ReLU(name=f"{name}_relu")(hidden)
    return ApplyMask(name=f"{name}_rectified")(hidden, mask)


def _convolution(hidden: Any, name: str, filters: int, kernel: int) -> Any:
    return keras.layers.Conv1D(
        filters, kernel, padding="same", kernel_initializer="he_uniform", name=name
    )(hidden)
