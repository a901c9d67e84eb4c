"""Parsing whole batches of serialised clips with one vectorised op (in graph)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ..audio import front_ends, mel_spectrum, reading
from ..payload import Payload
from ..typing import Array, Tensors

_ID = {"video_id": tf.io.FixedLenFeature([], tf.string)}
_HAS_STRONG = {"has_strong": tf.io.FixedLenFeature([], tf.int64, default_value=0)}
# The columns of strong labels, in the order of an `Event`.
STRONG = ("strong_labels", "strong_onsets_seconds", "strong_offsets_seconds")
_RAGGED = {
    name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
    for name, dtype in zip(
        ("labels", *STRONG), (tf.int64, tf.int64, tf.float32, tf.float32)
    )
}


def outline(serialized: tf.Tensor, payload: Payload) -> Tensors:
    """All but the payload of (B,) serialised clips, for a pass over the data.

    Returns:
      `video_id`, `has_strong`, `num_rows`, 0 where the payload is not whole, and
      `is_finite`, whether it is without NaN and infinity, (B,); `labels` and the
      columns `STRONG`, those of all clips one after the other, and their number in each
      clip, (B,), as `labels_lengths` and so on.
    """
    raw, listed, context = _parse(
        serialized, payload, {**_ID, **_HAS_STRONG, **_RAGGED}
    )
    rows = _num_rows(raw, payload)
    if listed is not None:  # an empty row looks like the padding to the longest clip
        rows = tf.where(listed == tf.cast(rows, tf.int64), rows, 0)
    return {
        "video_id": context["video_id"],
        "has_strong": context["has_strong"] > 0,
        "num_rows": rows,
        "is_finite": _is_finite(raw, payload),
        **{name: context[name].flat_values for name in _RAGGED},
        **{f"{name}_lengths": context[name].row_lengths() for name in _RAGGED},
    }


def features(
    serialized: tf.Tensor,
    payload: Payload,
    front_end: front_ends.FrontEnd | None = None,
    num_frames: int | None = None,
) -> Tensors:
    """A model's input of (B,) serialised clips.

    Args:
      serialized: the records.
      payload: what they hold.
      front_end: the model's, for waveforms; VGGish's where None. Waveforms of another
        sample rate than its own are resampled.
      num_frames: pad or cut every clip to so many rows; None pads to the longest.

    Returns:
      `features` (B, T_in, F) float32 and `num_frames` (B,) int32.
    """
    raw, _, _ = _parse(serialized, payload, {})
    rows = _num_rows(raw, payload)
    dtype = tf.as_dtype(payload.dtype)
    if payload.kind == "audio_embedding":
        length = payload.row_size * dtype.size
        values = tf.io.decode_raw(raw, dtype, fixed_length=length)
    else:
        length = tf.reduce_max(tf.strings.length(raw))
        # TensorFlow has no padded decoder of halves
        half = dtype == tf.float16
        values = tf.io.decode_raw(
            raw, tf.uint16 if half else dtype, fixed_length=length
        )
        values = tf.bitcast(values, tf.float16) if half else values
    values = tf.cast(values, tf.float32)
    if payload.kind == "waveform":
        front_end = front_end or front_ends.get(front_ends.DEFAULT)
        waveform = values / 32768.0
        rate = payload.parameters["sample_rate_hz"]
        if rate != front_end.sample_rate_hz:
            waveform, rows = _resample(waveform, rows, rate, front_end.sample_rate_hz)
        out = features_of_waveform(waveform, rows, front_end)
        values, rows = out["features"], out["num_frames"]
    elif payload.kind != "audio_embedding":
        values = tf.reshape(values, [tf.shape(values)[0], -1, payload.row_size])
        if payload.dtype == "uint8":
            step, low = mel_spectrum.quantiser_affine(
                mel_spectrum.LogMelConfig.from_parameters(payload.parameters)
            )
            values = values * step + low
    return fit_frames(values, rows, num_frames)


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
) -> tuple[tf.Tensor, tf.Tensor | None, dict[str, Any]]:
    """Raw payload strings, (B, T) for embeddings, else (B,), and the context.

    Between the two, of embeddings, (B,) int64, how many rows each clip lists.
    """
    if payload.kind == "audio_embedding":
        rows = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
        context, sequence, lengths = tf.io.parse_sequence_example(
            serialized, context_features, {payload.kind: rows}
        )
        return sequence[payload.kind], lengths[payload.kind], context
    whole = tf.io.FixedLenFeature([], tf.string)
    context, _, _ = tf.io.parse_sequence_example(
        serialized, {**context_features, payload.kind: whole}
    )
    return context.pop(payload.kind), None, context


def _is_finite(raw: tf.Tensor, payload: Payload) -> tf.Tensor:
    """(B,) bool; record by record, for some may be long."""
    dtype = tf.as_dtype(payload.dtype)
    if not dtype.is_floating:
        return tf.ones(tf.shape(raw)[:1], tf.bool)
    if payload.kind == "audio_embedding":
        raw = tf.strings.reduce_join(raw, axis=1)

    def one(values: tf.Tensor) -> tf.Tensor:
        length = tf.strings.length(values)
        whole = tf.strings.substr(values, 0, length - length % dtype.size)
        return tf.reduce_all(tf.math.is_finite(tf.io.decode_raw(whole, dtype)))

    return tf.map_fn(one, raw, fn_output_signature=tf.bool)


def _num_rows(raw: tf.Tensor, payload: Payload) -> tf.Tensor:
    """Rows (samples, for a waveform) of each clip, (B,) int32; 0 where not whole."""
    lengths = tf.strings.length(raw)
    if payload.kind == "audio_embedding":
        size = payload.row_size * tf.as_dtype(payload.dtype).size
        whole = tf.reduce_all((lengths == 0) | (lengths == size), 1)
        rows = tf.reduce_sum(tf.cast(lengths > 0, tf.int32), axis=1)
        return tf.where(whole, rows, 0)
    size = tf.as_dtype(payload.dtype).size * payload.row_size
    return tf.where(lengths % size == 0, lengths // size, 0)
