"""Measures a run on labelled data.

  tfweak-evaluate --run=RUN --data=DIR --out=metrics.json

Writes every metric (mAP, AUC, d', lwlrap, EER and your own), averaged and by class, and
prints them as a table. Clips with strong labels add those of the localisation.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from absl import flags as absl_flags

from tfweak import atomic
from tfweak.cli import console, flags
from tfweak.settings import REQUIRED, option

from ..runs.config import RunOptions

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    data: tuple[str, ...] = option(
        REQUIRED, "prepared folders or official shards to measure on"
    )
    out: str = option(REQUIRED, "where the JSON goes")
    allow_overlap: bool = option(
        False,
        "measure on clips that the run has learnt from, itself or through"
        " --init=run:PATH",
    )
    batch_size: int = option(64, "clips a step", lower=1)


flags.define(_FLAGS, _Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-evaluate")


def _main(_: list[str]) -> None:
    given = _Options(**flags.given(_FLAGS, _Options))
    out = console.output_file("out", given.out)
    from tfweak.evaluation import summary

    from ..runs import run_folder, scoring, seen_clips

    run = run_folder.load(given.run, given.precision)
    data = scoring.open_for(run, given.data)
    print(f"{given.run}: {len(data):,} clips of {', '.join(given.data)}", flush=True)
    seen = seen_clips.check_unseen(
        given.run, data.clip_ids, "data", given.allow_overlap
    )
    if seen:
        print(
            f"{seen:,} of the clips are known to the run: no measure of how good it is"
        )
    result = scoring.evaluate(run, data, given.batch_size)
    atomic.write_text(out, json.dumps(result, indent=1, ensure_ascii=False))
    print(summary.to_text(result))
    print(f"written to {out}")


if __name__ == "__main__":
    sys.exit(main())
