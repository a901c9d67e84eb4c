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
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import atomic
from ..errors import InputError
from ..labels import Event
from ..typing import StrPath

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


@dataclasses.dataclass(frozen=True)
class EventFormat:
    """A format of event tables.

    Attributes:
      name: what `--format` takes.
      suffix: of its files.
      text: (files, class names) -> the whole table.
      holds_many: whether one table can be of several files.
    """

    name: str
    suffix: str
    text: Callable[[Sequence[FileEvents], Sequence[str]], str]
    holds_many: bool = True


def _table(separator: str) -> Callable[[Sequence[FileEvents], Sequence[str]], str]:
    def text(files: Sequence[FileEvents], names: Sequence[str]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, lineterminator="\n")
        writer.writerow(COLUMNS)
        for file in files:
            filename = _field(file.filename)
            if not file.events:
                writer.writerow((filename, "", "", "", ""))
            for event, confidence in file.rows():
                times = f"{event.onset_seconds:.3f}", f"{event.offset_seconds:.3f}"
                label = _field(names[event.label])
                writer.writerow((filename, *times, label, f"{confidence:.4f}"))
        return out.getvalue()

    return text


def _audacity(files: Sequence[FileEvents], names: Sequence[str]) -> str:
    if len(files) > 1:
        raise InputError(
            "format=audacity: a label track is of one file, and there are"
            f" {len(files)}; add per_file=true"
        )
    return "".join(
        f"{event.onset_seconds:.6f}\t{event.offset_seconds:.6f}"
        f"\t{_field(names[event.label])}\n"
        for file in files
        for event, _ in file.rows()
    )


_RAVEN = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Begin File",
    "File Offset (s)",
    "Annotation",
    "Confidence",
)


def _raven(files: Sequence[FileEvents], names: Sequence[str]) -> str:
    lines = ["\t".join(_RAVEN)]
    before = 0.0
    for file in files:
        for event, confidence in file.rows():
            lines.append(
                "\t".join(
                    (
                        str(len(lines)),
                        "Spectrogram 1",
                        "1",
                        f"{before + event.onset_seconds:.6f}",
                        f"{before + event.offset_seconds:.6f}",
                        _field(file.filename),
                        f"{event.onset_seconds:.6f}",
                        _field(names[event.label]),
                        f"{confidence:.4f}",
                    )
                )
            )
        before += file.seconds
    return "\n".join(lines) + "\n"


def _jsonl(files: Sequence[FileEvents], names: Sequence[str]) -> str:
    return "".join(f"{json.dumps(_document(file, names))}\n" for file in files)


def _document(file: FileEvents, names: Sequence[str]) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "seconds": round(file.seconds, 3),
        "events": [
            {
                "onset": round(event.onset_seconds, 3),
                "offset": round(event.offset_seconds, 3),
                "event_label": names[event.label],
                "confidence": round(float(confidence), 4),
            }
            for event, confidence in file.rows()
        ],
    }


def _field(text: str) -> str:
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


def write_event_files(
    out: StrPath,
    files: Sequence[FileEvents],
    class_names: Sequence[str],
    formats: Sequence[str] = ("desed",),
    per_file: bool = False,
) -> list[pathlib.Path]:
    """Writes what was found, in each of the formats.

    Args:
      out: the table; with several formats each has its own suffix in place of the
        name's. With `per_file` a folder, in which each file's tables have its name and
        a suffix.
      files: what was found, file by file.
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
                    path = out / f"{_inside(file.filename)}{form.suffix}"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    atomic.write_text(path, form.text([file], class_names))
                    written.append(path)
            else:
                path = out if len(formats) == 1 else out.with_suffix(form.suffix)
                atomic.write_text(path, form.text(files, class_names))
                written.append(path)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error})") from error
    return written


def _inside(filename: str) -> str:
    """A file name that stays in a folder."""
    parts = pathlib.PurePosixPath(filename).parts
    return "/".join(part for part in parts if part not in ("/", ".."))
