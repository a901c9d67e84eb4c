"""Trains teachers on folds of the clips, and a model that learns from them, too.

  tfweak-teach --data=DIR[,DIR] --supervision=self --out=OUT

Each clip is answered by a teacher that has not learnt from it, and the student learns
the clip's tags, what the teacher says of the clip, and when the teacher hears what the
clip is tagged with. That takes as long as all of the trainings, which is said before
the first. All flags of tfweak-train go with it and hold for every training. A killed
command goes on where it was when it is given again. The student is OUT/student, a run
as any other.
"""

from __future__ import annotations

import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags

from ..training.options import TeachingOptions
from . import train_flags

_FLAGS = absl_flags.FlagValues()
# of a single training; who teaches is made here
_OTHERS = ("out", "teacher")
train_flags.define(_FLAGS, skip=_OTHERS)
flags.define(_FLAGS, TeachingOptions)
_OUT = absl_flags.DEFINE_string(
    "out",
    None,
    "folder for the runs of the teachers and of the student",
    required=True,
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(
        _FLAGS,
        __doc__,
        _main,
        argv,
        program="tfweak-teach",
        more_help=train_flags.models,
    )


def _main(_: list[str]) -> None:
    config = train_flags.config(_FLAGS, _OTHERS, out=_OUT.value)
    options = TeachingOptions(**flags.given(_FLAGS, TeachingOptions))

    import tensorflow as tf  # which --help does not need

    from ..training import folds

    tf.get_logger().setLevel("ERROR")  # it warns of one model traced after another
    student = folds.teach(config, options).folder
    print(
        f"the student is {student}, a run as any other; next: tfweak-evaluate"
        f" --run={student} --data=DIR --out=metrics.json, or tfweak-predict"
        f" --run={student} FILES --out=events.tsv"
    )


if __name__ == "__main__":
    sys.exit(main())
