"""Measures a run on labelled data.

  tfweak-evaluate --run=RUN --data=DIR --out=metrics.json

Writes every metric (mAP, AUC, d', lwlrap, EER and your own), averaged and by class, and
prints them as a table. Clips with strong labels add those of the localisation.

  tfweak-evaluate --run=RUN --tune [--data=DIR]

Chooses anew how the run makes events of its answers (source of scores, decoder, its
settings, thresholds), on clips that have chosen nothing else: the run's own validation
clips or other data that it has not learnt from. That is stored in the run, for all
commands. Without strong labels it is chosen on mixtures of known times.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.errors import InputError
from tfweak.files import atomic
from tfweak.settings import option

from ..runs.config import RunOptions
from .tune_options import TuneOptions

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    data: tuple[str, ...] = option(
        (),
        "prepared folders or official shards to measure on, or to tune on; to tune, the"
        " run's validation clips if not given",
    )
    out: str = option("", "where the JSON goes; needed to measure")
    allow_overlap: bool = option(
        False,
        "measure on clips that the run has learnt from, itself or through"
        " --init=run:PATH",
    )
    batch_size: int = option(64, "clips a step", lower=1)
    every_decoder: bool = option(
        False, "also measure the best with each decoder and source that were tuned"
    )
    join_pauses: float | None = option(
        None,
        "events of a class at most so many seconds apart count as one, in truth and"
        " answer alike: for sounds in bursts, such as barks; if not given, events are"
        " taken as they are",
        lower=0.0,
    )


flags.define(_FLAGS, _Options)
flags.define(_FLAGS, TuneOptions)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-evaluate")


def _main(_: list[str]) -> None:
    given = _Options(**flags.given(_FLAGS, _Options))
    tuning = TuneOptions(**flags.given(_FLAGS, TuneOptions))
    if tuning.tune:
        if given.out or given.every_decoder:
            raise InputError("out, every_decoder: are of measuring, not of tune")
        tuning.apply(given.run, given.data, given.precision, given.allow_overlap)
        return
    if not given.data or not given.out:
        raise InputError("data and out are needed to measure")
    out = console.output_file("out", given.out)
    atomic.remove_leftovers_of(out)
    from tfweak.evaluation import summary

    from ..runs import run_folder, scoring, seen_clips

    run = run_folder.load(given.run, given.precision)
    if given.every_decoder:
        run.decodings.update(run_folder.tried_decodings(given.run))
    data = scoring.open_for(run, given.data)
    print(f"{given.run}: {len(data):,} clips of {', '.join(given.data)}", flush=True)
    ids, may = data.clip_ids, given.allow_overlap
    if seen := seen_clips.check_unseen(given.run, ids, "data", may):
        print(f"{seen:,} of the clips are known to the run: no measure of its quality")
    result = scoring.evaluate(run, data, given.batch_size, given.join_pauses)
    atomic.write_text(out, json.dumps(result, indent=1, ensure_ascii=False))
    print(f"{summary.to_text(result)}\nwritten to {out}")


if __name__ == "__main__":
    sys.exit(main())
