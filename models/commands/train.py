"""Trains a model on prepared records or official AudioSet embedding shards.

  tfweak-train --data=DIR[,DIR] --model=NAME --supervision=self --out=RUN

DIR is a folder that tfweak-prepare wrote, or a folder of official embedding shards.
The best epoch on validation (mAP) is kept in RUN; a killed training goes on where it
was when the same command is given again.
"""

from __future__ import annotations

import sys

from absl import flags as absl_flags

from tfweak.cli import console

from . import train_flags

_FLAGS = absl_flags.FlagValues()
train_flags.define(_FLAGS)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(
        _FLAGS,
        __doc__,
        _main,
        argv,
        program="tfweak-train",
        more_help=train_flags.models,
    )


def _main(_: list[str]) -> None:
    config = train_flags.config(_FLAGS)

    from ..training import trainer  # loads TensorFlow, which --help does not need

    trainer.train(config)
    print(
        f"next: tfweak-evaluate --run={config.out} --data=DIR --out=metrics.json, or"
        f" tfweak-predict --run={config.out} FILES --out=events.tsv"
    )


if __name__ == "__main__":
    sys.exit(main())
