"""JSON documents with a checksum: read as they were written, or named."""

from __future__ import annotations

import json
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

from .. import atomic
from ..errors import InputError
from ..typing import StrPath

CHECKSUM = "checksum"
# What reading a document raises where it is none; deep nesting ends the parser.
ERRORS = (OSError, ValueError, RecursionError)


def write(path: StrPath, document: Mapping[str, Any], indent: int | None = 1) -> None:
    """Writes a JSON object, and the checksum of what it holds.

    Args:
      path: of the file.
      document: of JSON types; tuples become lists.
      indent: as `json.dumps` has it.
    """
    held = {name: value for name, value in document.items() if name != CHECKSUM}
    whole = {**held, CHECKSUM: _checksum(held)}
    atomic.write_text(path, json.dumps(whole, indent=indent, ensure_ascii=False))


def read(path: StrPath, advice: str) -> dict[str, Any]:
    """The JSON object in a file, without its checksum.

    One that holds no checksum is taken as it is: an older one, or made by hand.

    Args:
      path: of the file.
      advice: what to do where it is broken.

    Raises:
      InputError: it cannot be read, holds something else, or something else than was
        written.
    """
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__}, expected an object")
        checksum = found.pop(CHECKSUM, None)
        if checksum not in (None, _checksum(found)):
            raise ValueError(f"damaged, or edited without removing its {CHECKSUM}")
    except ERRORS as error:
        raise InputError(
            f"{path}: broken ({type(error).__name__}: {error}); {advice}"
        ) from error
    return found


def sealed(document: Any, before: bytes = b"") -> bytes:
    """A line of JSON with a checksum behind a tab, of it and the line before it."""
    text = json.dumps(document).encode()
    return b"%s\t%08x\n" % (text, zlib.crc32(before + text))


def unsealed(line: bytes, before: bytes = b"") -> Any:
    """The document of such a line.

    Raises:
      ValueError: it is cut short or damaged, or the line before it is another.
    """
    text, _, checksum = line.rpartition(b"\t")
    if checksum != b"%08x\n" % zlib.crc32(before + text):
        raise ValueError("its checksum is another")
    return json.loads(text)


def _checksum(document: Mapping[str, Any]) -> str:
    as_read = json.loads(json.dumps(document))
    return f"{zlib.crc32(json.dumps(as_read, sort_keys=True).encode()):08x}"
