"""Perch, the bird vocalisation classifier, as an extractor: a row for 5 s at 32 kHz.

Each window has its mean taken off and is scaled to a peak of 0.25, as Perch's own tools
do before they ask the model.

Version 8 of the first Perch runs on TensorFlow 2.16. Perch 2 is compiled for TensorFlow
2.20 and newer; older versions of TensorFlow cannot load it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import option
from ._hub import HubExtractor, load_hub

if TYPE_CHECKING:
    import tensorflow as tf

_SECOND = "perch_v2"
_NEEDED = (2, 20)


@dataclasses.dataclass(frozen=True)
class PerchExtractor(HubExtractor):
    """Perch of its hub's handle, or of a folder."""

    name = "perch"
    handle = (
        "https://www.kaggle.com/models/google/bird-vocalization-classifier/frameworks/"
        "tensorFlow2/variations/bird-vocalization-classifier/versions/8"
    )
    sample_rate_hz = 32000
    window_seconds = 5.0

    hop_seconds: float = option(5.0, "from row to row", lower=0.01, upper=60.0)
    target_peak: float = option(
        0.25, "that each window is scaled to; 0 leaves it as it is", lower=0.0
    )

    @functools.cached_property
    def module(self) -> Any:
        """The loaded SavedModel.

        Raises:
          InputError: it cannot be had, or needs a newer TensorFlow.
        """
        import tensorflow as tf

        version = tuple(map(int, tf.__version__.split(".")[:2]))
        if _SECOND in self.place and version < _NEEDED:
            raise InputError(
                f"{self.place}: Perch 2 needs TensorFlow 2.20 or newer, this is"
                f" {tf.__version__}; {self.handle} runs on it"
            )
        return load_hub(self.place)

    def embed_windows(self, waveform: tf.Tensor) -> tf.Tensor:
        """(N,) at 32 kHz to (T, D)."""
        import tensorflow as tf

        windows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
        if self.target_peak:
            windows -= tf.reduce_mean(windows, axis=1, keepdims=True)
            peak = tf.reduce_max(tf.abs(windows), axis=1, keepdims=True)
            windows = self.target_peak * tf.math.divide_no_nan(windows, peak)
        call, takes_batches = self._inference
        if takes_batches:
            return call(windows)
        found = tf.map_fn(
            lambda window: call(window[tf.newaxis])[0],
            windows,
            fn_output_signature=tf.float32,
        )
        return tf.ensure_shape(found, [None, None])

    @functools.cached_property
    def _inference(self) -> tuple[Callable[[tf.Tensor], tf.Tensor], bool]:
        """(B, 160000) -> (B, D), and whether B may be other than 1.

        The first Perch has `infer_tf`, which answers (logits, embeddings) or, in later
        versions, a dict; the second one has its signature alone.
        """
        module = self.module
        signature = module.signatures["serving_default"]
        (given,) = signature.structured_input_signature[1].values()

        def call(windows: tf.Tensor) -> tf.Tensor:
            if hasattr(module, "infer_tf"):
                answer = module.infer_tf(windows)
            else:
                answer = signature(**{given.name: windows})
            named = isinstance(answer, Mapping)
            return answer["embedding"] if named else answer[1]

        return call, given.shape[0] is None
