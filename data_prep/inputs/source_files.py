"""The files of a source: found, sized, and decoded."""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator

from tfweak.audio import reading
from tfweak.errors import InputError
from tfweak.typing import Array, StrPath

from ..dataset import Bad, BadFile
from ..options import Options


def read_clip(
    source: StrPath,
    name: str,
    sample_rate_hz: int = reading.SAMPLE_RATE_HZ,
    max_seconds: float = Options.max_clip_seconds,
    note: Callable[[str], None] | None = None,
) -> Array:
    """The waveform of the file `name` below `source`, (N,) float32.

    Args:
      source: a folder.
      name: path below it.
      sample_rate_hz: of the result; an `Encoder` says which it wants.
      max_seconds: the longest that is taken.
      note: see `read_audio`.

    Raises:
      BadFile: the file is missing, empty, or not usable as audio.
    """
    path = pathlib.Path(source, name)
    if not path.is_file():
        raise BadFile("missing", "not a file" if path.exists() else "no such file")
    if path.stat().st_size == 0:
        raise BadFile("empty", "the file has no bytes")
    try:
        return reading.read_audio(path, sample_rate_hz, max_seconds, note)
    except InputError as error:
        reason = str(error).replace(f"{path}: ", "", 1).replace(str(path), name)
        raise BadFile("audio", reason) from error


def audio_files(source: pathlib.Path) -> tuple[dict[str, int], list[Bad]]:
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
            if sys.getfilesystemencoding() != "utf-8":
                reason += ", or set PYTHONUTF8=1 where it is UTF-8"
            bad.append(Bad(repr(name), "name", reason))
    return dict(sorted(found.items())), bad


def walk(source: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files below a folder, at any depth and through links; hidden ones are not.

    Raises:
      InputError: a folder cannot be read, whose files would be missing unsaid.
    """

    def unreadable(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: this folder cannot be read ({error.strerror}); allow"
            " that, or move it away"
        ) from error

    seen: set[str] = set()  # a link may lead to a folder above
    for folder, folders, files in os.walk(source, onerror=unreadable, followlinks=True):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        if os.path.realpath(folder) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        for file in sorted(files):
            if not file.startswith("."):
                yield pathlib.Path(folder, file)


def size(path: pathlib.Path) -> int:
    """The size of a file in bytes, -1 where it is not there."""
    return path.stat().st_size if path.is_file() else -1


def checksum(path: StrPath) -> str:
    """The SHA-256 of a label file."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
