"""What the audio datasets share: finding files, decoding them, making the payload."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib

import numpy as np

from tfweak.audio import front_ends, reading
from tfweak.audio.mel_spectrum import pad_to_window, quantise
from tfweak.errors import InputError
from tfweak.extractor import EXTRACTORS, Extractor
from tfweak.payload import Payload
from tfweak.typing import Array, StrPath

from ..dataset import Bad, BadFile, Options, walk

SAMPLE_RATE_HZ = reading.SAMPLE_RATE_HZ
_FRONT_END = front_ends.get(front_ends.DEFAULT)

# What an audio dataset reads besides its own options.
OPTIONS = frozenset(
    {"source", "seed", "features", "payload_dtype", "front_end", "vggish", "pca"}
)


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What is stored of a waveform; simple values only, for it goes to the workers.

    Attributes:
      payload: kind, dtype and parameters.
      vggish, pca: where a worker finds what embeddings are extracted with; see
        `Extractor.load`. Empty for other payloads.
      front_end: what makes features; VGGish's for other payloads, whose rate they have.
    """

    payload: Payload
    vggish: str = ""
    pca: str = ""
    front_end: front_ends.FrontEnd = _FRONT_END

    @property
    def sample_rate_hz(self) -> int:
        """The rate to decode at: that of the waveforms that are encoded."""
        return self.front_end.sample_rate_hz

    def __call__(self, waveform: Array, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Array:
        """The payload of a waveform, see `records.Clip`.

        A waveform shorter than one window (25 ms with VGGish's front end, 0.975 s for
        embeddings) is padded to one with zeros.

        Args:
          waveform: (N,) float32.
          sample_rate_hz: its rate; where it is not the encoder's, it is resampled.
        """
        waveform = reading.resample(waveform, sample_rate_hz, self.sample_rate_hz)
        if self.payload.kind == "audio_embedding":
            return self._extractor().embed(waveform)
        if self.payload.kind == "waveform":
            return reading.to_int16(
                pad_to_window(waveform, self.front_end.window_samples)
            )
        frames = self.front_end.compute(waveform)
        if self.payload.dtype == "uint8":
            return quantise(frames)
        return frames.astype(np.float16)

    def _extractor(self) -> Extractor:
        try:
            extractor = _extractor(self.vggish, self.pca)
        except InputError as error:
            # not this clip's fault: the run must end instead of leaving clips out
            raise RuntimeError(f"cannot be loaded any more: {error}") from error
        if extractor.payload != self.payload:
            raise RuntimeError(f"{self.vggish}: changed since the run began")
        return extractor


def encoder(options: Options) -> Encoder:
    """What the options ask for.

    Raises:
      InputError: options that contradict each other, or VGGish or its PCA cannot be
        used.
    """
    if options.features != "log_mel" and options.front_end:
        raise InputError(
            f"--front_end={options.front_end} is for --features=log_mel, not for"
            f" {options.features}"
        )
    if options.features == "embeddings":
        pca = str(options.pca or "")
        try:
            made_with = _extractor(options.vggish, pca)
        except InputError as error:
            raise InputError(f"--features=embeddings: {error}") from error
        return Encoder(made_with.payload, options.vggish, pca)
    if options.features == "waveform":
        return Encoder(Payload("waveform", "int16", {"sample_rate_hz": SAMPLE_RATE_HZ}))
    front_end = front_ends.get(options.front_end or front_ends.DEFAULT)
    dtype = options.payload_dtype or "float16"
    if dtype == "uint8" and front_end != _FRONT_END:
        raise InputError(
            f"--payload_dtype=uint8 is for --front_end={front_ends.DEFAULT}: its 256"
            f" steps span the values of that; --front_end={options.front_end} is stored"
            " as float16"
        )
    payload = Payload(front_end.kind, dtype, front_end.parameters(dtype))
    return Encoder(payload, front_end=front_end)


@functools.lru_cache(maxsize=1)
def _extractor(source: str, pca: str) -> Extractor:
    """Loaded once in each process that needs it."""
    return EXTRACTORS.get("vggish").load(source, pca or None)


def read(source: StrPath, name: str, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Array:
    """The waveform of the file `name` below `source`, (N,) float32.

    Args:
      source: a folder.
      name: path below it.
      sample_rate_hz: of the result; an `Encoder` says which it wants.

    Raises:
      BadFile: the file is missing, empty, or not usable as audio.
    """
    path = pathlib.Path(source, name)
    if not path.is_file():
        raise BadFile("missing", "no such file")
    if path.stat().st_size == 0:
        raise BadFile("empty", "the file has no bytes")
    try:
        return reading.read_audio(path, sample_rate_hz)
    except InputError as error:
        reason = str(error).replace(f"{path}: ", "", 1).replace(str(path), name)
        raise BadFile("audio", reason) from error


def find(source: pathlib.Path) -> tuple[dict[str, int], list[Bad]]:
    """Lists the audio files below a folder, at any depth.

    Returns:
      path below `source` -> size in bytes, sorted by path; links that lead nowhere are
      among them (size -1), so that they are not overlooked. And the files whose names
      are not text.
    """
    found: dict[str, int] = {}
    bad: list[Bad] = []
    for path in walk(source):
        if path.suffix.lower() not in reading.AUDIO_SUFFIXES:
            continue
        name = path.relative_to(source).as_posix()
        if name.isprintable():
            found[name] = size(path)
        else:
            reason = "the file name is not printable text; rename it"
            bad.append(Bad(repr(name), "name", reason))
    return dict(sorted(found.items())), bad


def size(path: pathlib.Path) -> int:
    """The size of a file in bytes, -1 where it is not there."""
    return path.stat().st_size if path.is_file() else -1


def checksum(path: StrPath) -> str:
    """The SHA-256 of a label file."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
