"""Audio files to 16 kHz mono waveforms, by libsndfile or inside a TensorFlow graph."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shutil
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
import soundfile as sf
import soxr

from .. import atomic
from ..errors import InputError
from ..typing import Array, StrPath

if TYPE_CHECKING:
    import tensorflow as tf

SAMPLE_RATE_HZ = 16000

# Endings of the self-describing formats that libsndfile reads.
AUDIO_SUFFIXES = frozenset(
    (
        ".aif",
        ".aifc",
        ".aiff",
        ".au",
        ".caf",
        ".flac",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".w64",
        ".wav",
    )
)

# soxr's HQ keeps 20 bits, more than the sources have, and passes 7 kHz with a loss of
# 0.006 dB (44.1 to 16 kHz); VHQ takes 1.6 times as long and loses 0.005 dB.
_RESAMPLER = "HQ"
_INT16_SCALE = 32768.0
_BLOCK_FRAMES = 1 << 18
STANDARD_INPUT = "-"
_HEADER_BYTES = 64


def find_audio(folder: StrPath) -> list[pathlib.Path]:
    """The audio files under `folder`, at any depth, sorted by path.

    A file counts by its suffix (`AUDIO_SUFFIXES`, in any case); hidden files and what
    lies in hidden folders do not count.

    Raises:
      InputError: when `folder` is not a folder.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of audio files")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def read_audio(path: StrPath, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Array:
    """Reads any file that libsndfile reads: mean over channels, then resampled.

    The resampler (soxr, HQ) has linear phase and no delay. It may overshoot: a clip
    that reaches full scale may leave [-1, 1] a little.

    Args:
      path: the file; a pipe, or `-` for standard input, is read to its end first.
      sample_rate_hz: the rate wanted.

    Returns:
      (N,) float32, nominally in [-1, 1]; N is at least 1.

    Raises:
      InputError: names the file; it is missing, unreadable, cut short, without
        samples, or holds NaN or infinity. Two kinds do not say how long they are, an
        MP3 without a length header and W64: cut short, they are read as far as they
        go.
    """
    return np.concatenate(list(audio_blocks(path, sample_rate_hz)))


