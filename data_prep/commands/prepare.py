"""Writes a dataset as TFRecords, in parallel.

Datasets:
{datasets}

Those by clip id join a label list (--labels) with --source: a folder of audio named
YTID, YTID_start_end or YTID_startms, each also with a Y in front, or one below which
lie embedding shards, official ones or this command's. Listed clips that are not there
are in the manifest.

The same command goes on after an interruption. Files that cannot be used are listed in
OUT/manifest.csv with the reason, the rest is written, and the exit status is 3.
"""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from absl import flags

from tfweak.cli import console
from tfweak.cli.flags import as_flags, define, given, option
from tfweak.errors import InputError

from ..datasets import DATASETS
from ..options import Options

if TYPE_CHECKING:
    from ..prepared import Prepared

PROGRAM = "tfweak-prepare"


@dataclasses.dataclass(frozen=True)
class _Task:
    """What is not said about the dataset, but about the work."""

    dataset: str | None = option(None, "What to prepare.", choices=DATASETS.names)
    out: str | None = option(None, "The folder to write.")
    workers: int | None = option(
        None,
        "Processes; one a CPU if not given, and 1 works without extra processes.",
        lower=1,
    )
    clips_per_shard: int | None = option(
        None,
        "About how many clips go into a file; if not given, 1024 of embeddings, 64 of"
        " log-mel, 64 of waveform.",
        lower=1,
    )


_FLAGS = flags.FlagValues()
define(_FLAGS, _Task)
define(_FLAGS, Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, _doc(), _main, argv, program=PROGRAM)


def _main(_: list[str]) -> int:
    try:
        results = _prepare(_Task(**given(_FLAGS, _Task)), given(_FLAGS, Options))
    except InputError as error:
        raise InputError(as_flags(str(error), list(_FLAGS))) from error
    for line in [*(line for r in results for line in r.summary()), _next(results)]:
        print(line)
    return 0 if all(r.is_whole for r in results) else console.SOME_FILES_UNUSABLE


def _prepare(task: _Task, options: dict[str, Any]) -> list[Prepared]:
    if not task.dataset:
        raise InputError(f"dataset is needed: one of {', '.join(DATASETS.names())}")
    if not task.out:
        raise InputError("out is needed: the folder to write")
    DATASETS.get(task.dataset)().require_options(options)
    from ..writer import prepare  # loads TensorFlow, which --help does not need

    how = {"workers": task.workers, "clips_per_shard": task.clips_per_shard}
    return prepare(task.dataset, task.out, Options(**options), **how)


def _next(results: list[Prepared]) -> str:
    train, test = (
        ",".join(str(r.folder) for r in results if r.num_clips and r.is_test is is_test)
        for is_test in (False, True)
    )
    line = f"next: tfweak-train --data={train or 'DIR'} --out=RUN"
    return line + f", then tfweak-evaluate --run=RUN --data={test}" * bool(test)


def _doc() -> str:
    try:
        known = {name: DATASETS.get(name).help for name in DATASETS.names()}
    except InputError as error:  # a plugin that cannot be used
        known = {"unknown": str(error)}
    width = max(map(len, known)) + 4
    lines = [
        textwrap.fill(f"  {name:{width - 2}}{text}", 88, subsequent_indent=" " * width)
        for name, text in known.items()
    ]
    return (__doc__ or "").format(datasets="\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
