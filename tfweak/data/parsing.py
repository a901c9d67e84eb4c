"""Parsing whole batches of serialised clips with one vectorised op (in graph)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..audio import front_ends, mel_spectrum, reading
from ..labels import Event, SegmentGrid
from ..payload import EMBEDDING_SIZE, Payload
from ..typing import Array, Tensors

_ID = {"video_id": tf.io.FixedLenFeature([], tf.string)}
_LABELS = {"labels": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)}
_HAS_STRONG = {"has_strong": tf.io.FixedLenFeature([], tf.int64, default_value=0)}
_STRONG = {
    "strong_labels": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "strong_onsets_seconds": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64),
    "strong_offsets_seconds": tf.io.RaggedFeature(
        tf.float32, row_splits_dtype=tf.int64
    ),
}
_DTYPES = {
    "uint8": tf.uint8,
    "int16": tf.int16,
    "float16": tf.float16,
    "float32": tf.float32,
}


def clip_ids(serialized: tf.Tensor) -> tf.Tensor:
    """(B,) string ids of (B,) serialised clips."""
    context, _, _ = tf.io.parse_sequence_example(serialized, context_features=_ID)
    return context["video_id"]


def clip_labels(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
    """Ids (B,) and weak labels (B, None) int64 of (B,) serialised clips."""
    context, _, _ = tf.io.parse_sequence_example(
        serialized, context_features={**_ID, **_LABELS}
    )
    return context["video_id"], context["labels"]


def check(serialized: tf.Tensor, payload: Payload) -> tuple[Any, ...]:
    """What a pass over the data needs: ids, labels, has_strong, payload rows, (B, ...).

    A record whose payload is not whole has 0 rows.
    """
    raw, context = _parse(serialized, payload, {**_ID, **_LABELS, **_HAS_STRONG})
    return (
        context["video_id"],
        context["labels"],
        context["has_strong"] > 0,
        _num_rows(raw, payload),
    )


def strong_events(serialized: tf.Tensor) -> dict[str, Any]:
    """`has_strong` (B,) bool and `events`, a list of each clip's `Event`s."""
    context, _, _ = tf.io.parse_sequence_example(
        serialized, context_features={**_HAS_STRONG, **_STRONG}
    )
    columns = [context[name].to_list() for name in _STRONG]
    return {
        "has_strong": context["has_strong"] > 0,
        "events": [list(map(Event, *clip)) for clip in zip(*columns)],
    }


