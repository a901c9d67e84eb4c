"""Kim & Ghaffarzadegan 2019's head on VGGish embeddings: `embedding_attention`.

The convolutions are frozen in the embeddings, one row for 0.96 s. A stack of
per-segment layers stands for L7; L8-a, L8-b and the pooling are the paper's. The
stack (1024 units three times with batch normalisation, ReLU and dropout 0.5) follows
Kong et al. 2018, "Audio Set classification with attention model".
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfweak.audio.mel_spectrum import LogMelConfig
from tfweak.errors import InputError
from tfweak.extractors.vggish import PATCH_FRAMES
from tfweak.labels import SegmentGrid
from tfweak.learning.pooling import POOLINGS
from tfweak.payload import EMBEDDING_SIZE

from ..networks.layers import ApplyMask, SequenceMask, network_inputs, segment_head
from ..networks.normalization import MaskedBatchNormalization

PAYLOAD = "audio_embedding"
TRAINING_FRAMES = None
RESCALINGS = {
    "centred": (1 / 128, -1.0),
    "dequantised": (4 / 255, -2.0),
    "none": (1.0, 0.0),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
      num_classes: C.
      pooling: `attention` or `average`.
      hidden_units: width of each per-segment layer.
      hidden_layers: how many.
      dropout: share dropped after each.
      rescaling: of the stored bytes: `centred`, (x - 128) / 128 (Kong et al. 2018), or
        `dequantised`, x * 4 / 255 - 2 (AudioSet's released code). `none` for raw
        embeddings, which are float32.
    """

    num_classes: int
    pooling: str = "attention"
    hidden_units: int = 1024
    hidden_layers: int = 3
    dropout: float = 0.5
    rescaling: str = "centred"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise InputError(f"pooling {self.pooling!r}: one of {', '.join(POOLINGS)}")
        if self.rescaling not in RESCALINGS:
            raise InputError(
                f"rescaling {self.rescaling!r}: one of {', '.join(RESCALINGS)}"
            )


def build(config: Config) -> keras.Model:
    """(B, T, 128) stored values -> the output dict, a segment an embedding row."""
    inputs = network_inputs(EMBEDDING_SIZE)
    mask = SequenceMask(name="mask")(inputs["num_frames"], inputs["features"])
    scale, offset = RESCALINGS[config.rescaling]
    hidden = keras.layers.Rescaling(scale, offset, name="rescaling")(inputs["features"])
    for i in range(1, config.hidden_layers + 1):
        hidden = keras.layers.Dense(config.hidden_units, name=f"L7-{i}")(hidden)
        hidden = MaskedBatchNormalization(name=f"L7-{i}_norm")(hidden, mask)
        hidden = keras.layers.ReLU(name=f"L7-{i}_relu")(hidden)
        hidden = keras.layers.Dropout(config.dropout, name=f"L7-{i}_dropout")(hidden)
    hidden = ApplyMask(name="valid_hidden")(hidden, mask)
    outputs = segment_head(hidden, mask, config.num_classes, config.pooling)
    return keras.Model(inputs, outputs, name="embedding_attention")


def grid(config: Config) -> SegmentGrid:
    """A segment is one patch of VGGish, of frames that lie side by side but overlap."""
    del config  # the same for all
    front_end = LogMelConfig()
    hop, window = front_end.hop_seconds, front_end.window_seconds
    return SegmentGrid(
        hop_seconds=PATCH_FRAMES * hop,
        receptive_field_seconds=(PATCH_FRAMES - 1) * hop + window,
    )


def num_segments(config: Config, num_frames: Any) -> Any:
    """One segment a row."""
    del config
    return num_frames
