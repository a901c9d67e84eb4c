"""What the systems of Xu et al. 2017's tables share: inputs and outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.data.input_spec import InputSpec
from tfweak.learning.pooling import pool
from tfweak.settings import option

from ..architecture import Architecture
from .layers import Standardise, masked_dense, network_inputs, standardised

# chunks of 4 s: 1 + (64000 - 512) / 256 frames
FRAMES = InputSpec.frames("xu2017", training_seconds=4)


@dataclasses.dataclass(frozen=True)
class XuArchitecture(Architecture):
    """A system of the tables, by default on the paper's frames."""

    input = FRAMES
    class_layers = ("tags",)


def count(default: int, help: str) -> Any:
    """A setting that is a whole number from 1."""
    return option(default, help, lower=1)


def dropout(default: float, of: str) -> Any:
    """A setting that is a share of something, dropped in training."""
    return option(default, f"share {of} dropped in training", lower=0.0, upper=0.99)


def inputs(num_bins: int = FRAMES.size) -> tuple[dict[str, Any], Any, Any]:
    """The inputs of a network, standardised frames and their mask.

    Returns:
      `features` (B, frames, num_bins) and `num_frames` (B,) by name; standardised
      frames (B, frames, num_bins), 0 in padded ones; mask (B, frames) bool.
    """
    found = network_inputs(num_bins)
    return found, *standardised(found, Standardise(name="standardisation"))


def tag_probs(hidden: Any, mask: Any, num_classes: int) -> Any:
    """The output layer: (B, T, D) -> sigmoid (B, T, C) float32, 0 where padded."""
    return masked_dense(hidden, mask, num_classes, "sigmoid", "tags", "tag_probs")


def window_tags(hidden: Any, mask: Any, positions: int, config: Any) -> Any:
    """A hidden layer on windows and the output layer: (B, T, D) -> (B, T, C).

    Args:
      hidden: (B, T, D).
      mask: (B, T) bool.
      positions: that a window has, an odd number, hopping by one.
      config: with `hidden_units`, `dropout` and `num_classes`.
    """
    hidden = keras.layers.Conv1D(
        config.hidden_units,
        positions,
        padding="same",
        activation="relu",
        kernel_initializer="he_uniform",
        name="hidden",
    )(hidden)
    hidden = keras.layers.Dropout(config.dropout, name="hidden_dropout")(hidden)
    return tag_probs(hidden, mask, config.num_classes)


def averaged(segment_probs: Any, mask: Any) -> dict[str, Any]:
    """The output dict of a system that averages over time, see `architecture`."""
    return {**pool("average", segment_probs, None, mask), "mask": mask}
