"""A folder of audio, any format and rate, with tables of tags and of events.

A row of `--tags` names a file and its labels; a row of `--events` a file, one label,
and its onset and offset. Either table may be of either kind, one is enough, and a file
may stand in both; where no table is named, those in the source folder are taken.

A clip with event rows has strong labels; its tags are those of its events and those of
the tags table. An event row that holds only the file name says that nothing happens in
the clip. A clip with a row that cannot be used is left out, since a label that is
missing would count as a label that is absent.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.labels import ClassList, Event

from ..dataset import Bad, BadFile, Item, Options, Plan, Split, source_folder
from ..inputs import audio_clips, label_tables

OPTIONS = audio_clips.OPTIONS | {"tags", "events", "classes"}


@dataclasses.dataclass(frozen=True)
class Context:
    """Where the files are and what to make of them."""

    source: str
    encoder: audio_clips.Encoder


@dataclasses.dataclass
class _File:
    """What the tables say of one file."""

    labels: set[str] = dataclasses.field(default_factory=set)
    events: set[tuple[float, float, str]] = dataclasses.field(default_factory=set)
    has_strong: bool = False
    problems: list[str] = dataclasses.field(default_factory=list)


def plan(options: Options) -> Plan:
    """Reads the tables and pairs them with the files.

    Raises:
      InputError: no source, no table, a table without a fitting header, or no labels.
    """
    source = source_folder(options, "a folder of audio files")
    tables = {
        name: path
        for name, path in (("tags", options.tags), ("events", options.events))
        if path is not None
    }
    if not tables:
        tables = _tables_in(source)
    rows = [row for path in tables.values() for row in label_tables.read(path)]
    classes = None if options.classes is None else ClassList.read_csv(options.classes)
    # labels that hold commas are known from the class list or from the event rows
    known = classes or {row.label for row in rows if row.is_strong}
    found, bad = audio_clips.find(source)
    files: dict[str, _File] = {}
    absent: dict[str, Bad] = {}
    paths = _Paths(source, found)
    for row in rows:
        name = paths.resolve(row.filename)
        if isinstance(name, Bad):
            absent.setdefault(
                row.filename,
                dataclasses.replace(name, reason=f"{row.where}: {name.reason}"),
            )
        else:
            _add(files.setdefault(name, _File()), row, known)
    if classes is None:
        classes = _occurring(rows, known)
    items = []
    for name, file in sorted(files.items()):
        file.problems += [
            f"unknown class {label!r}"
            for label in sorted(file.labels)
            if label not in classes
        ]
        if file.problems:
            bad.append(Bad(name, "label", "; ".join(dict.fromkeys(file.problems))))
        else:
            items.append(
                Item(name, _spec(file, classes, audio_clips.size(source / name)))
            )
    bad += absent.values()
    bad += [
        Bad(name, "not listed", "no label table names this file")
        for name in found
        if name not in files
    ]
    encoder = audio_clips.encoder(options)
    sums = {
        name: {"file": path.name, "sha256": audio_clips.checksum(path)}
        for name, path in tables.items()
    }
    return Plan(
        classes,
        encoder.payload,
        {"": Split(tuple(items), tuple(bad))},
        {"seed": options.seed, "tables": sums},
        Context(str(source), encoder),
        options.seed,
    )


def load(item: Item, context: Context) -> Iterator[records.Clip]:
    """The clip of one file; events that end after it are cut at its end."""
    _, labels, times = item.spec
    rate = context.encoder.sample_rate_hz
    waveform = audio_clips.read(context.source, item.name, rate)
    seconds = len(waveform) / rate
    events = (
        None
        if times is None
        else [
            Event(label, onset, min(offset, seconds)) for onset, offset, label in times
        ]
    )
    for event in events or ():
        if event.onset_seconds >= seconds:
            raise BadFile(
                "label",
                f"an event begins at {event.onset_seconds:g} s, the"
                f" clip ends at {seconds:g} s",
            )
    yield records.Clip(
        item.name,
        labels,
        context.encoder(waveform, rate),
        events,
        end_seconds=seconds,
    )


def _tables_in(source: pathlib.Path) -> dict[str, pathlib.Path]:
    """The label tables that lie in the source folder itself, by file name."""
    found = {
        path.name: path
        for path in sorted([*source.glob("*.csv"), *source.glob("*.tsv")])
        if label_tables.is_label_table(path)
    }
    if not found:
        raise InputError(
            f"no label table: give --tags (columns filename and labels) or --events"
            f" (filename, onset, offset, event_label), or put such a CSV or TSV into"
            f" {source}"
        )
    return found


def _add(file: _File, row: label_tables.Row, known: Any) -> None:
    if row.problem:
        file.problems.append(row.problem)
    elif not row.is_strong:
        file.labels.update(label_tables.split_labels(row.label, known))
    else:
        file.has_strong = True
        try:
            times = row.times()
        except InputError as error:
            file.problems.append(str(error))
            return
        if times:
            file.labels.add(row.label)
            file.events.add((*times, row.label))


def _occurring(rows: list[label_tables.Row], known: Any) -> ClassList:
    labels = {row.label for row in rows if row.is_strong and row.label}
    for row in rows:
        if not row.is_strong:
            labels.update(label_tables.split_labels(row.label, known))
    if not labels:
        raise InputError("the tables hold no label; give the classes with --classes")
    return ClassList(tuple(sorted(labels)))


def _spec(file: _File, classes: ClassList, size: int) -> list[Any]:
    """[bytes, labels, None or [onset, offset, label] of each event], all by index."""
    labels = sorted({classes.index(label) for label in file.labels})
    events = sorted({(on, off, classes.index(label)) for on, off, label in file.events})
    return [size, labels, [list(e) for e in events] if file.has_strong else None]


class _Paths:
    """Finds the file that a table names."""

    def __init__(self, source: pathlib.Path, found: dict[str, int]) -> None:
        self._source, self._found = source, found
        self._by_name = collections.defaultdict(list)
        for name in found:
            self._by_name[name.rpartition("/")[2]].append(name)

    def resolve(self, filename: str) -> str | Bad:
        """The path below the source: the one written, else the only one so named."""
        path = pathlib.PurePosixPath(filename)
        name = path.as_posix()
        if name in self._found:
            return name
        inside = not path.is_absolute() and ".." not in path.parts
        if filename and inside and (self._source / name).is_file():
            return name  # whatever it is, decoding tells
        same = self._by_name.get(path.name, [])
        if len(same) == 1:
            return same[0]
        if same:
            return Bad(
                filename,
                "missing",
                f"{len(same)} files have this name, write"
                f" the path: {', '.join(same[:3])}",
            )
        return Bad(filename, "missing", "no such file below the source folder")
