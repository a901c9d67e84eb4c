"""Measures a run on labelled data.

  tfweak-evaluate --run=RUN --data=DIR --out=metrics.json

Writes every metric (mAP, AUC, d', lwlrap, EER and your own), averaged and by class, and
prints them as a table. Clips with strong labels add those of the localisation.

  tfweak-evaluate --run=RUN --tune [--data=DIR]

Chooses anew how the run makes events of its answers (source of scores, decoder, its
settings, thresholds), on clips that have chosen nothing else: the run's own validation
clips or other data that it has not learnt from. That is stored in the run and used by
all commands from then on. Without strong labels it is chosen on mixtures of the clips,
whose times are known; with them, both are printed.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from absl import flags as absl_flags

from tfweak import atomic
from tfweak.cli import console, flags
from tfweak.decoding.decoder import DECODERS
from tfweak.decoding.scores import SOURCES
from tfweak.errors import InputError
from tfweak.settings import check, option

from ..runs.config import RunOptions

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
    tune: bool = option(False, "choose how events are found, instead of measuring")
    truth: str = option(
        "strong",
        "of tune: what events are chosen by, the strong labels where there are some, or"
        " tags alone",
        choices=("strong", "tags"),
    )
    decoders: tuple[str, ...] = option(
        (),
        "of tune: choose among these; all but change_points, which takes long, and"
        " one_event if not given",
        choices=DECODERS.names,
    )
    scores: tuple[str, ...] = option(
        (),
        "of tune: sources of scores to choose among; segment, product and localization,"
        " as far as the model has them, if not given",
        choices=SOURCES.names,
    )
    every_decoder: bool = option(
        False, "also measure the best with each decoder and source that were tuned"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.tune and not (self.data and self.out):
            raise InputError("data, out: needed to measure")
        given = self.decoders or self.scores or self.truth != "strong"
        if not self.tune and given:
            raise InputError("decoders, scores, truth: are of tune")
        if self.tune and (self.out or self.every_decoder):
            raise InputError("out, every_decoder: are of measuring, not of tune")


flags.define(_FLAGS, _Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-evaluate")


def _main(_: list[str]) -> None:
    given = _Options(**flags.given(_FLAGS, _Options))
    if given.tune:
        return _tune(given)
    out = console.output_file("out", given.out)
    from tfweak.evaluation import summary

    from ..runs import run_folder, scoring, seen_clips

    run = run_folder.load(given.run, given.precision)
    if given.every_decoder:
        run.decodings.update(run_folder.tried_decodings(given.run))
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


def _tune(given: _Options) -> None:
    from ..runs import run_folder, scoring, seen_clips, trainer, tuning

    run = run_folder.load(given.run, given.precision)
    if given.data:
        data = scoring.open_for(run, given.data)
        learnt_from = ("train", "transferred")
        seen_clips.check_unseen(
            given.run, data.clip_ids, "data", given.allow_overlap, learnt_from
        )
    else:
        data = trainer.validation_data(run)
    document = tuning.retune(
        run,
        data,
        given.truth,
        given.decoders or tuning.DECODERS,
        given.scores or tuning.SOURCES,
    )
    print(tuning.table(document))
    print(f"written to {run.folder / run_folder.DECODING_NAME}")


if __name__ == "__main__":
    sys.exit(main())
