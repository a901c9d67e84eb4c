"""Trunks that are SavedModels, from TensorFlow Hub or a folder."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import pathlib
import time
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..extractor import Extractor
from ..files import atomic
from ._graphs import require_harmless

_ATTEMPTS = 3
_log = logging.getLogger(__name__)


def load_hub(handle: str, advice: str = "") -> Any:
    """A SavedModel of a hub's handle or of a folder.

    The hub's cache is in TFHUB_CACHE_DIR.

    Args:
      handle: `https://...`, or a folder.
      advice: to go on with, beside what is said here.

    Raises:
      InputError: it cannot be had, or does more than compute, see `_graphs`.
    """
    import tensorflow_hub as hub

    for attempt in range(_ATTEMPTS):
        try:
            folder = pathlib.Path(hub.resolve(handle))
            atomic.require_files(folder)
            require_harmless(folder, handle)
            return hub.load(str(folder))
        except InputError:
            raise
        except Exception as error:  # whatever the network or the file system says
            problem = error
            if pathlib.Path(handle).exists() or "://" not in handle:
                break
            if attempt + 1 < _ATTEMPTS:
                _log.warning("%s: %s, trying again", handle, type(error).__name__)
                time.sleep(2**attempt)
    raise InputError(
        f"{handle}: cannot be loaded ({type(problem).__name__}: {problem}). To go on"
        " offline, download the model where there is a network, unpack it and give its"
        f" folder, or set TFHUB_CACHE_DIR to a cache that holds it{advice}"
    ) from problem


def digest_of(handle: str) -> str:
    """SHA-256 of a SavedModel's graph and variables, as they lie in its folder."""
    import tensorflow_hub as hub

    folder = pathlib.Path(hub.resolve(handle))
    atomic.require_files(folder)
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("saved_model.pb*"), *folder.glob("variables/*")]):
        digest.update(path.name.encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class HubExtractor(Extractor):
    """A trunk that is a SavedModel.

    Attributes:
      handle: where it is published.
    """

    handle: ClassVar[str] = ""

    @property
    def place(self) -> str:
        """The source, or the handle where none is given."""
        return self.source or self.handle

    @functools.cached_property
    def module(self) -> Any:
        """The loaded SavedModel."""
        return load_hub(self.place)

    @property
    def trackables(self) -> list[Any]:
        return [self.module]

    @functools.cached_property
    def embedding_size(self) -> int:  # type: ignore[override]
        """D, as the SavedModel answers for two windows.

        Raises:
          InputError: it answers something else than a row for each window.
        """
        import tensorflow as tf

        samples = self.window_samples + self.hop_samples
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, samples)
        try:
            rows = self.embed_windows(tf.constant(noise, tf.float32)).numpy()
        except InputError:
            raise  # it says by itself what is wrong
        except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(
                f"{self.place}: cannot be called as extractor {self.name}"
                f" ({type(error).__name__}: {error})"
            ) from error
        if rows.ndim != 2 or len(rows) != 2:
            raise InputError(
                f"{self.place}: answers {rows.shape} for two windows of"
                f" {self.window_seconds:g} s, {self.hop_seconds:g} s apart; expected"
                " (2, embedding size)"
            )
        if not np.isfinite(rows).all():
            raise InputError(f"{self.place}: answers NaN or infinity for noise")
        return int(rows.shape[1])

    def fingerprints(self) -> dict[str, Any]:
        """Of graph and weights."""
        return {"weights_sha256": self._digest}

    @functools.cached_property
    def _digest(self) -> str:
        return digest_of(self.place)
