"""Event tables in the formats of other tools, all found by name.

desed     TSV: filename, onset, offset, event_label, confidence (DESED, sed_eval)
csv       the same with commas
audacity  a label track: onset, offset, label, separated by tabs; one table is of one
          file (Audacity's manual, "Importing and exporting labels")
raven     a selection table (Raven Pro's manual, "Selection tables"); times count
          through all files of a table, as when Raven opens them as one sequence
jsonl     a JSON object for each file: filename, seconds, events

Times are in seconds. What tables separate by (tabs, line breaks) is written as a space
in names.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic
from ..labels import Event, SegmentGrid
from ..typing import Array, StrPath

# of a confidence that are written
CONFIDENCE_DIGITS = 4
COLUMNS = ("filename", "onset", "offset", "event_label", "confidence")


@dataclasses.dataclass(frozen=True)
class FileEvents:
    """What was found in one file.

    Attributes:
      filename: its name.
      seconds: its length.
      events: in it.
      confidences: of each of these, 0 to 1.
    """

    filename: str
    seconds: float
    events: Sequence[Event]
    confidences: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.events) != len(self.confidences):
            raise InputError(
                f"{self.filename}: {len(self.events)} events, but"
                f" {len(self.confidences)} confidences"
            )

    def rows(self) -> Iterable[tuple[Event, float]]:
        """Event and confidence."""
        return zip(self.events, self.confidences)


Parts = Callable[[Iterable[FileEvents], Sequence[str]], Iterator[str]]


@dataclasses.dataclass(frozen=True)
class EventFormat:
    """A format of event tables.

    Attributes:
      name: what `--format` takes.
      suffix: of its files.
      parts: (files, class names) -> the table, piece by piece as the files come.
      holds_many: whether one table can be of several files.
    """

    name: str
    suffix: str
    parts: Parts
    holds_many: bool = True

    def text(self, files: Iterable[FileEvents], names: Sequence[str]) -> str:
        """The whole table."""
        return "".join(self.parts(files, names))


def _table(separator: str) -> Parts:
    def parts(files: Iterable[FileEvents], names: Sequence[str]) -> Iterator[str]:
        yield _rows([COLUMNS], separator)
        for file in files:
            filename = field(file.filename)
            rows = [
                (
                    filename,
                    f"{event.onset_seconds:.3f}",
                    f"{event.offset_seconds:.3f}",
                    field(names[event.label]),
                    f"{confidence:.{CONFIDENCE_DIGITS}f}",
                )
                for event, confidence in file.rows()
            ]
            yield _rows(rows or [(filename, "", "", "", "")], separator)

    return parts


def _rows(rows: Sequence[Sequence[str]], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _audacity(files: Iterable[FileEvents], names: Sequence[str]) -> Iterator[str]:
    for number, file in enumerate(files):
        if number:
            raise InputError(_ONE_FILE)
        for event, _ in file.rows():
            yield (
                f"{event.onset_seconds:.6f}\t{event.offset_seconds:.6f}"
                f"\t{field(names[event.label])}\n"
            )


_ONE_FILE = (
    "format=audacity: a label track is of one file, and there are several; add"
    " per_file=true"
)
_RAVEN = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "File Offset (s)",
    "Annotation",
    "Confidence",
)
# Events have no frequencies, but readers of such tables want some.
_RAVEN_BAND_HZ = ("0.0", "8000.0")


def _raven(files: Iterable[FileEvents], names: Sequence[str]) -> Iterator[str]:
    yield "\t".join(_RAVEN) + "\n"
    before, number = 0.0, 0
    for file in files:
        for event, confidence in file.rows():
            number += 1
            fields = (
                str(number),
                "Spectrogram 1",
                "1",
                f"{before + event.onset_seconds:.6f}",
                f"{before + event.offset_seconds:.6f}",
                *_RAVEN_BAND_HZ,
                field(file.filename),
                f"{event.onset_seconds:.6f}",
                field(names[event.label]),
                f"{confidence:.{CONFIDENCE_DIGITS}f}",
            )
            yield "\t".join(fields) + "\n"
        before += file.seconds


def _jsonl(files: Iterable[FileEvents], names: Sequence[str]) -> Iterator[str]:
    for file in files:
        yield f"{json.dumps(_document(file, names))}\n"


def _document(file: FileEvents, names: Sequence[str]) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "seconds": round(file.seconds, 3),
        "events": [
            {
                "onset": round(event.onset_seconds, 3),
                "offset": round(event.offset_seconds, 3),
                "event_label": names[event.label],
                "confidence": round(float(confidence), CONFIDENCE_DIGITS),
            }
            for event, confidence in file.rows()
        ],
    }


def field(text: str) -> str:
    """A text as one field of one row, whatever it holds."""
    return re.sub(r"[\t\r\n\0]+", " ", text)


FORMATS = {
    format.name: format
    for format in (
        EventFormat("desed", ".tsv", _table("\t")),
        EventFormat("csv", ".csv", _table(",")),
        EventFormat("audacity", ".txt", _audacity, holds_many=False),
        EventFormat("raven", ".selections.txt", _raven),
        EventFormat("jsonl", ".jsonl", _jsonl),
    )
}


def check_formats(formats: Sequence[str], per_file: bool, num_files: int) -> None:
    """Refuses, before any work, several files in a format that holds one.

    Raises:
      InputError: saying what to do.
    """
    if num_files > 1 and not per_file:
        if not all(FORMATS[name].holds_many for name in formats):
            raise InputError(_ONE_FILE)


def write_event_files(
    out: StrPath,
    files: Iterable[FileEvents],
    class_names: Sequence[str],
    formats: Sequence[str] = ("desed",),
    per_file: bool = False,
) -> list[pathlib.Path]:
    """Writes what was found, in each of the formats.

    Args:
      out: the table; with several formats each has its own suffix in place of the
        name's. With `per_file` a folder, in which each file's tables have its name and
        a suffix.
      files: what was found, file by file; gone through once for each format, one file
        in memory at a time.
      class_names: (C,).
      formats: of `FORMATS`.
      per_file: a table for each file, not one for all.

    Returns:
      The tables.

    Raises:
      InputError: several files in a format that holds one, or a folder that cannot be
        written.
    """
    out = pathlib.Path(out)
    written = []
    try:
        for name in formats:
            form = FORMATS[name]
            if per_file:
                for file in files:
                    path = path_inside(out, file.filename, form.suffix)
                    atomic.write_text(path, form.text([file], class_names))
                    written.append(path)
            else:
                path = out if len(formats) == 1 else out.with_suffix(form.suffix)
                atomic.write_parts(path, form.parts(files, class_names))
                written.append(path)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error})") from error
    return written


def path_inside(folder: pathlib.Path, filename: str, suffix: str) -> pathlib.Path:
    """Where something of a file is written, in the folder and nowhere else."""
    parts = pathlib.PurePosixPath(filename).parts
    inside = "/".join(part for part in parts if part not in ("/", ".."))
    path = folder / f"{inside}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_scores(
    path: StrPath, scores: Array, grid: SegmentGrid, class_names: Sequence[str]
) -> None:
    """Writes segment scores as sed_scores_eval reads them (`io.read_sed_scores`).

    A TSV with the columns onset, offset (seconds) and one for each class, and a row for
    each segment; a row begins where the one before ends.

    Args:
      path: of the table.
      scores: (T, C).
      grid: where the segments lie in time.
      class_names: (C,).
    """
    # a first segment that begins before the recording is cut to it
    edges = [f"{edge:.6f}" for edge in np.maximum(grid.onsets(len(scores) + 1), 0)]
    row = "\t".join(["%s", "%s", *["%.7g"] * len(class_names)]) + "\n"

    def parts() -> Iterator[str]:
        yield "\t".join(["onset", "offset", *map(field, class_names)]) + "\n"
        for onset, offset, values in zip(edges, edges[1:], scores.tolist()):
            yield row % (onset, offset, *values)

    atomic.write_parts(path, parts())
