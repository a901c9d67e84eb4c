"""Audio files to 16 kHz mono waveforms, by libsndfile."""

from __future__ import annotations

import logging
import os
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import soundfile as sf
import soxr

from ..errors import InputError
from ..files import atomic
from ..typing import Array, StrPath
from . import headers, ogg

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
# Below, nothing could be heard, and a small file would become hours at another rate.
LOWEST_RATE_HZ = 100
# What an announced size may be wrong by: writers count headers and padding differently.
_SIZE_TOLERANCE_BYTES = 64
# What decoders raise besides their own errors: TypeError where a name promises samples
# without a header (.raw).
_DECODER_ERRORS = (
    sf.SoundFileError,
    OSError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
_UNKNOWN_FRAMES = (1 << 63) - 1
_CORRECTED = re.compile(
    r"^ *(data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)",
    re.MULTILINE,
)
STANDARD_INPUT = "-"
_log = logging.getLogger(__name__)


def find_audio(folder: StrPath) -> list[pathlib.Path]:
    """The audio files under `folder`, at any depth, sorted by path.

    A file counts by its suffix (`AUDIO_SUFFIXES`, in any case); hidden files and what
    lies in hidden folders do not count; pipes and devices are left out, which is said.
    So that nothing is overlooked, links that lead nowhere and folders that cannot be
    read are among them; reading these says so.

    Raises:
      InputError: when `folder` is not a folder.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of audio files")
    found: list[pathlib.Path] = []

    def unreadable(error: OSError) -> None:
        found.append(pathlib.Path(os.fsdecode(error.filename)))

    for inside, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (pathlib.Path(inside, name) for name in names):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.name[0] != ".":
                if atomic.is_stream(path):
                    _log.warning("%s: left out, for it is a pipe or a device", path)
                else:
                    found.append(path)
    return sorted(found)


def read_audio(
    path: StrPath,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    max_seconds: float | None = None,
    note: Callable[[str], None] | None = None,
) -> Array:
    """Reads any file that libsndfile reads: mean over channels, then resampled.

    The resampler (soxr, HQ) has linear phase and no delay. It may overshoot: a clip
    that reaches full scale may leave [-1, 1] a little.

    Args:
      path: the file; a pipe, or `-` for standard input, is read to its end first.
      sample_rate_hz: the rate wanted.
      max_seconds: a longer file is refused before all of it is in memory; None reads
        any.
      note: told what is wrong with a file that is cut short or damaged but can be read,
        which is then not refused.

    Returns:
      (N,) float32, nominally in [-1, 1]; N is at least 1.

    Raises:
      InputError: names the file; it is missing, unreadable, cut short, damaged, longer
        than is allowed, without samples, or holds NaN or infinity. An MP3 without a
        length header does not say how long it is: cut short, it is read as far as it
        goes.
    """
    blocks, num_samples = [], 0
    for block in audio_blocks(path, sample_rate_hz, note):
        blocks.append(block)
        num_samples += len(block)
        if max_seconds is not None and num_samples > max_seconds * sample_rate_hz:
            raise InputError(
                f"{path}: is longer than {max_seconds:g} s; cut it, or raise"
                " max_clip_seconds, which is that"
            )
    return np.concatenate(blocks)


def audio_blocks(
    path: StrPath,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    note: Callable[[str], None] | None = None,
) -> Iterator[Array]:
    """`read_audio` piece by piece: what it gives, cut into some seconds each.

    A pipe, and standard input, is read to its end at once, into a temporary file, for
    libsndfile goes back and forth in what it reads; a file is opened when the first
    piece is asked for.

    Args:
      path, sample_rate_hz, note: as for `read_audio`.

    Yields:
      (N,) float32 each, N at least 1; their concatenation is, bit for bit, the
      waveform.

    Raises:
      InputError: as `read_audio`. What shows at the end of a file only (it is cut
        short, it holds no samples) is raised there, after the pieces before.
    """
    spool = _spooled(path) if is_stream(path) else None
    return _blocks(path, spool, sample_rate_hz, note)


def is_stream(path: StrPath) -> bool:
    """Whether a path is a pipe, a device or `-`: what can be read just once."""
    return os.fspath(path) == STANDARD_INPUT or atomic.is_stream(path)


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
    path: StrPath,
    spool: IO[bytes] | None,
    sample_rate_hz: int,
    note: Callable[[str], None] | None,
) -> Iterator[Array]:
    """`audio_blocks` of a path, or of the bytes that came from it."""
    where = path if spool is None else spool.name
    if not os.path.isfile(where):
        dangling = os.path.islink(where)
        why = ", for the link leads nowhere" if dangling else " that can be read"
        raise InputError(f"{path}: no such audio file{why}")
    if spool is not None and not os.path.getsize(where):
        raise InputError(f"{path}: nothing came from it; audio is needed")
    holds_some = False
    try:
        # as bytes: soundfile writes a name in the locale's encoding, if it can
        with sf.SoundFile(os.fsencode(where)) as file:
            _require_plausible(path, file)
            # soundfile seeks after each read, which at the end of a stream of
            # unannounced length fails
            file.seekable = lambda: False  # type: ignore[method-assign]
            resampler = None
            if file.samplerate != sample_rate_hz:
                resampler = soxr.ResampleStream(
                    file.samplerate, sample_rate_hz, 1, "float32", _RESAMPLER
                )
            # many channels, and a low rate that becomes a higher one, take more memory
            share = min(1.0, file.samplerate / sample_rate_hz, 2 / file.channels)
            at_once = max(1, int(_BLOCK_FRAMES * share))
            num_frames, more = 0, True
            while more:
                samples = file.read(at_once, dtype="float32", always_2d=True)
                num_frames, more = num_frames + len(samples), len(samples) > 0
                waveform = samples.mean(axis=1)
                if not np.isfinite(waveform).all():
                    raise InputError(f"{path}: holds NaN or infinite samples")
                if resampler is not None:
                    waveform = resampler.resample_chunk(waveform, last=not more)
                if waveform.size:
                    holds_some = True
                    yield waveform
            damage = _damage(where, file, num_frames)
    except InputError:
        raise
    except _DECODER_ERRORS as error:
        told = getattr(error, "error_string", None)  # without those bytes
        reason = told or str(error) or type(error).__name__
        raise InputError(
            f"{path}: cannot be read as audio ({reason}); the file is broken, cut short"
            " or of a format that libsndfile does not read"
        ) from error
    if damage and (note is None or not holds_some):
        raise InputError(f"{path}: {damage}; fetch or make it again")
    if not holds_some:
        raise InputError(f"{path}: holds no samples")
    if damage and note is not None:
        note(damage)


def _require_plausible(path: StrPath, file: sf.SoundFile) -> None:
    """Refuses what libsndfile takes by its name alone, and rates of nothing audible."""
    if file.format == "RAW":  # what is named .au, .snd or .vox, whatever is in it
        raise InputError(
            f"{path}: cannot be read as audio (no header of an audio format)"
        )
    if file.samplerate < LOWEST_RATE_HZ:
        raise InputError(
            f"{path}: announces {file.samplerate} samples a second, and audio has"
            f" {LOWEST_RATE_HZ} at least; its header is broken"
        )


def _damage(path: StrPath, file: sf.SoundFile, num_frames: int) -> str:
    """What shows that a file gave less than it should, or "".

    Args:
      path: of the file.
      file: read to its end.
      num_frames: that it gave.
    """
    if file.format == "OGG":
        damage = ogg.damage(path)
        if damage:
            return damage
    elif file.format == "MP3":  # a guess, unless the header gives the frames
        with open(path, "rb") as handle:
            if not re.search(rb"\x00{9}(Xing|Info)", handle.read(1 << 16)):
                return ""
    if num_frames < file.frames < _UNKNOWN_FRAMES:
        return (
            f"the file is cut short or damaged: it announces {file.frames} samples"
            f" and gave {num_frames}"
        )
    # libsndfile corrects the length of the audio chunk, but notes it in its log. The
    # largest sizes mean "unknown" (WAV written to a pipe).
    for name, said, found in _CORRECTED.findall(file.extra_info):
        whole = name in ("riff", "Riff size")  # of W64 and RF64
        if whole and file.format not in ("W64", "RF64"):
            continue
        most = 1 << 62 if whole else 0x7FFF0000
        slack = _SIZE_TOLERANCE_BYTES if whole else 0
        if int(found) + slack < int(said) < most:
            return (
                f"the file is cut short: it announces {said} bytes and holds {found}"
                " of them"
            )
    contradiction = headers.contradiction(path, file)
    return contradiction and f"the file's header is damaged: {contradiction}"
