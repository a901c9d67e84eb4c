"""Exports a run as a SavedModel for serving.

  tfweak-export --run=RUN --out=DIR

The SavedModel needs TensorFlow alone. Endpoints: waveforms in (serving_default) and
the front end's features or embeddings in; to see them,
'saved_model_cli show --dir DIR --all'. A model on embeddings takes the extractor of its
training data along; --extractor=NAME:SOURCE says where that is now, and
--embeddings_only leaves it out.
"""

from __future__ import annotations

import dataclasses
import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.extractor import ExtractorOptions
from tfweak.settings import REQUIRED, option

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options:
    run: str = option(REQUIRED, "folder that tfweak-train wrote")
    out: str = option(REQUIRED, "folder of the SavedModel")
    form: str = option(
        "saved_model",
        "saved_model, or run: the run itself without what only its training needs and"
        " with weights in half precision, to pass on",
        choices=("saved_model", "run"),
    )
    embeddings_only: bool = option(
        False, "of a model on embeddings, leave the extractor out"
    )


flags.define(_FLAGS, _Options)
flags.define(_FLAGS, ExtractorOptions)


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-export")


def _main(_: list[str]) -> None:
    given = _Options(**flags.given(_FLAGS, _Options))
    asked = ExtractorOptions(**flags.given(_FLAGS, ExtractorOptions))

    from ..runs import packaged, run  # loads TensorFlow

    if given.form == "run":
        packaged.write(packaged.resolve(given.run), given.out)
        print(f"{given.out}: a run to pass on")
        return
    loaded = run.load(given.run)
    loaded.export(given.out, asked.chosen_extractor(), given.embeddings_only)
    print(
        f"{given.out}: SavedModel; its endpoints:"
        f" saved_model_cli show --dir {given.out} --all"
    )


if __name__ == "__main__":
    sys.exit(main())
