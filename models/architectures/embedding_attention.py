"""Kim & Ghaffarzadegan 2019's head on embeddings: `embedding_attention`.

The trunk is frozen in the embeddings, one row for each of its hops. A stack of
per-segment layers stands for L7; L8-a, L8-b and the pooling are the paper's. The
stack (1024 units three times with batch normalisation, ReLU and dropout 0.5) follows
Kong et al. 2018, "Audio Set classification with attention model". The paper has one
head; the second, which is on by default, tags better (docs/self_supervision.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from tfweak.data.input_spec import InputSpec
from tfweak.errors import InputError
from tfweak.extractors import vggish
from tfweak.labels import SegmentGrid
from tfweak.payload import Payload
from tfweak.settings import option
from tfweak.typing import StrPath

from ..networks.attention_head import AttentionHead, feature_head, segment_head
from ..networks.kept_units import Dense, Dropout
from ..networks.layers import ApplyMask, SequenceMask, network_inputs
from ..networks.normalization import MaskedBatchNormalization

RESCALINGS = {
    "centred": (1 / 128, -1.0),
    "dequantised": (4 / 255, -2.0),
    "none": (1.0, 0.0),
}


@dataclasses.dataclass(frozen=True)
class EmbeddingAttention(AttentionHead):
    """Settings."""

    name = "embedding_attention"
    earlier: ClassVar[Mapping[str, Any]] = {
        "dropout_of": "values",
        "residual": False,
        "feature_units": 0,
        "feature_gates": False,
    }
    unseen_in_weights = ("residual",)

    hidden_units: int = option(1024, "width of each per-segment layer", lower=1)
    hidden_layers: int = option(3, "per-segment layers", lower=0)
    dropout: float = option(
        0.5, "share dropped after each in training", lower=0.0, upper=0.99
    )
    dropout_of: str = option(
        "units",
        "units, the same ones for a whole batch, which are not computed (Graham et al."
        " 2015), which takes little more than a third of the time a step; or single"
        " values",
        choices=("units", "values"),
    )
    residual: bool = option(
        True,
        "the second layer and those after it add to what they are given (He et al."
        " 2016); with dropout_of=units the same units are then dropped in all layers",
    )
    feature_units: int = option(
        1024,
        "of a second head with attention over features (Kong et al. 2019), whose clip"
        " scores are averaged with those of the segments; 0 for none",
        lower=0,
    )
    feature_gates: bool = option(
        True,
        "the second head weights each pooled feature by a gate that is computed from"
        " all of them (context gating, Miech et al. 2017)",
    )
    rescaling: str = option(
        "centred",
        "of the stored bytes: centred, (x - 128) / 128 (Kong et al. 2018), or"
        " dequantised, x * 4 / 255 - 2 (AudioSet's released code); none for raw"
        " embeddings, which are float32",
        choices=tuple(RESCALINGS),
    )
    embedding_size: int = option(
        vggish.EMBEDDING_SIZE, "values of a row; as the data says", lower=1
    )
    hop_seconds: float = option(
        vggish.HOP_SECONDS, "from row to row; as the data says", lower=0.001
    )
    window_seconds: float = option(
        vggish.WINDOW_SECONDS, "that a row is made of; as the data says", lower=0.001
    )

    def network(self) -> keras.Model:
        """(B, T, D) stored values -> the output dict, a segment an embedding row."""
        inputs = network_inputs(self.embedding_size)
        mask = SequenceMask(name="mask")(inputs["num_frames"], inputs["features"])
        scale, offset = RESCALINGS[self.rescaling]
        hidden = inputs["features"]
        hidden = keras.layers.Rescaling(scale, offset, name="rescaling")(hidden)
        dropout = Dropout(self.dropout, self.dropout_of == "units")
        kept = None
        for i in range(1, self.hidden_layers + 1):
            name, given, before = f"L7-{i}", hidden, kept
            if i == 1 or not self.residual:
                kept = dropout.draw(given, self.hidden_units, name)
            hidden = Dense(self.hidden_units, name=name)(given, before, kept)
            hidden = MaskedBatchNormalization(name)(hidden, mask, kept)
            hidden = keras.layers.ReLU(name=f"{name}_relu")(hidden)
            hidden = dropout.apply(hidden, name)
            if self.residual and i > 1:
                hidden = keras.layers.Add(name=f"{name}_sum")([given, hidden])
                hidden = keras.layers.Rescaling(0.5**0.5, name=f"{name}_mean")(hidden)
        hidden = ApplyMask(name="valid_hidden")(hidden, mask)
        classes = self.num_classes
        outputs = segment_head(hidden, mask, classes, self.pooling, kept)
        if self.feature_units:
            probs = feature_head(
                hidden,
                mask,
                self.feature_units,
                classes,
                dropout,
                kept,
                self.feature_gates,
            )
            one_row = keras.layers.Reshape((1, -1), dtype="float32", name="head_rows")
            both = keras.layers.Concatenate(axis=1, dtype="float32", name="head_probs")(
                [one_row(outputs["clip_probs"]), one_row(probs)]
            )
            mean = keras.layers.GlobalAveragePooling1D(
                dtype="float32", name="clip_probs"
            )
            outputs |= {"head_probs": both, "clip_probs": mean(both)}
        return keras.Model(inputs, outputs, name="embedding_attention")

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Those of the segments' head, and L8-c of the features'."""
        return (*super().class_layers, *(("L8-c",) if self.feature_units else ()))

    @property
    def input(self) -> InputSpec:
        """Rows as the extractor makes them."""
        return InputSpec.embeddings(
            self.embedding_size, self.hop_seconds, self.window_seconds
        )

    @property
    def grid(self) -> SegmentGrid:
        """A segment is one row: a hop in the middle of the window it is made of."""
        offset = self.input.slot_offset_seconds
        return SegmentGrid(self.hop_seconds, self.window_seconds, offset)

    @classmethod
    def settings_for(cls, payload: Payload) -> dict[str, Any]:
        """Size and times of the rows, where the data tells them."""
        names = ("embedding_size", "hop_seconds", "window_seconds")
        found = payload.parameters
        settings = {name: found[name] for name in names if name in found}
        if payload.kind == "audio_embedding" and payload.dtype == "float32":
            settings["rescaling"] = "none"
        return settings

    def check_payload(self, payload: Payload, folder: StrPath) -> None:
        """Refuses rows of another size, and bytes for raw values or the reverse."""
        super().check_payload(payload, folder)
        if payload.dtype == "float32" and self.rescaling != "none":
            raise InputError(
                f"{folder}: holds raw embeddings (float32), rescaling={self.rescaling}"
                " is for bytes; set rescaling=none"
            )
        if payload.dtype != "float32" and self.rescaling == "none":
            raise InputError(
                f"{folder}: holds embeddings as bytes, rescaling=none is for raw ones"
                " (float32); set rescaling=centred or rescaling=dequantised"
            )
