"""What the systems of Xu et al. 2017's tables share: inputs, outputs and time grid."""

from __future__ import annotations

from typing import Any

import keras

from tfweak import front_ends
from tfweak.errors import InputError
from tfweak.labels import SegmentGrid
from tfweak.models.layers import ApplyMask, SequenceMask, Standardise
from tfweak.pooling import pool

FRONT_END = "xu2017"
NUM_MEL_BINS = front_ends.get(FRONT_END).num_bins
# a chunk of 4 s: 1 + (64000 - 512) / 256
TRAINING_FRAMES = front_ends.get(FRONT_END).num_frames(4 * 16000)


def inputs(num_bins: int = NUM_MEL_BINS) -> tuple[dict[str, Any], Any, Any]:
    """The inputs of a network, standardised frames and their mask.

    Returns:
      `features` (B, frames, num_bins) and `num_frames` (B,) by name; standardised
      frames (B, frames, num_bins) with zeros, the mean of the training data, in padded
      ones; mask (B, frames) bool.
    """
    features = keras.Input((None, num_bins), name="features")
    num_frames = keras.Input((), dtype="int32", name="num_frames")
    frames, mask = standardised(
        Standardise(name="standardisation"), features, num_frames
    )
    return {"features": features, "num_frames": num_frames}, frames, mask


def standardised(layer: Standardise, features: Any, num_frames: Any) -> tuple[Any, Any]:
    """Features through a layer `Standardise`, zero where padded, and the mask."""
    mask = SequenceMask(name="frame_mask")(num_frames, features)
    return ApplyMask(name="valid_frames")(layer(features), mask), mask


def tag_probs(hidden: Any, mask: Any, num_classes: int) -> Any:
    """The output layer: (B, T, D) -> sigmoid (B, T, C) float32, 0 where padded."""
    logits = keras.layers.Dense(num_classes, name="tags")(hidden)
    probs = keras.layers.Activation("sigmoid", dtype="float32", name="tag_probs")(
        logits
    )
    return ApplyMask(dtype="float32", name="valid_tag_probs")(probs, mask)


def averaged(segment_probs: Any, mask: Any) -> dict[str, Any]:
    """The output dict of a system that averages over time, see `models.registry`."""
    return {**pool("average", segment_probs, None, mask), "mask": mask}


def frame_grid(
    slot_frames: int, field_frames: int, centre: float, front_end: str = FRONT_END
) -> SegmentGrid:
    """Where segments lie that stand for some frames each.

    Args:
      slot_frames: frames from one segment to the next.
      field_frames: frames that a segment is computed from.
      centre: the frame, maybe between two, that segment 0's receptive field is
        centred on.
      front_end: that makes the frames.
    """
    frames = front_ends.get(front_end)
    hop, window = frames.hop_seconds, frames.window_seconds
    return SegmentGrid(
        hop_seconds=slot_frames * hop,
        receptive_field_seconds=(field_frames - 1) * hop + window,
        offset_seconds=centre * hop + window / 2 - slot_frames * hop / 2,
    )


def check_settings(
    config: Any, counts: tuple[str, ...], shares: tuple[str, ...]
) -> None:
    """Refuses counts below 1 and shares outside [0, 1).

    Raises:
      InputError: names the setting and its value.
    """
    for name in counts:
        if getattr(config, name) < 1:
            raise InputError(f"{name} {getattr(config, name)}: 1 or more is needed")
    for name in shares:
        if not 0 <= getattr(config, name) < 1:
            raise InputError(
                f"{name} {getattr(config, name)}: 0 or more and less than 1 is needed"
            )
