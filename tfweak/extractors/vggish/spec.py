"""What is fixed about VGGish, without its weights."""

from __future__ import annotations

from ...audio.mel_spectrum import LogMelConfig
from ...payload import Payload

FRONT_END = LogMelConfig()
EMBEDDING_SIZE = 128
# A row is computed from frames that lie side by side but overlap.
PATCH_FRAMES = 96
HOP_SECONDS = PATCH_FRAMES * FRONT_END.hop_seconds
WINDOW_SECONDS = (PATCH_FRAMES - 1) * FRONT_END.hop_seconds + FRONT_END.window_seconds
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
