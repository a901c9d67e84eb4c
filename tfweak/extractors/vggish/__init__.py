"""VGGish as an extractor: 128 numbers for each 0.96 s of a waveform.

The weights come from TensorFlow Hub or from the original checkpoint. With the PCA
parameters published beside VGGish, embeddings become the bytes that AudioSet was
released in (Gemmeke et al. 2017; Hershey et al. 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...extractor import Extractor
from ...typing import Array, StrPath
from .spec import (
    EMBEDDING_SIZE,
    FRONT_END,
    HOP_SECONDS,
    RELEASED_EMBEDDINGS,
    WINDOW_SECONDS,
)

if TYPE_CHECKING:
    from . import network, pca

__all__ = [
    "EMBEDDING_SIZE",
    "HOP_SECONDS",
    "RELEASED_EMBEDDINGS",
    "WINDOW_SECONDS",
    "VggishExtractor",
]


class VggishExtractor(Extractor):
    """From a waveform to raw embeddings or, with PCA parameters, to their bytes.

    Args:
      vggish: the network with its weights.
      post: what makes bytes of its embeddings.
    """

    name = "vggish"
    sample_rate_hz = FRONT_END.sample_rate_hz
    window_seconds = WINDOW_SECONDS
    hop_seconds = HOP_SECONDS
    embedding_size = EMBEDDING_SIZE

    def __init__(
        self, vggish: network.Vggish, post: pca.PostProcessor | None = None
    ) -> None:
        self._vggish, self._post = vggish, post
        self.source = vggish.name
        self.dtype = "float32" if post is None else "uint8"

    @classmethod
    def load(cls, source: str = "", pca: StrPath | None = None) -> VggishExtractor:
        """As `network.Vggish.load`, from the hub where no source is given."""
        from .network import Vggish  # loads TensorFlow
        from .pca import PostProcessor

        post = None if pca is None else PostProcessor.read(pca)
        return cls(Vggish.load(source or "hub"), post)

    def embed(self, waveform: Array) -> Array:
        """(N,) float32 at 16 kHz to (rows, 128), float32 or uint8.

        See `network.Vggish.embed`.
        """
        embeddings = self._vggish.embed(waveform)
        return embeddings if self._post is None else self._post(embeddings)

    def fingerprints(self) -> dict[str, Any]:
        """Of the weights and of the PCA."""
        return {
            "weights_sha256": self._vggish.fingerprint,
            "pca_sha256": None if self._post is None else self._post.fingerprint,
        }
