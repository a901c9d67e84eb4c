"""The answers to a recording's windows become one, cross-faded where they overlap."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from scipy.special import expit, logit

from tfweak.typing import Array

CLIP_PROBS, CLIP_SCORES = "clip_probs", "clip_scores"
_ATTENTION, _LOGITS = "attention", "attention_logits"
# expit of it is the last double below 1, so that it comes back
_LARGEST_LOGIT = 36.0


class Stitcher:
    """What a model says of a whole recording, gathered window by window.

    Over the overlap the weight of a window falls linearly while the next one's rises;
    where more than two overlap, as the last ones may, the weights are scaled to sum to
    1. So probabilities are averaged. Logits of attention are averaged as their sigmoids
    and turned back. `clip_probs`, which a window has once, becomes a track over time,
    `clip_scores`, and the recording's `clip_probs` are the largest of its windows'.
    `attention` is scaled to sum to 1 over the recording. A single window stays as it
    is, bit for bit.

    Args:
      overlap_segments: that a window shares with the next one.
      tracks: the outputs that have a value for each segment.
    """

    def __init__(self, overlap_segments: int, tracks: Collection[str]) -> None:
        self._fade = max(overlap_segments, 0.5)  # half a segment: no fading
        self._tracks = tracks
        self._single: dict[str, Array] | None = None
        self._clip_probs: Array | None = None
        self._done: dict[str, list[Array]] = {}
        self._sums: dict[str, Array] = {}  # of the segments from `_begin` on
        self._weights = np.zeros(0)
        self._begin = 0

    def add(
        self,
        outputs: Mapping[str, Array],
        first_segment: int,
        is_first: bool,
        is_last: bool,
    ) -> None:
        """Adds the next window.

        Args:
          outputs: of the network, without the batch axis and padded segments:
            `clip_probs` (C,), (T, C) or (T,) by segment.
          first_segment: where the window begins in the recording.
          is_first, is_last: of the recording's windows.
        """
        clip_probs = outputs[CLIP_PROBS]
        tracks = {name: outputs[name] for name in self._tracks}
        count = len(tracks["segment_probs"])
        tracks[CLIP_SCORES] = np.broadcast_to(clip_probs, (count, len(clip_probs)))
        if is_first and is_last:
            self._single = {**outputs, **tracks}
            return
        # what lies before this window is in no other one
        self._finish(first_segment - self._begin)
        weights = self._weights_of(count, is_first, is_last)
        missing = max(0, count - len(self._weights))
        self._weights = np.pad(self._weights, (0, missing))
        self._weights[:count] += weights
        for name, values in tracks.items():
            values = np.asarray(values, np.float64)
            if name == _LOGITS:
                values = expit(np.clip(values, -700.0, _LARGEST_LOGIT))
            shape = (-1, *[1] * (values.ndim - 1))
            sums = self._sums.setdefault(name, np.zeros((0, *values.shape[1:])))
            sums = np.concatenate([sums, np.zeros((missing, *sums.shape[1:]))])
            sums[:count] += weights.reshape(shape) * values
            self._sums[name] = sums
        if self._clip_probs is None:
            self._clip_probs = clip_probs.copy()
        self._clip_probs = np.maximum(self._clip_probs, clip_probs)

    def outputs(self) -> dict[str, Array]:
        """The recording's outputs: `clip_probs` (C,), `clip_scores` (T, C), tracks.

        Other outputs of a window as a whole are there where it is the only one.
        """
        if self._single is not None:
            return self._single
        self._finish(len(self._weights))
        found = {name: np.concatenate(parts) for name, parts in self._done.items()}
        if _ATTENTION in found:
            total = found[_ATTENTION].sum(axis=0, keepdims=True, dtype=np.float64)
            found[_ATTENTION] /= np.where(total > 0, total, 1).astype(np.float32)
        assert self._clip_probs is not None
        return {**found, CLIP_PROBS: self._clip_probs}

    def _weights_of(self, count: int, is_first: bool, is_last: bool) -> Array:
        """(T,) weights of a window's segments."""
        middles = np.arange(count) + 0.5
        rising = np.ones(count) if is_first else middles / self._fade
        falling = np.ones(count) if is_last else middles[::-1] / self._fade
        return np.minimum(1.0, np.minimum(rising, falling))

    def _finish(self, count: int) -> None:
        for name, sums in self._sums.items():
            weights = self._weights[:count].reshape(-1, *[1] * (sums.ndim - 1))
            values = sums[:count] / weights
            if name == _LOGITS:
                values = logit(values)
            self._done.setdefault(name, []).append(values.astype(np.float32))
            self._sums[name] = sums[count:]
        self._weights = self._weights[count:]
        self._begin += count
