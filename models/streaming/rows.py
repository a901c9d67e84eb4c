"""The rows that a model reads, of a waveform that comes piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tfweak.audio.front_ends import FrontEnd
from tfweak.extractor import BLOCK_SECONDS, Extractor
from tfweak.typing import Array

_FRAMES_SECONDS = 20.0
# What makes rows: both have a rate, a window and a hop.
Reader = Extractor | FrontEnd


def block_rows(reader: Reader, least: int = 1) -> int:
    """Rows that are computed at once: 20 s of frames, a minute of embeddings.

    Frames of more would leave the processor's cache; an extractor takes as much anyway.
    """
    seconds = BLOCK_SECONDS if isinstance(reader, Extractor) else _FRAMES_SECONDS
    return max(1, least, int(seconds / reader.hop_seconds))


def rows_in_blocks(
    reader: Reader, pieces: Iterable[Array], least: int = 1
) -> Iterator[Array]:
    """Features or embeddings of a waveform, without ever holding the whole of it.

    Each block is computed from a slice of the waveform on the grid of hops, with as
    many rows around it, `context_frames`, as those of the front end reach beyond their
    own window; these are left out. So the blocks are the rows of the whole waveform:
    the same bits for those of at most one block, and else but for the rounding of
    matrix products of another height (1e-5).

    Args:
      reader: a front end or an extractor.
      pieces: (N,) float32 each, the waveform at the reader's rate.
      least: rows that come in one block where there are so many in all.

    Yields:
      (rows, F) in all as many as the whole waveform has, 1 at least.
    """
    compute = reader.embed if isinstance(reader, Extractor) else reader.compute
    context = 0 if isinstance(reader, Extractor) else reader.context_frames
    hop, window = reader.hop_samples, reader.window_samples
    size = max(block_rows(reader, least), context)
    held = np.zeros(0, np.float32)
    waiting: list[Array] = []  # not yet part of what is held
    waiting_samples = before = done = 0  # before: rows held that are done already
    for piece in pieces:
        waiting.append(piece)
        waiting_samples += len(piece)
        # more than one block: what follows decides where the last one ends
        needed = (before + size + context) * hop + window
        if len(held) + waiting_samples < needed:
            continue
        held = np.concatenate([held, *waiting])
        waiting, waiting_samples = [], 0
        while len(held) >= (before + size + context) * hop + window:
            part = held[: (before + size + context - 1) * hop + window]
            yield compute(part)[before : before + size]
            done += size
            held = held[max(0, before + size - context) * hop :]
            before = min(context, before + size)
    held = np.concatenate([held, *waiting])
    if not done or (len(held) - window) // hop + 1 > before:
        yield compute(held)[before:]
