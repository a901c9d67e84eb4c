"""A folder of audio, any format and rate, with tables of tags and of events.

A row of `tags` names a file and its labels; a row of `events` a file, one label,
and its onset and offset. Either table may be of either kind, one is enough, and a file
may stand in both; where no table is named, those in the source folder are taken.

A clip with event rows has strong labels; its tags are those of its events and those of
the tags table. An event row that holds only the file name says that nothing happens in
the clip. A clip with a row that cannot be used is left out, since a label that is
missing would count as a label that is absent. A file that several rows of tags name has
the labels of all of them; where these differ, it is reported, as `several rows`.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tfweak.errors import InputError
from tfweak.labels import ClassList, Event

from ..dataset import Bad, Dataset, Item, Preparation, Split
from ..inputs import audio_clips, label_tables, source_files
from ..options import Options

if TYPE_CHECKING:
    from tfweak.data import records

_log = logging.getLogger(__name__)


class Folder(Dataset):
    """Reads the tables and pairs them with the files."""

    name = "folder"
    help = "a folder of audio, with tables of tags and of events"
    options = audio_clips.OPTIONS | {"tags", "events", "classes"}

    def plan(self, options: Options) -> Preparation:
        """One item per file that a table names.

        Raises:
          InputError: no source, no table, a table without a fitting header, or no
            labels.
        """
        source = options.source_folder("a folder of audio files")
        named = {"tags": options.tags, "events": options.events}
        tables = {name: path for name, path in named.items() if path is not None}
        tables = tables or _tables_in(source)
        rows = [
            row for path in tables.values() for row in label_tables.read_table(path)
        ]
        classes = options.class_list()
        # labels that hold commas are known from the class list or from the event rows
        known = {row.label for row in rows if row.is_strong}
        if classes is not None:
            known = {*classes.names, *classes.mids}
        found, bad = source_files.audio_files(source)
        files, absent = _pair(rows, _Paths(source, found), known)
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
                size = source_files.size(source / name)
                items.append(Item(name, _spec(file, classes, size)))
        bad += _several_rows(files, classes)
        bad += absent
        bad += [
            Bad(name, "not listed", "no label table names this file")
            for name in found
            if name not in files
        ]
        context = audio_clips.AudioFolder(str(source), audio_clips.encoder(options))
        sums = {
            name: {"file": path.name, "sha256": source_files.checksum(path)}
            for name, path in tables.items()
        }
        return Preparation(
            classes,
            context.encoder.payload,
            {"": Split(tuple(items), tuple(bad))},
            {"seed": options.seed, "tables": sums},
            context,
            options.seed,
        )

    def load(
        self, item: Item, context: audio_clips.AudioFolder
    ) -> Iterator[records.Clip]:
        """The clip of one file; events that end after it are cut at its end."""
        _, labels, times = item.spec
        events = None
        if times is not None:
            events = [Event(label, onset, offset) for onset, offset, label in times]
        yield context.clip(item.name, labels, events)


@dataclasses.dataclass
class _File:
    """What the tables say of one file."""

    labels: set[str] = dataclasses.field(default_factory=set)
    events: set[tuple[float, float, str]] = dataclasses.field(default_factory=set)
    has_strong: bool = False
    problems: list[str] = dataclasses.field(default_factory=list)
    tag_rows: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add(self, row: label_tables.TableRow, known: set[str]) -> None:
        """Adds what a row says."""
        if row.problem:
            self.problems.append(row.problem)
        elif not row.is_strong:
            labels = label_tables.split_labels(row.label, known)
            self.tag_rows[row.where] = labels
            self.labels.update(labels)
        else:
            self.has_strong = True
            try:
                times = row.times()
            except InputError as error:
                self.problems.append(str(error))
                return
            if times:
                self.labels.add(row.label)
                self.events.add((*times, row.label))


def _tables_in(source: pathlib.Path) -> dict[str, pathlib.Path]:
    """The label tables that lie in the source folder itself, by file name."""
    found = {
        path.name: path
        for path in sorted([*source.glob("*.csv"), *source.glob("*.tsv")])
        if label_tables.is_label_table(path)
    }
    if not found:
        raise InputError(
            "tags is needed: a table with the columns filename and labels; or"
            " events=TABLE with filename, onset, offset, event_label; or put such a CSV"
            f" or TSV into {source}"
        )
    return found


def _pair(
    rows: list[label_tables.TableRow], paths: _Paths, known: set[str]
) -> tuple[dict[str, _File], Iterable[Bad]]:
    """What the rows say of each file, and the files that are not there."""
    files: dict[str, _File] = {}
    absent: dict[str, Bad] = {}
    for row in rows:
        name = paths.resolve(row.filename)
        if isinstance(name, Bad):
            reason = f"{row.where}: {name.reason}"
            absent.setdefault(row.filename, dataclasses.replace(name, reason=reason))
        else:
            files.setdefault(name, _File()).add(row, known)
    return files, absent.values()


def _several_rows(files: dict[str, _File], classes: ClassList) -> list[Bad]:
    """The files whose rows of tags differ, in the order of the tables."""
    found = []
    for name, file in files.items():
        if file.problems:
            continue
        rows_say = {frozenset(map(classes.index, t)) for t in file.tag_rows.values()}
        if len(rows_say) > 1:
            rows = "; ".join(f"{w}: {', '.join(t)}" for w, t in file.tag_rows.items())
            reason = f"its rows differ, and it has the labels of all: {rows}"
            found.append(Bad(name, "several rows", reason))
    if found:
        _log.warning(
            "rows of tags differ for %d of the files, which have the labels of all"
            " their rows: such as %s (%s)",
            len(found),
            found[0].file,
            found[0].reason.partition(": ")[2],
        )
    return found


def _occurring(rows: list[label_tables.TableRow], known: set[str]) -> ClassList:
    labels = {row.label for row in rows if row.is_strong and row.label}
    for row in rows:
        if not row.is_strong:
            labels.update(label_tables.split_labels(row.label, known))
    if not labels:
        raise InputError("the tables hold no label; classes can name them")
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
            names = ", ".join(same[:3])
            reason = f"{len(same)} files have this name, write the path: {names}"
            return Bad(filename, "missing", reason)
        return Bad(filename, "missing", "no such file below the source folder")