def audio_blocks(
    path: StrPath, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> Iterator[Array]:
    """`read_audio` piece by piece: what it gives, cut into some seconds each.

    A pipe, and standard input, is read to its end at once, into a temporary file, for
    libsndfile goes back and forth in what it reads; a file is opened when the first
    piece is asked for.

    Args:
      path, sample_rate_hz: as for `read_audio`.

    Yields:
      (N,) float32 each, N at least 1; their concatenation is, bit for bit, the
      waveform.

    Raises:
      InputError: as `read_audio`. What shows at the end of a file only (it is cut
        short, it holds no samples) is raised there, after the pieces before.
    """
    return _blocks(path, _spooled(path) if is_stream(path) else None, sample_rate_hz)


def is_stream(path: StrPath) -> bool:
    """Whether a path is a pipe, a device or `-`: what can be read just once."""
    return os.fspath(path) == STANDARD_INPUT or atomic.is_stream(path)


def read_audio_in_graph(
    path: tf.Tensor, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> tf.Tensor:
    """`read_audio` for `tf.data` pipelines, decoded by TensorFlow I/O where it can.

    WAV with 16 or 24 bits and the plain 44-byte header, FLAC with 16 or 24 bits and
    Ogg Vorbis are decoded and resampled by graph ops; all else, and these too where
    TensorFlow I/O's library does not load (TensorFlow 2.17 and later), goes through
    `read_audio` in a Python function behind this one. (TensorFlow I/O ends the process
    on some other kinds of WAV, and ends the dataset, silently, on one cut short.)

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
        under `read_audio`, except that an Ogg stream cut short is read as far as it
        goes.
    """
    import tensorflow as tf

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

    kind, rate_hz = _sniff(contents)
    waveform = tf.switch_case(
        kind,
        [
            by_soundfile,
            lambda: by_tensorflow_io(tfio.audio.decode_wav(contents, dtype=tf.int16)),
            lambda: by_tensorflow_io(tfio.audio.decode_wav(contents, dtype=tf.int32)),
            lambda: by_tensorflow_io(tfio.audio.decode_flac(contents, dtype=tf.int16)),
            lambda: by_tensorflow_io(tfio.audio.decode_flac(contents, dtype=tf.int32)),
            lambda: by_tensorflow_io(tfio.audio.decode_vorbis(contents)),
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


def resample(waveform: Array, rate_hz: int, wanted_hz: int) -> Array:
    """(N,) float32 at one sample rate to another, by soxr: linear phase, no delay."""
    if rate_hz == wanted_hz:
        return waveform
    return soxr.resample(waveform, rate_hz, wanted_hz, quality=_RESAMPLER)


def to_int16(waveform: Array) -> Array:
    """(N,) float in [-1, 1] to (N,) int16: times 32768, rounded, clipped."""
    scaled = np.rint(np.asarray(waveform, np.float32) * _INT16_SCALE)
    return np.clip(scaled, -_INT16_SCALE, _INT16_SCALE - 1).astype(np.int16)


def pad_or_cut(waveform: Array, num_samples: int) -> Array:
    """(N,) to (num_samples,): zeros after the end, or the end cut off."""
    cut = waveform[:num_samples]
    return np.pad(cut, (0, num_samples - len(cut)))


def _spooled(path: StrPath) -> IO[bytes]:
    """All that comes from a pipe, in a file that ends when nobody holds it any more."""
    copy = tempfile.NamedTemporaryFile(prefix="tfweak-")
    if os.fspath(path) == STANDARD_INPUT:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    else:
        with open(path, "rb") as source:
            shutil.copyfileobj(source, copy)
    copy.flush()
    return copy


def _blocks(
    path: StrPath, spool: IO[bytes] | None, sample_rate_hz: int
) -> Iterator[Array]:
    """`audio_blocks` of a path, or of the bytes that came from it."""
    where = path if spool is None else spool.name
    if not os.path.isfile(where):
        raise InputError(f"{path}: no such audio file")
    if spool is not None and not os.path.getsize(where):
        raise InputError(f"{path}: nothing came from it; audio is needed")
    holds_some = False
    try:
        with sf.SoundFile(where) as file:
            # soundfile seeks after each read, which at the end of a stream of
            # unannounced length fails
            file.seekable = lambda: False  # type: ignore[method-assign]
            resampler = None
            if file.samplerate != sample_rate_hz:
                resampler = soxr.ResampleStream(
                    file.samplerate, sample_rate_hz, 1, "float32", _RESAMPLER
                )
            num_frames, more = 0, True
            while more:
                samples = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
                num_frames, more = num_frames + len(samples), len(samples) > 0
                waveform = samples.mean(axis=1)
                if not np.isfinite(waveform).all():
                    raise InputError(f"{path}: holds NaN or infinite samples")
                if resampler is not None:
                    waveform = resampler.resample_chunk(waveform, last=not more)
                if waveform.size:
                    holds_some = True
                    yield waveform
            cut = _is_cut(where, file, num_frames)
    except (sf.SoundFileError, OSError) as error:
        raise InputError(
            f"{path}: cannot be read as audio ({error}); the file is"
            " broken, cut short or of a format that libsndfile does not"
            " read"
        ) from error
    if cut:
        raise InputError(
            f"{path}: the file is cut short: it announces more audio than"
            " it holds; fetch or make it again"
        )
    if not holds_some:
        raise InputError(f"{path}: holds no samples")


def _is_cut(path: StrPath, file: sf.SoundFile, num_frames: int) -> bool:
    """Whether the file announces more audio than the `num_frames` that it gave."""
    if file.format == "OGG":
        return _ends_inside_page(path)
    if file.format == "MP3":  # the frame count is a guess unless the header gives it
        with open(path, "rb") as handle:
            if not re.search(rb"\x00{9}(Xing|Info)", handle.read(1 << 16)):
                return False
        return num_frames < file.frames
    # libsndfile corrects the length of the audio chunk, but notes it in its log. The
    # largest sizes mean "unknown" (WAV written to a pipe).
    log = re.findall(
        r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)",
        file.extra_info,
        re.MULTILINE,
    )
    return any(int(found) < int(said) < 0x7FFF0000 for said, found in log)


def _ends_inside_page(path: StrPath) -> bool:
    """Whether an Ogg file ends before the page that it began last (RFC 3533)."""
    with open(path, "rb") as handle:
        handle.seek(max(0, os.path.getsize(path) - 65307))  # the longest page
        tail = handle.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    table = page[27 : 27 + page[26]]
    return len(page) < 27 + page[26] + sum(table)


def _sniff(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What decodes a file, from its first bytes, and its sample rate.

    Args:
      contents: scalar string, the whole file.

    Returns:
      kind: scalar int32; 0 other, 1 and 2 WAV with 16 and 24 bits, 3 and 4 FLAC with
        16 and 24 bits, 5 Ogg Vorbis.
      rate_hz: scalar int64; meaningless for kind 0.
    """
    import tensorflow as tf

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
    # STREAMINFO: 20 bits of rate, 3 of channels, 5 of (bits - 1), 36 of total samples
    flac_bits = (header[20] % 2) * 16 + header[21] // 16 + 1
    flac = has(0, b"fLaC") & (tf.reduce_sum(header[22:26]) + header[21] % 16 > 0)
    flac_rate = header[18] * 4096 + header[19] * 16 + header[20] // 16
    cases = [
        (wav & (little(34, 2) == 16), 1, little(24, 4)),
        (wav & (little(34, 2) == 24), 2, little(24, 4)),
        (flac & (flac_bits == 16), 3, flac_rate),
        (flac & (flac_bits == 24), 4, flac_rate),
        (has(0, b"OggS") & has(28, b"\x01vorbis"), 5, little(40, 4)),
    ]
    kind, rate_hz = tf.constant(0), tf.constant(0, tf.int64)
    for matches, number, rate in cases:
        kind = tf.where(matches, number, kind)
        rate_hz = tf.where(matches, rate, rate_hz)
    return kind, rate_hz


@functools.lru_cache(maxsize=1)
def _tensorflow_io() -> types.ModuleType | None:
    """TensorFlow I/O, or None where it is not installed or its library not loadable."""
    import tensorflow as tf

    with warnings.catch_warnings(), tf.init_scope():
        warnings.simplefilter("ignore")  # it warns where its library does not load
        try:
            import tensorflow_io as tfio

            tfio.audio.encode_wav(tf.zeros([1, 1], tf.int16), 16000)  # loads it
        except (ImportError, NotImplementedError, AttributeError):
            return None
    return tfio
