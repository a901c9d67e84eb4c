"""Measures a run on labelled data.

  tfweak-evaluate --run=RUN --data=DIR --out=metrics.json

Writes every metric (mAP, AUC, d', lwlrap, EER and your own), averaged and by class, and
prints them as a table. Clips with strong labels add those of the localisation.
"""

from __future__ import annotations

import json
import pathlib
import sys

from absl import flags

from tfweak import atomic
from tfweak.cli import console

_FLAGS = flags.FlagValues()

_RUN = flags.DEFINE_string(
    "run", None, "folder that tfweak-train wrote", required=True, flag_values=_FLAGS
)
_DATA = flags.DEFINE_list(
    "data",
    None,
    "prepared folders or official shards to measure on",
    required=True,
    flag_values=_FLAGS,
)
_OUT = flags.DEFINE_string(
    "out", None, "where the JSON goes", required=True, flag_values=_FLAGS
)
_OVERLAP = flags.DEFINE_boolean(
    "allow_overlap",
    False,
    "measure on clips that the run has learnt from, itself or through --init=run:PATH",
    flag_values=_FLAGS,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "clips a step", lower_bound=1, flag_values=_FLAGS
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "bfloat16", "float16"],
    "that the network computes in; auto is the fastest of this machine",
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-evaluate")


def _main(_: list[str]) -> None:
    out = console.output_file("out", _OUT.value)
    from tfweak.evaluation import summary

    from ..runs import run_folder, scoring, seen_clips

    run = run_folder.load(_RUN.value, _PRECISION.value)
    data = scoring.open_for(run, _DATA.value)
    print(f"{_RUN.value}: {len(data):,} clips of {', '.join(_DATA.value)}", flush=True)
    seen = seen_clips.check_unseen(_RUN.value, data.clip_ids, "--data", _OVERLAP.value)
    if seen:
        print(
            f"{seen:,} of the clips are known to the run: no measure of how good it is"
        )
    result = scoring.evaluate(run, data, _BATCH_SIZE.value)
    atomic.write_text(out, json.dumps(result, indent=1, ensure_ascii=False))
    print(summary.to_text(result))
    print(f"written to {pathlib.Path(out)}")


if __name__ == "__main__":
    sys.exit(main())
