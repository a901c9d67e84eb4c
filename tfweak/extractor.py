"""What makes embeddings of waveforms, and all extractors by name.

A new trunk is one file in `tfweak/extractors/`, whose name is the extractor's, or a
class of your own with `@tfweak.register`.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from .payload import Payload
from .registry import Registry
from .typing import Array, StrPath


class Extractor(abc.ABC):
    """A trunk with its weights.

    Row t of the embeddings is computed from `window_seconds` that begin at
    t * `hop_seconds`.

    Attributes:
      name: what `EXTRACTORS.get` takes.
      sample_rate_hz: of the waveforms.
      window_seconds, hop_seconds: of a row.
      embedding_size: D.
      dtype: of the values, `float32` or `uint8`.
      source: where the weights are from, for messages.
    """

    kind: ClassVar[str] = "extractor"
    name: ClassVar[str]

    sample_rate_hz: int
    window_seconds: float
    hop_seconds: float
    embedding_size: int
    dtype: str = "float32"
    source: str

    @classmethod
    @abc.abstractmethod
    def load(cls, source: str = "", pca: StrPath | None = None) -> Extractor:
        """The extractor with weights from somewhere.

        Args:
          source: where; the published place where it is empty.
          pca: parameters of a PCA that makes bytes of the values, where there is such.

        Raises:
          InputError: the source cannot be had, or is not of this extractor.
        """

    @abc.abstractmethod
    def embed(self, waveform: Array) -> Array:
        """(N,) float32 at `sample_rate_hz` to (T, D) of `dtype`, T = 1 at least."""

    def fingerprints(self) -> dict[str, Any]:
        """All that tells embeddings of other weights apart, as JSON types."""
        return {}

    @property
    def payload(self) -> Payload:
        """Of the records that hold its embeddings.

        Two extractors of equal payload make equal embeddings.
        """
        return Payload(
            "audio_embedding",
            self.dtype,
            {
                "extractor": self.name,
                "embedding_size": self.embedding_size,
                "hop_seconds": self.hop_seconds,
                "window_seconds": self.window_seconds,
                **self.fingerprints(),
            },
        )


EXTRACTORS: Registry[type[Extractor]] = Registry(Extractor, "tfweak.extractors")
