"""Audio files to waveforms inside a TensorFlow graph, for `tf.data` pipelines."""

from __future__ import annotations

import functools
import os
import types
import warnings

import tensorflow as tf

from . import ogg
from .reading import LOWEST_RATE_HZ, SAMPLE_RATE_HZ, read_audio

_HIGHEST_RATE_HZ = 768000  # TensorFlow I/O's resampler knows no bound
_HEADER_BYTES = 64


def read_audio_in_graph(
    path: tf.Tensor, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> tf.Tensor:
    """`read_audio` for `tf.data` pipelines, decoded by TensorFlow I/O where it can.

    WAV with 16 or 24 bits and the plain 44-byte header and Ogg Vorbis are decoded and
    resampled by graph ops; all else, and these too where TensorFlow I/O's library does
    not load (TensorFlow 2.17 and later), goes through `read_audio` in a Python function
    behind this one. (TensorFlow I/O ends the process on some other kinds of WAV, ends
    the dataset, silently, on one cut short, and takes damaged FLAC for whole.)

    At `sample_rate_hz` both ways give the same samples. From other rates TensorFlow
    I/O's resampler delays the audio by 32 samples at the lower of the two rates (2 ms
    into 16 kHz) and takes 0.41 dB at 7 kHz and 11 dB at 7.5 kHz, where `read_audio`
    takes 0.006 dB and 0.4 dB; `benchmarks/decoding.py` measures it. So decode for
    prediction as was decoded for training.

    Args:
      path: scalar string, the file.
      sample_rate_hz: the rate wanted.

    Returns:
      (N,) float32, N at least 1.

    Raises:
      tf.errors.OpError: when the graph runs: the file is missing or broken as listed
        under `read_audio`.
    """
    path = tf.convert_to_tensor(path)

    def by_soundfile() -> tf.Tensor:
        return tf.ensure_shape(
            tf.numpy_function(
                lambda name: read_audio(os.fsdecode(name), sample_rate_hz),
                [path],
                tf.float32,
                stateful=False,
            ),
            [None],
        )

    tfio = _tensorflow_io()
    if tfio is None:
        return by_soundfile()
    contents = tf.io.read_file(path)

    def by_tensorflow_io(decoded: tf.Tensor) -> tf.Tensor:
        scale = {tf.int16: 2.0**-15, tf.int32: 2.0**-31, tf.float32: 1.0}[decoded.dtype]
        waveform = tf.reduce_mean(tf.cast(decoded, tf.float32) * scale, axis=1)
        tf.debugging.Assert(tf.size(waveform) > 0, [path, "holds no samples"])
        tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(waveform)),
            [path, "holds NaN or infinite samples"],
        )
        return waveform

    def vorbis() -> tf.Tensor:
        damage = tf.numpy_function(
            lambda name: ogg.damage(os.fsdecode(name)).encode(),
            [path],
            tf.string,
            stateful=False,
        )
        check = tf.debugging.Assert(tf.equal(damage, ""), [path, damage])
        with tf.control_dependencies([check]):
            return by_tensorflow_io(tfio.audio.decode_vorbis(tf.identity(contents)))

    kind, rate_hz = _sniff(contents)
    waveform = tf.switch_case(
        kind,
        [
            by_soundfile,
            lambda: by_tensorflow_io(tfio.audio.decode_wav(contents, dtype=tf.int16)),
            lambda: by_tensorflow_io(tfio.audio.decode_wav(contents, dtype=tf.int32)),
            vorbis,
        ],
    )
    wanted = tf.constant(sample_rate_hz, tf.int64)
    return tf.ensure_shape(
        tf.cond(
            (kind == 0) | (rate_hz == wanted),
            lambda: waveform,
            lambda: tfio.audio.resample(waveform, rate_hz, wanted),
        ),
        [None],
    )


def _sniff(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What decodes a file, from its first bytes, and its sample rate.

    Args:
      contents: scalar string, the whole file.

    Returns:
      kind: scalar int32; 0 other, 1 and 2 WAV with 16 and 24 bits, 3 Ogg Vorbis.
      rate_hz: scalar int64; meaningless for kind 0.
    """
    padded = tf.strings.substr(contents, 0, _HEADER_BYTES) + "\0" * _HEADER_BYTES
    header = tf.cast(tf.io.decode_raw(padded, tf.uint8)[:_HEADER_BYTES], tf.int64)

    def has(at: int, magic: bytes) -> tf.Tensor:
        return tf.reduce_all(header[at : at + len(magic)] == list(magic))

    def little(at: int, size: int) -> tf.Tensor:
        return tf.reduce_sum(header[at : at + size] * [256**i for i in range(size)])

    length = tf.cast(tf.strings.length(contents), tf.int64)
    wav = (
        has(0, b"RIFF")
        & has(8, b"WAVEfmt \x10\0\0\0\x01\0")
        & has(36, b"data")
        & (44 + little(40, 4) <= length)
    )
    cases = [
        (wav & (little(34, 2) == 16), 1, little(24, 4)),
        (wav & (little(34, 2) == 24), 2, little(24, 4)),
        (has(0, b"OggS") & has(28, b"\x01vorbis"), 3, little(40, 4)),
    ]
    kind, rate_hz = tf.constant(0), tf.constant(0, tf.int64)
    for matches, number, rate in cases:
        matches &= (rate >= LOWEST_RATE_HZ) & (rate <= _HIGHEST_RATE_HZ)
        kind = tf.where(matches, number, kind)
        rate_hz = tf.where(matches, rate, rate_hz)
    return kind, rate_hz


@functools.lru_cache(maxsize=1)
def _tensorflow_io() -> types.ModuleType | None:
    """TensorFlow I/O, or None where it is not installed or its library not loadable."""
    with warnings.catch_warnings(), tf.init_scope():
        warnings.simplefilter("ignore")  # it warns where its library does not load
        try:
            import tensorflow_io as tfio

            tfio.audio.encode_wav(tf.zeros([1, 1], tf.int16), 16000)  # loads it
        except (ImportError, NotImplementedError, AttributeError):
            return None
    return tfio
