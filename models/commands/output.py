"""Where tfweak-predict writes, and in which formats."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from tfweak import atomic
from tfweak.cli import console
from tfweak.errors import InputError
from tfweak.evaluation.event_formats import FORMATS, write_event_files
from tfweak.settings import check, option

if TYPE_CHECKING:
    from ..runs.predictions import Answer
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
    tags: int = option(
        5,
        "tags a file to list at most; those under their threshold are marked",
        lower=1,
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

    def write(
        self,
        run: Run,
        found: Sequence[Answer],
        bad: Sequence[tuple[str, str]],
        stdout: TextIO,
    ) -> None:
        """Writes the tables and says so.

        Args:
          run: whose answers these are.
          found, bad: what `predict_files` gave.
          stdout: where a table for standard output goes.
        """
        from ..runs import predictions

        only = {run.classes.index(name) for name in self.classes} or None
        files = [predictions.file_events(a, only, self.min_confidence) for a in found]
        names, out = run.classes.names, pathlib.Path(self.out)
        if self.out == "-":
            stdout.write(FORMATS[self.format[0]].text(files, names))
            written = []
        else:
            written = write_event_files(out, files, names, self.format, self.per_file)
        if not self.is_stream:
            beside = out / "events" if self.per_file else out
            written += predictions.write_side_tables(
                beside, run.classes, found, bad, self.tags
            )
        for answer in found[:_SHOWN]:
            tags = predictions.top_tags(answer, run.classes, self.tags)
            heard = ", ".join(f"{name} {prob:.2f}" for name, prob, sure in tags if sure)
            print(f"{answer.filename}: {heard}")
        if found[_SHOWN:]:
            print(f"... and {len(found) - _SHOWN} more")
        where = ", ".join(map(str, written)) or "standard output"
        if len(written) > 6:
            where = f"{len(written)} files in {self.out}"
        count = sum(len(file.events) for file in files)
        print(f"{len(found)} clips, {count} events; written to {where}")
        if bad:
            print(f"{len(bad)} files could not be used:", file=sys.stderr)
            for path, reason in bad[:_SHOWN]:
                print(f"  {path}: {reason}", file=sys.stderr)
