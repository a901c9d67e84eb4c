"""Where a training that is killed goes on."""

from __future__ import annotations

import io
import pathlib
import re
import shutil
import zipfile
import zlib
from typing import Any

import numpy as np

from tfweak.errors import InputError
from tfweak.files import archives, atomic, documents
from tfweak.typing import Array

_EPOCH = re.compile(r"epoch-\d+")


class ResumePoint:
    """The state after the last whole epoch: weights, optimizer, bests, history.

    Two folders take turns, and a pointer file is replaced last, so that a kill at any
    moment leaves a whole state.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder / "last"

    def save(self, arrays: dict[str, list[Array]], state: dict[str, Any]) -> None:
        """Stores lists of arrays by name and a JSON document."""
        name = f"epoch-{state['epoch']}"
        target = self._folder / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for key, values in arrays.items():
            # in memory first: on a full disk NumPy leaves its file to the collector,
            # which fails once more, with a traceback
            whole = io.BytesIO()
            np.savez(whole, *values)
            atomic.write_bytes(target / f"{key}.npz", whole.getvalue())
        documents.write(target / "state.json", state, indent=None)
        atomic.write_text(self._folder / "current", name)
        self._tidy(name)

    def _tidy(self, name: str) -> None:
        """Leaves the state of this name alone."""
        atomic.remove_leftovers(self._folder)
        for other in self._folder.iterdir():
            if other.is_dir() and other.name != name:
                shutil.rmtree(other, ignore_errors=True)

    def load(self) -> tuple[dict[str, list[Array]], dict[str, Any]] | None:
        """What `save` stored last; None where there is nothing yet.

        Raises:
          InputError: it is broken.
        """
        pointer = self._folder / "current"
        if not pointer.exists():
            return None
        try:
            name = pointer.read_text(encoding="utf-8")
            if not _EPOCH.fullmatch(name):
                raise ValueError(f"current is {name!r}")
            target = self._folder / name
            arrays = {}
            for path in target.glob("*.npz"):
                archives.require_whole(path)
                with np.load(path) as stored:
                    arrays[path.stem] = [
                        stored[f"arr_{i}"] for i in range(len(stored.files))
                    ]
            state = documents.read(target / "state.json", "")
            if not isinstance(state["epoch"], int) or state["epoch"] < 0:
                raise ValueError(f"epoch is {state['epoch']!r}")
            if not isinstance(state["best"], dict):
                raise TypeError("best is no document")
            for row in state["history"]:
                if not all(isinstance(value, (int, float)) for value in row.values()):
                    raise TypeError("history holds other things than numbers")
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            NotImplementedError,  # a way of packing that zipfile does not know
            RuntimeError,  # encrypted
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise InputError(
                f"{self._folder}: the resume point is broken ({type(error).__name__}:"
                f" {error}); train in another folder, or remove this one to begin anew"
            ) from error
        self._tidy(name)  # of what a kill has left
        return arrays, state
