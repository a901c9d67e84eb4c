"""The PCA that was published beside VGGish."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...files import atomic
from ...typing import Array, StrPath
from .spec import EMBEDDING_SIZE

if TYPE_CHECKING:
    import tensorflow as tf

PCA_NAME = "vggish_pca_params.npz"
PUBLISHED = f"https://storage.googleapis.com/audioset/{PCA_NAME}"
QUANTISER_LIMIT = 2.0


class PostProcessor:
    """What made bytes of the released embeddings.

    V (e - mean), clipped to -2 and 2, (x + 2) * 255 / 4, truncated; V is the 128 x 128
    matrix of eigenvectors. Computed in float64.

    Attributes:
      fingerprint: SHA-256 of the parameters.
    """

    def __init__(self, eigen_vectors: Array, means: Array) -> None:
        self._eigen_vectors = np.asarray(eigen_vectors, np.float64)
        self._means = np.asarray(means, np.float64).reshape(-1)
        self.fingerprint = digest([self._eigen_vectors, self._means])

    @classmethod
    def read(cls, path: StrPath) -> PostProcessor:
        """Reads `vggish_pca_params.npz`.

        Args:
          path: of the file, or where it is published; that is downloaded once, into
            TFHUB_CACHE_DIR.

        Raises:
          InputError: it is missing, or holds something else.
        """
        if str(path).startswith("https://"):
            path = _download(str(path))
        atomic.require_files(path)
        size = EMBEDDING_SIZE
        expected = (
            f"expected {PCA_NAME} with pca_eigen_vectors ({size}, {size}) and"
            f" pca_means ({size},) or ({size}, 1)"
        )
        try:
            with open(path, "rb") as file, np.load(file) as stored:
                vectors = np.asarray(stored["pca_eigen_vectors"], np.float64)
                means = np.asarray(stored["pca_means"], np.float64)
        except (
            OSError,
            EOFError,
            KeyError,
            IndexError,  # an .npy file, asked for a key
            TypeError,
            ValueError,
            AttributeError,
            zipfile.BadZipFile,
        ) as error:
            raise InputError(
                f"{path}: no PCA parameters of VGGish ({error}); {expected}"
            ) from error
        if vectors.shape != (size, size) or means.shape not in ((size,), (size, 1)):
            raise InputError(
                f"{path}: shapes {vectors.shape} and {means.shape}; {expected}"
            )
        if not (np.isfinite(vectors).all() and np.isfinite(means).all()):
            raise InputError(f"{path}: holds NaN or infinity; {expected}")
        return cls(vectors, means)

    def __call__(self, embeddings: Array) -> Array:
        """(rows, 128) float to (rows, 128) uint8."""
        found = (embeddings.astype(np.float64) - self._means) @ self._eigen_vectors.T
        found = np.clip(found, -QUANTISER_LIMIT, QUANTISER_LIMIT)
        steps = (found + QUANTISER_LIMIT) * (255 / (2 * QUANTISER_LIMIT))
        return steps.astype(np.uint8)

    def in_graph(self, embeddings: tf.Tensor) -> tf.Tensor:
        """The same by TensorFlow's operations, (rows, 128) float32 whole numbers."""
        import tensorflow as tf

        found = tf.cast(embeddings, tf.float64) - self._means
        found = tf.matmul(found, self._eigen_vectors, transpose_b=True)
        found = tf.clip_by_value(found, -QUANTISER_LIMIT, QUANTISER_LIMIT)
        steps = (found + QUANTISER_LIMIT) * (255 / (2 * QUANTISER_LIMIT))
        return tf.cast(tf.floor(steps), tf.float32)


def digest(arrays: Iterable[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def _download(url: str) -> pathlib.Path:
    cache = os.environ.get("TFHUB_CACHE_DIR")
    folder = pathlib.Path(cache or pathlib.Path(tempfile.gettempdir(), "tfhub_modules"))
    path = folder / PCA_NAME
    if not path.exists():
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                contents = answer.read()
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, contents)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{url}: cannot be had ({type(error).__name__}: {error}). To go on"
                f" offline, download it where there is a network, and put it into"
                f" {folder} (TFHUB_CACHE_DIR chooses another one) or give its path as"
                " pca"
            ) from error
    return path
