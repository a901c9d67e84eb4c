"""Exports a run as a SavedModel for serving.

  tfweak-export --run=RUN --out=DIR

The SavedModel needs TensorFlow alone. Endpoints: waveforms in (serving_default) and
the front end's features in, or embeddings in; to see them,
'saved_model_cli show --dir DIR --all'.
"""

from __future__ import annotations

import sys

from absl import flags

from tfweak.cli import console

_FLAGS = flags.FlagValues()

_RUN = flags.DEFINE_string(
    "run", None, "folder that tfweak-train wrote", required=True, flag_values=_FLAGS
)
_OUT = flags.DEFINE_string(
    "out", None, "folder of the SavedModel", required=True, flag_values=_FLAGS
)


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-export")


def _main(_: list[str]) -> None:
    from ..runs import run

    run.load(_RUN.value).export(_OUT.value)
    print(
        f"{_OUT.value}: SavedModel; its endpoints:"
        f" saved_model_cli show --dir {_OUT.value} --all"
    )


if __name__ == "__main__":
    sys.exit(main())
