"""What tfweak-predict writes, where, and in which formats."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from tfweak.audio.reading import AUDIO_SUFFIXES
from tfweak.cli import console
from tfweak.errors import InputError
from tfweak.evaluation import event_formats
from tfweak.evaluation.event_formats import FORMATS
from tfweak.files import atomic
from tfweak.settings import check, option

from .journal import Entry, Journal

if TYPE_CHECKING:
    from ..runs.predictions import Answer, Unusable
    from ..runs.run import Run

_SHOWN = 20  # files that are printed


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, and where.

    Raises:
      InputError: several tables to where one can be written, or a folder that cannot be
        written.
    """

    out: str = option(
        "events.tsv",
        "table of events to write, - for standard output; with --per_file a folder",
    )
    format: tuple[str, ...] = option(
        ("desed",),
        f"of the table: {', '.join(FORMATS)}; with several, each has its own suffix",
        choices=tuple(FORMATS),
    )
    per_file: bool = option(False, "a table for each file, in the folder --out")
    classes: tuple[str, ...] = option((), "write events of these classes alone")
    min_confidence: float = option(
        0.0, "write events of this confidence at least", lower=0.0, upper=1.0
    )
    top: int | None = option(
        None, "events a file to write at most, those of the highest confidence", lower=1
    )
    tags: int = option(
        5,
        "tags a file to list at most; those under their threshold are marked",
        lower=1,
    )
    scores: str | None = option(
        None,
        "folder for the scores of all segments: for each file a table onset, offset and"
        " a column for each class, as sed_scores_eval reads it",
    )
    resume: bool = option(
        True,
        "go on with the same call where it was killed; what it has found is kept beside"
        " the table, in OUT.partial",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.is_stream:
            if self.per_file or len(self.format) > 1:
                raise InputError(
                    f"out={self.out}: takes one table; give one format, and no per_file"
                )
        elif not self.per_file:
            console.output_file("out", self.out)

    @property
    def is_stream(self) -> bool:
        """Whether it is standard output, a pipe or a device: one table and no more."""
        return self.out == "-" or atomic.is_stream(self.out)

    @property
    def path(self) -> pathlib.Path:
        """Where it is written, if not standard output."""
        return pathlib.Path(self.out)

    def as_call(self) -> dict[str, Any]:
        """What the entries of a journal depend on."""
        return {k: v for k, v in vars(self).items() if k not in ("out", "resume")}


class Writer:
    """Writes what is found, file by file, and says so at the end.

    Args:
      options: what is written, and where.
      run: whose answers these are.
      names: of the files, as far as they are known.

    Raises:
      InputError: a class that the run has not, or several files in a format of one.
    """

    def __init__(self, options: OutputOptions, run: Run, names: Sequence[str]) -> None:
        self._options, self._run = options, run
        self._only = {run.classes.index(name) for name in options.classes}
        event_formats.check_formats(options.format, options.per_file, len(names))
        self._ids = _ids(names)
        self._told: list[Entry] = []
        self._bad: list[Entry] = []
        self._clips = self._events = 0

    def write_stream(
        self, groups: Iterable[Sequence[Answer | Unusable]], stdout: TextIO
    ) -> int:
        """Writes one table as the files are done; returns the exit status."""

        def files() -> Iterator[event_formats.FileEvents]:
            for group in groups:
                for result in group:
                    entry = self._entry(result)
                    self._count(entry)
                    if not entry.reason:
                        yield entry.file_events()

        form = FORMATS[self._options.format[0]]
        parts = form.parts(files(), self._run.classes.names)
        if self._options.out == "-":
            for part in parts:
                stdout.write(part)
                stdout.flush()
        else:
            atomic.write_parts(self._options.out, parts)
        return self._tell("standard output" if self._options.out == "-" else "")

    def write_tables(
        self, groups: Iterable[Sequence[Answer | Unusable]], journal: Journal
    ) -> int:
        """Keeps all in the journal, then writes the tables; returns the exit status."""
        options, out = self._options, self._options.path
        if options.per_file:
            atomic.remove_leftovers(out, "**/*")
        else:
            atomic.remove_leftovers_of(out.with_suffix(""))
        if options.scores is not None:
            atomic.remove_leftovers(options.scores, "**/*")
        for group in groups:
            journal.add([self._entry(result) for result in group])
        names = self._run.classes.names
        written = event_formats.write_event_files(
            out, _Usable(journal), names, options.format, options.per_file
        )
        beside = out / "events" if options.per_file else out
        written += [beside.with_suffix(".tags.tsv")]
        atomic.write_parts(written[-1], _tag_lines(journal, names))
        for entry in journal:
            self._count(entry)
        bad_path = beside.with_suffix(".bad.tsv")
        bad_path.unlink(missing_ok=True)  # of an earlier call
        if self._bad:
            field = event_formats.field
            rows = [f"{field(e.filename)}\t{field(e.reason)}" for e in self._bad]
            atomic.write_text(bad_path, "\n".join(["filename\treason", *rows]) + "\n")
            written.append(bad_path)
        journal.remove()
        many = f"{len(written)} files in {out}"
        return self._tell(many if len(written) > 6 else ", ".join(map(str, written)))

    def _entry(self, result: Answer | Unusable) -> Entry:
        """What is to be written of a file; its scores are, at once."""
        from ..runs.predictions import Unusable

        if isinstance(result, Unusable):
            return Entry(result.filename, result.reason)
        if self._options.scores is not None:
            folder = pathlib.Path(self._options.scores)
            name = self._ids.get(result.filename, result.filename)
            path = event_formats.path_inside(folder, name, ".tsv")
            grid, names = self._run.architecture.grid, self._run.classes.names
            event_formats.write_scores(path, result.segment_probs, grid, names)
        kept = [
            (event.label, event.onset_seconds, event.offset_seconds, confidence)
            for event, confidence in zip(result.events, result.confidences)
            # as it is written: what a table says is enough to get the same again
            if round(float(confidence), event_formats.CONFIDENCE_DIGITS)
            >= self._options.min_confidence
            and (not self._only or event.label in self._only)
        ]
        best = sorted(range(len(kept)), key=lambda i: -kept[i][3])[: self._options.top]
        probs = result.clip_probs
        order = np.argsort(-probs, kind="stable")[: self._options.tags]
        return Entry(
            result.filename,
            "",
            result.seconds,
            [kept[i] for i in sorted(best)],
            [(int(i), float(probs[i]), bool(result.sure[i])) for i in order],
        )

    def _count(self, entry: Entry) -> None:
        if entry.reason:
            self._bad.append(entry)
            return
        self._clips += 1
        self._events += len(entry.events)
        if len(self._told) < _SHOWN:
            self._told.append(entry)

    def _tell(self, where: str) -> int:
        for entry in self._told:
            heard = ", ".join(
                f"{self._run.classes.names[label]} {prob:.2f}"
                for label, prob, sure in entry.tags
                if sure
            )
            print(f"{entry.filename}: {heard}")
        if self._clips > _SHOWN:
            print(f"... and {self._clips - _SHOWN} more")
        where = where or self._options.out
        print(f"{self._clips} clips, {self._events} events; written to {where}")
        if self._bad:
            print(f"{len(self._bad)} files could not be used:", file=sys.stderr)
            for entry in self._bad[:_SHOWN]:
                print(f"  {entry.filename}: {entry.reason}", file=sys.stderr)
        if not self._clips:
            raise InputError("none of the files could be used")
        return console.SOME_FILES_UNUSABLE if self._bad else 0


class _Usable:
    """The files of a journal that have an answer, as often as they are asked for."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __iter__(self) -> Iterator[event_formats.FileEvents]:
        return (entry.file_events() for entry in self._journal if not entry.reason)


def _tag_lines(entries: Iterable[Entry], names: Sequence[str]) -> Iterator[str]:
    yield "filename\tevent_label\tprobability\tdetected\n"
    for entry in entries:
        for label, prob, sure in entry.tags:
            name = event_formats.field(entry.filename)
            yield f"{name}\t{names[label]}\t{prob:.6f}\t{int(sure)}\n"


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Names without the endings of audio, where that leaves them apart."""
    stems = {
        name: name.rpartition(".")[0]
        for name in names
        if pathlib.PurePath(name).suffix.lower() in AUDIO_SUFFIXES
    }
    count = collections.Counter(stems.values())
    return {name: stem if count[stem] == 1 else name for name, stem in stems.items()}
