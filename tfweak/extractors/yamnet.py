"""YAMNet as an extractor: 1,024 numbers every 0.48 s.

The published SavedModel takes a waveform (N,) at 16 kHz and answers scores (T, 521),
embeddings (T, 1024) and a log-mel spectrogram; a row is a patch of 96 frames of 25 ms
every 10 ms, 0.975 s in all, and a waveform that ends between two patches is padded. On
whole windows there is nothing to pad, so that rows do not depend on what follows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ._hub import HubExtractor

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class YamnetExtractor(HubExtractor):
    """YAMNet of `https://tfhub.dev/google/yamnet/1`, or of a folder."""

    name = "yamnet"
    handle = "https://tfhub.dev/google/yamnet/1"
    sample_rate_hz = 16000
    window_seconds = 0.975
    hop_seconds = 0.48

    def embed_windows(self, waveform: tf.Tensor) -> tf.Tensor:
        """(N,) at 16 kHz to (T, 1024), the second of the three answers."""
        import tensorflow as tf

        rows = 1 + (tf.shape(waveform)[0] - self.window_samples) // self.hop_samples
        _, embeddings, _ = self.module(waveform)
        return embeddings[:rows]
