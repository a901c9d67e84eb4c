"""Arrays in zip files, whose checksums their readers do not look at."""

from __future__ import annotations

import pathlib
import zipfile
import zlib
from typing import Any

from ..errors import InputError


def require_whole(path: pathlib.Path) -> None:
    """Compares the checksums of a zip file with what it holds.

    Raises:
      ValueError: one is another; what zipfile raises where it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise ValueError(f"{damaged} in {path.name} is damaged")


def load_weights(network: Any, path: pathlib.Path) -> None:
    """Loads weights that are as they were saved.

    Raises:
      InputError: they are damaged, or of another network.
    """
    try:
        require_whole(path)
        network.load_weights(path)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{path}: broken, or of another model ({type(error).__name__}: {error})"
        ) from error
