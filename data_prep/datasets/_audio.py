"""What the audio datasets share: finding files, decoding them, making the payload."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib

import numpy as np

from tfweak import audio, records
from tfweak.errors import InputError
from tfweak.features import LogMelConfig, log_mel, quantise
from tfweak.vggish import Extractor

from . import Bad, BadFile, Options, walk

SAMPLE_RATE_HZ = audio.SAMPLE_RATE_HZ
_FRONT_END = LogMelConfig()

# What an audio dataset reads besides its own options.
OPTIONS = frozenset({"source", "seed", "features", "payload_dtype", "vggish", "pca"})


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What is stored of a waveform; simple values only, for it goes to the workers.

    Attributes:
      payload: kind, dtype and parameters.
      vggish, pca: where a worker finds what embeddings are extracted with; see
        `Extractor.load`. Empty for other payloads.
    """

    payload: records.Payload
    vggish: str = ""
    pca: str = ""

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """The payload of a waveform, (N,) float32 at 16 kHz; see `records.Clip`.

        A waveform shorter than one 25 ms window (0.975 s for embeddings) is padded to
        one with zeros.
        """
        if self.payload.kind == "audio_embedding":
            return self._extractor()(waveform)
        waveform = np.pad(
            waveform, (0, max(0, _FRONT_END.window_samples - len(waveform)))
        )
        if self.payload.kind == "waveform":
            return audio.to_int16(waveform)
        mel = log_mel(waveform, _FRONT_END)
        if self.payload.dtype == "uint8":
            return quantise(mel, _FRONT_END)
        return mel.astype(np.float16)

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
    """What the options ask for: 16 kHz, VGGish's front end.

    Raises:
      InputError: VGGish or its PCA cannot be used.
    """
    if options.features == "embeddings":
        pca = str(options.pca or "")
        try:
            made_with = _extractor(options.vggish, pca)
        except InputError as error:
            raise InputError(f"--features=embeddings: {error}") from error
        return Encoder(made_with.payload, options.vggish, pca)
    if options.features == "waveform":
        return Encoder(
            records.Payload("waveform", "int16", {"sample_rate_hz": SAMPLE_RATE_HZ})
        )
    dtype = options.payload_dtype or "float16"
    return Encoder(
        records.Payload(options.features, dtype, _FRONT_END.parameters(dtype))
    )


@functools.lru_cache(maxsize=1)
def _extractor(source: str, pca: str) -> Extractor:
    """Loaded once in each process that needs it."""
    return Extractor.load(source, pca or None)


def read(source: str | os.PathLike, name: str) -> np.ndarray:
    """The waveform of the file `name` below `source`, (N,) float32 at 16 kHz.

    Raises:
      BadFile: the file is missing, empty, or not usable as audio.
    """
    path = pathlib.Path(source, name)
    if not path.is_file():
        raise BadFile("missing", "no such file")
    if path.stat().st_size == 0:
        raise BadFile("empty", "the file has no bytes")
    try:
        return audio.read_audio(path, SAMPLE_RATE_HZ)
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
        if path.suffix.lower() not in audio.AUDIO_SUFFIXES:
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


def checksum(path: str | os.PathLike) -> str:
    """The SHA-256 of a label file."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
