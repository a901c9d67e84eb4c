"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator

from ..errors import InputError
from ..typing import StrPath

SUFFIX = ".tmp"
_LEFTOVER = re.compile(rf".*\.\d+{re.escape(SUFFIX)}(\.\w+)?")


@contextlib.contextmanager
def replaced(path: StrPath, suffix: str = SUFFIX) -> Iterator[pathlib.Path]:
    """A name beside `path` to write to, which takes `path`'s place at the end.

    A killed process leaves nothing of the final name that is not whole; after an
    exception nothing is left at all. A link stays one: what it leads to is replaced.

    Args:
      path: the final name.
      suffix: what the temporary name ends with, for libraries that tell a format from
        it.
    """
    path = pathlib.Path(os.path.realpath(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}{suffix}")
    try:
        with named(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: StrPath) -> Iterator[pathlib.Path]:
    """`replaced` for a folder, which is made under another name.

    One that is there already is set aside as a whole before it is removed.
    """
    path = pathlib.Path(os.path.realpath(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}{SUFFIX}")
    try:
        with named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers_of(path)
            temporary.mkdir()
            yield temporary
            before = _set_aside(path)
            os.replace(temporary, path)
            shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _set_aside(folder: pathlib.Path) -> pathlib.Path:
    """Gives a folder, if it is there, a name of what is left by a kill."""
    aside = folder.with_name(f"{folder.name}.{os.getpid()}{SUFFIX}.old")
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder, aside)
    return aside


@contextlib.contextmanager
def named(path: StrPath) -> Iterator[None]:
    """Has an `OSError` that names no file, as of a full disk, name this path."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def remove_leftovers(folder: StrPath, pattern: str = "*") -> None:
    """Removes what killed processes left half-written in a folder.

    Args:
      folder: which nobody else writes in, or not what the pattern fits.
      pattern: a glob of what is looked at.
    """
    for path in list(pathlib.Path(folder).glob(pattern)):
        if _LEFTOVER.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def remove_leftovers_of(path: StrPath) -> None:
    """Removes what killed processes left half-written of a file or folder."""
    path = pathlib.Path(path)
    remove_leftovers(path.parent, f"{glob.escape(path.name)}.*")


def remove_folder(folder: StrPath) -> None:
    """Removes a folder, which a kill leaves there whole, or not under its name."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_set_aside(pathlib.Path(folder)))


def is_stream(path: StrPath) -> bool:
    """Whether a path is a pipe or a device, which is written through."""
    path = pathlib.Path(path)
    return path.exists() and not path.is_file() and not path.is_dir()


def require_files(path: StrPath) -> None:
    """Refuses what would be waited for: a pipe, or a folder that holds one, deep down.

    Raises:
      InputError: naming the pipe, socket or device.
    """
    paths = [os.fspath(path)]
    for folder, _, names in os.walk(path):
        paths += [os.path.join(folder, name) for name in names]
    for found in paths:
        if is_stream(found):
            raise InputError(
                f"{found}: is a pipe, a socket or a device, and a file is needed"
            )


def write_text(path: StrPath, text: str) -> None:
    """Writes a text file in UTF-8; what was no UTF-8 in file names keeps its bytes."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: StrPath, data: bytes) -> None:
    """Writes a file, or to a pipe or device."""
    if is_stream(path):
        with open(path, "wb") as stream:
            stream.write(data)
        return
    with replaced(path) as temporary:
        temporary.write_bytes(data)


def write_parts(path: StrPath, parts: Iterable[str]) -> None:
    """`write_text` for a text that comes in parts; a pipe gets each at once."""
    through = is_stream(path)
    with contextlib.nullcontext(path) if through else replaced(path) as target:
        with open(
            target, "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as out:
            for part in parts:
                out.write(part)
                if through:
                    out.flush()
