"""What records store of a clip, and with which parameters it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .errors import InputError

# Payload kind -> the dtypes it may be stored in.
PAYLOAD_DTYPES = {
    "audio_embedding": ("uint8", "float32"),
    "log_mel": ("float16", "uint8"),
    "constant_q": ("float16",),
    "waveform": ("int16",),
}
# Of the kinds made of rows: the parameter that says how many values a row has.
_ROW_SIZES = {
    "audio_embedding": "embedding_size",
    "log_mel": "num_mel_bins",
    "constant_q": "num_bins",
}

# of a row; no extractor gives so many
_MOST_VALUES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Payload:
    """What a dataset stores for each clip, and with which parameters it was made.

    Attributes:
      kind: a key of `PAYLOAD_DTYPES`.
      dtype: how a value is stored.
      parameters: all that changes the values: sample rate, mel bands, quantiser,
        extractor. A model refuses data whose parameters differ from its own.
      made_by: how to make such data again, which two equal payloads may differ in: of
        embeddings, name and settings of the extractor.
    """

    kind: str
    dtype: str
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    made_by: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in PAYLOAD_DTYPES.get(self.kind, ()):
            raise InputError(
                f"no payload {self.kind!r} of dtype {self.dtype!r}; there"
                f" are {PAYLOAD_DTYPES}"
            )
        for name in ("parameters", "made_by"):
            if not isinstance(getattr(self, name), Mapping):
                raise InputError(f"{name} of a payload are {getattr(self, name)!r}")
        size = self.parameters.get(_ROW_SIZES.get(self.kind, ""), 1)
        if not isinstance(size, int) or not 0 < size <= _MOST_VALUES:
            raise InputError(f"{self.kind} data of {size!r} values a row")

    @property
    def row_size(self) -> int:
        """Values a row: those of an embedding or a frame, 1 of a waveform.

        Raises:
          InputError: when the parameters do not tell.
        """
        if self.kind == "waveform":
            return 1
        name = _ROW_SIZES[self.kind]
        if name not in self.parameters:
            raise InputError(f"{self.kind} data whose parameters do not give {name}")
        return self.parameters[name]


def difference(one: Payload, other: Payload) -> str:
    """Says in which settings two payloads differ."""
    parts = [
        f"{name} is {getattr(one, name)!r}, not {getattr(other, name)!r}"
        for name in ("kind", "dtype")
        if getattr(one, name) != getattr(other, name)
    ]
    keys = sorted(set(one.parameters) | set(other.parameters))
    parts += [
        f"{key} is {one.parameters.get(key)!r}, not {other.parameters.get(key)!r}"
        for key in keys
        if one.parameters.get(key) != other.parameters.get(key)
    ]
    return "; ".join(parts)
