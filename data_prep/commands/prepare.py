"""Writes a dataset as TFRecords, in parallel.

The datasets by clip id join a label list (--labels) with --source: a folder of audio
named YTID, YTID_start_end or YTID_startms, each also with a Y in front, or one above
embedding shards, official ones or this command's.

The same command goes on after an interruption. What cannot be used, and listed clips
that are missing, stand in OUT/manifest.csv; the rest is written, the exit status is 3.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from absl import flags

from tfweak.cli import console
from tfweak.cli.flags import define, given
from tfweak.cli.listing import listing
from tfweak.errors import InputError
from tfweak.settings import option

from ..datasets import DATASETS
from ..options import Options

if TYPE_CHECKING:
    from ..prepared import Prepared

PROGRAM = "tfweak-prepare"


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is said about the work, not about the dataset."""

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
define(_FLAGS, _Work)
define(_FLAGS, Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    program, more = PROGRAM, lambda: f"datasets:\n{listing(DATASETS)}"
    return console.run(_FLAGS, __doc__, _main, argv, program=program, more_help=more)


def _main(_: list[str]) -> int:
    work = _Work(**given(_FLAGS, _Work))
    if not work.dataset:
        raise InputError(f"dataset is needed: one of {', '.join(DATASETS.names())}")
    if not work.out:
        raise InputError("out is needed: the folder to write")
    options = given(_FLAGS, Options)
    DATASETS.get(work.dataset)().require_options(options)
    from ..writer import prepare  # loads TensorFlow, which --help does not need

    results = prepare(
        work.dataset,
        work.out,
        Options(**options),
        workers=work.workers,
        clips_per_shard=work.clips_per_shard,
    )
    print("\n".join([*(line for r in results for line in r.summary()), _next(results)]))
    return 0 if all(r.is_whole for r in results) else console.SOME_FILES_UNUSABLE


def _next(results: list[Prepared]) -> str:
    train, test = (
        ",".join(str(r.folder) for r in results if r.num_clips and r.is_test is is_test)
        for is_test in (False, True)
    )
    then = f", then tfweak-evaluate --run=RUN --data={test}" if test else ""
    return f"next: tfweak-train --data={train or 'DIR'} --out=RUN{then}"


if __name__ == "__main__":
    sys.exit(main())
