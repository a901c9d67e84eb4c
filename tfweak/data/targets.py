"""The labels of clips, by their numbers in a `ClipData`, as training reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..labels import SegmentGrid
from ..typing import Array, Tensors
from .sources import ClipData


class Targets:
    """(B,) numbers of clips -> y, see `tfweak.data.pipelines` (in graph).

    Args:
      data: where the labels are.
      grid: the model's segments, for strong labels; None leaves them out.
      num_segments: rows of input -> segments; one a row if not given.
    """

    def __init__(
        self,
        data: ClipData,
        grid: SegmentGrid | None = None,
        num_segments: Callable[[Any], Any] = lambda rows: rows,
    ) -> None:
        self._num_classes = len(data.classes)
        self._grid = grid
        self._num_segments = num_segments
        # as tensors, for a graph would copy arrays into itself
        self._labels = _tensor(data.labels.values, data.labels.splits)
        if grid:
            events = data.events.values
            self._has_strong = tf.constant(data.has_strong)
            self._events = _tensor(np.arange(len(events)), data.events.splits)
            self._columns = [tf.constant(events[name]) for name in events.dtype.names]

    def __call__(self, clips: tf.Tensor, num_rows: tf.Tensor) -> Tensors:
        """`weak` (B, C) and what else there is.

        With a grid `strong` (B, T, C) and `has_strong` (B,).
        """
        labels = tf.gather(self._labels, clips)
        where = tf.stack([labels.value_rowids(), labels.flat_values], axis=1)
        ones = tf.ones_like(labels.flat_values, tf.float32)
        size = tf.stack([labels.nrows(), self._num_classes])
        y = {"weak": tf.scatter_nd(where, ones, size)}
        if self._grid:
            segments = self._num_segments(num_rows)
            y["strong"] = self._strong(clips, self._grid, segments)
            y["has_strong"] = tf.gather(self._has_strong, clips)
        return y

    def _strong(
        self, clips: tf.Tensor, grid: SegmentGrid, num_segments: tf.Tensor
    ) -> tf.Tensor:
        """`SegmentGrid.labels` of a whole batch, (B, T, C) float32."""
        events, classes = tf.gather(self._events, clips), self._num_classes
        which = events.flat_values
        starts = grid.offset_seconds + grid.hop_seconds * tf.range(
            tf.cast(num_segments, tf.float32), dtype=tf.float32
        )
        labels, onsets, offsets = (tf.gather(column, which) for column in self._columns)
        onsets, offsets = onsets[:, tf.newaxis], offsets[:, tf.newaxis]
        active = grid.marks(starts, onsets, offsets, tf)  # (E, T)
        row = events.value_rowids() * classes + labels
        maps = tf.math.unsorted_segment_max(
            tf.cast(active, tf.float32), row, events.nrows() * classes
        )
        maps = tf.reshape(tf.maximum(maps, 0.0), [events.nrows(), classes, -1])
        return tf.transpose(maps, [0, 2, 1])


def _tensor(values: Array, splits: Array) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
