"""What a call of tfweak-predict has found so far, so that a killed one goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from tfweak.data import documents
from tfweak.errors import InputError
from tfweak.evaluation.event_formats import FileEvents
from tfweak.labels import Event

SUFFIX = ".partial"
_CALL, _JOURNAL = "call.json", "journal.jsonl"
_log = logging.getLogger("tfweak")


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is to be written of a file.

    Attributes:
      filename: its name.
      reason: why there is nothing; empty where there is.
      seconds: its length.
      events: (class, onset, offset, confidence).
      tags: (class, probability, whether it reaches the threshold).
    """

    filename: str
    reason: str = ""
    seconds: float = 0.0
    events: Sequence[tuple[int, float, float, float]] = ()
    tags: Sequence[tuple[int, float, bool]] = ()

    def file_events(self) -> FileEvents:
        """For the tables of events."""
        found = [(Event(*event[:3]), event[3]) for event in self.events]
        return FileEvents(
            self.filename, self.seconds, [e for e, _ in found], [c for _, c in found]
        )


class Journal:
    """The entries of a call, in a folder beside its table, until that is written.

    A line of it holds all files that one batch completed, and a checksum. A line that a
    kill cut off, or that is damaged, is left out with all that follow, and their files
    are answered again, in the same batches.

    Args:
      out: the table, or the folder of tables.
      call: all that the answers depend on, as JSON types. A folder of another call is
        begun anew, and that is said.
      resume: go on with what is there; otherwise begin anew.

    Raises:
      InputError: a folder of something else, or one that another process writes.
    """

    def __init__(self, out: pathlib.Path, call: dict[str, Any], resume: bool) -> None:
        self._folder = out.with_name(out.name + SUFFIX)
        folder, known = self._folder, self._folder / _CALL
        if folder.exists() and not known.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: is in the way; move it, or give another out")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / _JOURNAL, "a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise InputError(f"{out}: is written by another process") from error
        self._last = b""  # line
        call = json.loads(json.dumps(call))  # tuples become lists, as in the file
        before = _read(known)
        differs = [key for key in call if before.get(key) != call[key]]
        if before and resume and not differs:
            self._drop_broken_lines()
        else:
            self._file.truncate(0)
            if before and resume:
                _log.info("%s: of a call with other %s; begun anew", folder, differs[0])
        documents.write(known, call)
        self.count = sum(1 for _ in self)
        if self.count:
            _log.info("%s: goes on after %d files", folder, self.count)

    def _drop_broken_lines(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                documents.unsealed(line, self._last)
            except ValueError:
                break
            whole, self._last = whole + len(line), line
        self._file.truncate(whole)

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds what one batch completed."""
        found = [dataclasses.astuple(entry) for entry in entries]
        self._last = documents.sealed(found, self._last)
        self._file.write(self._last)
        self._file.flush()
        self.count += len(entries)

    def __iter__(self) -> Iterator[Entry]:
        """All entries, also those of earlier calls; one line in memory at a time."""
        with open(self._folder / _JOURNAL, "rb") as lines:
            before = b""
            for line in lines:
                for values in documents.unsealed(line, before):
                    yield Entry(*values)
                before = line

    def remove(self) -> None:
        """Once the tables are written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.count:
            self.remove()
        # a full disk was told when the line was written
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def told_of(out: pathlib.Path) -> Iterator[None]:
    """Names the table that cannot be written, such as on a full disk.

    Raises:
      InputError: for an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"out={out}: cannot be written ({error.strerror or error}); once that is"
            " mended, the same command goes on from here"
        ) from error


def _read(path: pathlib.Path) -> dict[str, Any]:
    """The call of a folder; nothing where it is broken, too: all is answered anew."""
    with contextlib.suppress(InputError):
        return documents.read(path, "")
    return {}
