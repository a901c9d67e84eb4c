"""What is fixed about VGGish, without its weights."""

from __future__ import annotations

from ...audio.mel_spectrum import LogMelConfig
from ...payload import Payload

FRONT_END = LogMelConfig()
EMBEDDING_SIZE = 128
# A row is computed from frames that lie side by side but overlap: 96 * 0.01 s, and
# 95 * 0.01 s + 0.025 s.
PATCH_FRAMES = 96
HOP_SECONDS = 0.96
WINDOW_SECONDS = 0.975
# AudioSet's embeddings as released: bytes, of weights that nobody has any more.
RELEASED_EMBEDDINGS = Payload(
    "audio_embedding",
    "uint8",
    {
        "extractor": "audioset-v1-release",
        "embedding_size": EMBEDDING_SIZE,
        "hop_seconds": HOP_SECONDS,
        "window_seconds": WINDOW_SECONDS,
    },
)