class Parser:
    """(B,) serialised clips -> (x, y), see `tfweak.data.pipelines`.

    Args:
      payload: what the records hold.
      num_classes: C.
      num_frames: pad or cut every clip to so many rows; None pads to the longest.
      grid: the model's segments, for strong labels; None leaves them out.
      num_segments: rows of input -> segments; one a row if not given.
      front_end: the model's, for waveforms; VGGish's where None. Waveforms of another
        sample rate than its own are resampled.
    """

    def __init__(
        self,
        payload: Payload,
        num_classes: int,
        num_frames: int | None = None,
        grid: SegmentGrid | None = None,
        num_segments: Callable[[Any], Any] = lambda rows: rows,
        front_end: front_ends.FrontEnd | None = None,
    ) -> None:
        self._front_end = front_end or front_ends.get(front_ends.DEFAULT)
        self._payload = payload
        self._num_classes = num_classes
        self._num_frames = num_frames
        self._grid = grid
        self._num_segments = num_segments

    def __call__(self, serialized: tf.Tensor) -> tuple[Tensors, Tensors]:
        strong = {**_HAS_STRONG, **_STRONG} if self._grid else {}
        raw, context = _parse(serialized, self._payload, {**_ID, **_LABELS, **strong})
        x = self.features(raw)
        y = {"weak": self._multi_hot(context["labels"]), "clip_id": context["video_id"]}
        if self._grid:
            rows = tf.shape(x["features"])[1]
            y["strong"] = self._strong(context, self._grid, self._num_segments(rows))
            y["has_strong"] = context["has_strong"] > 0
        return x, y

    def features(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """A model's input of payloads as they are stored."""
        payload = self._payload
        rows = _num_rows(raw, payload)
        dtype = _DTYPES[payload.dtype]
        if payload.kind == "audio_embedding":
            length = EMBEDDING_SIZE * dtype.size
            values = tf.io.decode_raw(raw, dtype, fixed_length=length)
        else:
            length = tf.reduce_max(tf.strings.length(raw))
            # TensorFlow has no padded decoder of halves
            half = dtype == tf.float16
            values = tf.io.decode_raw(
                raw, tf.uint16 if half else dtype, fixed_length=length
            )
            values = tf.bitcast(values, tf.float16) if half else values
        if payload.kind == "waveform":
            waveform = tf.cast(values, tf.float32) / 32768.0
            rate = payload.parameters["sample_rate_hz"]
            if rate != self._front_end.sample_rate_hz:
                waveform, rows = _resample(
                    waveform, rows, rate, self._front_end.sample_rate_hz
                )
            out = features_of_waveform(waveform, rows, self._front_end)
            values, rows = out["features"], out["num_frames"]
        elif payload.kind == "audio_embedding":
            values = tf.cast(values, tf.float32)
        else:
            bins = payload.row_size
            values = tf.reshape(values, [tf.shape(values)[0], -1, bins])
            values = tf.cast(values, tf.float32)
            if payload.dtype == "uint8":
                step, low = mel_spectrum.quantiser_affine(
                    mel_spectrum.LogMelConfig.from_parameters(payload.parameters)
                )
                values = values * step + low
        return fit_frames(values, rows, self._num_frames)

    def _multi_hot(self, labels: tf.RaggedTensor) -> tf.Tensor:
        where = tf.stack([labels.value_rowids(), labels.flat_values], axis=1)
        ones = tf.ones_like(labels.flat_values, tf.float32)
        size = tf.stack([labels.nrows(), self._num_classes])
        # a label that a record lists twice still counts once
        return tf.minimum(tf.scatter_nd(where, ones, size), 1.0)

    def _strong(
        self, context: dict[str, Any], grid: SegmentGrid, segments: tf.Tensor
    ) -> tf.Tensor:
        """`SegmentGrid.labels` for a whole batch, (B, T, C) float32."""
        classes = self._num_classes
        labels = context["strong_labels"]
        onsets = context["strong_onsets_seconds"].flat_values[:, tf.newaxis]
        offsets = context["strong_offsets_seconds"].flat_values[:, tf.newaxis]
        starts = grid.offset_seconds + grid.hop_seconds * tf.range(
            tf.cast(segments, tf.float32), dtype=tf.float32
        )
        overlap = tf.minimum(offsets, starts + grid.hop_seconds) - tf.maximum(
            onsets, starts
        )
        needed = 0.5 * tf.minimum(grid.hop_seconds, offsets - onsets)
        active = (overlap > 0) & (overlap >= needed - 1e-6)  # (E, T)
        clips = labels.nrows()
        row = labels.value_rowids() * classes + labels.flat_values
        maps = tf.math.unsorted_segment_max(
            tf.cast(active, tf.float32), row, clips * classes
        )
        maps = tf.reshape(tf.maximum(maps, 0.0), [clips, classes, -1])
        return tf.transpose(maps, [0, 2, 1])


def fit_frames(
    values: tf.Tensor, rows: tf.Tensor, wanted: int | None
) -> dict[str, tf.Tensor]:
    """Zeroes what is padded; with `wanted`, pads or cuts to so many rows.

    Args:
      values: (B, T, F) float32.
      rows: (B,) int32, how many of T are valid.
      wanted: rows of the result; None leaves T.

    Returns:
      `features` and `num_frames`, a model's input.
    """
    if wanted is not None:
        values = values[:, :wanted]
        missing = wanted - tf.shape(values)[1]
        values = tf.pad(values, [[0, 0], [0, missing], [0, 0]])
        values = tf.ensure_shape(values, [None, wanted, values.shape[2]])
        rows = tf.minimum(rows, wanted)
    valid = tf.sequence_mask(rows, tf.shape(values)[1])[..., tf.newaxis]
    return {"features": tf.where(valid, values, 0.0), "num_frames": rows}


def stored_features(
    payload: Payload, front_end: front_ends.FrontEnd | None = None
) -> tuple[Callable[[tf.Tensor], tf.Tensor], Payload]:
    """What makes records of features of records of waveforms.

    Args:
      payload: the waveforms.
      front_end: VGGish's where None.

    Returns:
      (B,) serialised clips -> (B,) serialised clips with the same labels, and their
      payload, as `tfweak-prepare` would have stored it.
    """
    front_end = front_end or front_ends.get(front_ends.DEFAULT)
    stored = Payload(front_end.kind, "float16", front_end.parameters("float16"))
    parser = Parser(payload, 0, front_end=front_end)

    def replaced(serialized: Any, frames: Any, rows: Any) -> Array:
        out = []
        for record, values, count in zip(serialized, frames, rows):
            clip = tf.train.SequenceExample.FromString(record)
            del clip.context.feature[payload.kind]
            value = values[:count].tobytes()
            clip.context.feature[stored.kind].bytes_list.value.append(value)
            out.append(clip.SerializeToString())
        return np.array(out, object)

    def convert(serialized: tf.Tensor) -> tf.Tensor:
        x = parser.features(_parse(serialized, payload, {})[0])
        frames = tf.cast(x["features"], tf.float16)
        out = tf.numpy_function(
            replaced, [serialized, frames, x["num_frames"]], tf.string, stateful=False
        )
        return tf.ensure_shape(out, [None])

    return convert, stored


def features_of_waveform(
    waveform: tf.Tensor, num_samples: tf.Tensor, front_end: front_ends.FrontEnd
) -> Tensors:
    """`features` and `num_frames` of padded waveforms (B, N)."""
    from ..audio.front_end_layer import FrontEndLayer

    return FrontEndLayer(front_end)(waveform, num_samples)


def _resample(
    waveforms: tf.Tensor, num_samples: tf.Tensor, rate_hz: int, wanted_hz: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """(B, N) padded waveforms and their (B,) lengths at another sample rate."""

    def by_clip(batch: Array, lengths: Array) -> tuple[Any, Any]:
        clips = [
            reading.resample(clip[:length], rate_hz, wanted_hz)
            for clip, length in zip(batch, lengths)
        ]
        sizes = np.array([len(clip) for clip in clips], np.int32)
        return np.stack([reading.pad_or_cut(c, sizes.max()) for c in clips]), sizes

    out, sizes = tf.numpy_function(
        by_clip, [waveforms, num_samples], (tf.float32, tf.int32), stateful=False
    )
    return tf.ensure_shape(out, [None, None]), tf.ensure_shape(sizes, [None])


def _parse(
    serialized: tf.Tensor, payload: Payload, context_features: dict[str, Any]
) -> tuple[tf.Tensor, dict[str, Any]]:
    """Raw payload strings, (B, T) for embeddings, else (B,), and the context."""
    if payload.kind == "audio_embedding":
        context, sequence, _ = tf.io.parse_sequence_example(
            serialized,
            context_features=context_features,
            sequence_features={
                "audio_embedding": tf.io.FixedLenSequenceFeature(
                    [], tf.string, allow_missing=True
                )
            },
        )
        return sequence["audio_embedding"], context
    context, _, _ = tf.io.parse_sequence_example(
        serialized,
        context_features={
            **context_features,
            payload.kind: tf.io.FixedLenFeature([], tf.string),
        },
    )
    return context.pop(payload.kind), context


def _num_rows(raw: tf.Tensor, payload: Payload) -> tf.Tensor:
    """Rows (samples, for a waveform) of each clip, (B,) int32; 0 where not whole."""
    lengths = tf.strings.length(raw)
    if payload.kind == "audio_embedding":
        size = EMBEDDING_SIZE * _DTYPES[payload.dtype].size
        whole = tf.reduce_all((lengths == 0) | (lengths == size), 1)
        rows = tf.reduce_sum(tf.cast(lengths > 0, tf.int32), axis=1)
        return tf.where(whole, rows, 0)
    size = _DTYPES[payload.dtype].size * payload.row_size
    return tf.where(lengths % size == 0, lengths // size, 0)
