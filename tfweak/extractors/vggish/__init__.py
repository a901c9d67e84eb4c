"""VGGish as an extractor: 128 numbers for each 0.96 s of a waveform.

The weights come from TensorFlow Hub or from the original checkpoint. With the PCA
parameters published beside VGGish, embeddings become the bytes that AudioSet was
released in (Gemmeke et al. 2017; Hershey et al. 2017).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from ...extractor import Extractor
from ...settings import option
from ...typing import Array
from .pca import PostProcessor
from .spec import (
    EMBEDDING_SIZE,
    FRONT_END,
    HOP_SECONDS,
    RELEASED_EMBEDDINGS,
    WINDOW_SECONDS,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from . import network

__all__ = [
    "EMBEDDING_SIZE",
    "HOP_SECONDS",
    "RELEASED_EMBEDDINGS",
    "WINDOW_SECONDS",
    "VggishExtractor",
]


@dataclasses.dataclass(frozen=True)
class VggishExtractor(Extractor):
    """From a waveform to raw embeddings or, with PCA parameters, to their bytes.

    `source` is one of `hub` (or nothing), `hub:HANDLE_OR_PATH` and `checkpoint:PATH`.
    """

    name = "vggish"
    sample_rate_hz = FRONT_END.sample_rate_hz
    window_seconds = WINDOW_SECONDS
    hop_seconds = HOP_SECONDS
    embedding_size = EMBEDDING_SIZE

    pca: str = option(
        "",
        "vggish_pca_params.npz, or where it is published, to make bytes of the values"
        " as AudioSet's released embeddings are",
    )

    @property
    def dtype(self) -> str:
        """Bytes with a PCA."""
        return "uint8" if self.pca else "float32"

    def embed(self, waveform: Array) -> Array:
        """(N,) float32 at 16 kHz to (rows, 128), float32 or uint8.

        See `network.Vggish.embed`.
        """
        embeddings = self.vggish.embed(waveform)
        return self.post(embeddings) if self.post else embeddings

    def embed_windows(self, waveform: tf.Tensor) -> tf.Tensor:
        """The same by TensorFlow's operations; bytes as float32."""
        rows = self.vggish.embed_tensor(waveform)
        return self.post.in_graph(rows) if self.post else rows

    @property
    def trackables(self) -> list[Any]:
        return self.vggish.variables

    @functools.cached_property
    def vggish(self) -> network.Vggish:
        """The network with its weights; see `network.Vggish.load`."""
        from .network import Vggish  # loads TensorFlow

        return Vggish.load(self.source or "hub")

    @functools.cached_property
    def post(self) -> PostProcessor | None:
        """What makes bytes, where there is a PCA."""
        return PostProcessor.read(self.pca) if self.pca else None

    def fingerprints(self) -> dict[str, Any]:
        """Of the weights and of the PCA."""
        pca = self.post.fingerprint if self.post else None  # the quicker one to fail
        return {"weights_sha256": self.vggish.fingerprint, "pca_sha256": pca}
