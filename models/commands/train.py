"""Trains a model on prepared records or official AudioSet embedding shards.

  tfweak-train --data=DIR[,DIR] --model=NAME --supervision=self --out=RUN

DIR is a folder that tfweak-prepare wrote, or a folder of official embedding shards.
The best epoch on validation (mAP) is kept in RUN; a killed training goes on where it
was when the same command is given again.
"""

from __future__ import annotations

import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.cli.listing import settings_listing
from tfweak.errors import InputError
from tfweak.settings import split_settings

from ..architecture import ARCHITECTURES
from ..runs.config import TrainConfig

_FLAGS = absl_flags.FlagValues()
flags.define(_FLAGS, TrainConfig)
_SET = absl_flags.DEFINE_list(
    "set",
    [],
    "settings of the model, name=value, such as pooling=average,width=0.25; those of"
    " each model are listed below",
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(
        _FLAGS, __doc__, _main, argv, program="tfweak-train", more_help=_models
    )


def _models() -> str:
    # their files are imported for it, which loads TensorFlow
    return "models and their settings:\n" + settings_listing(
        ARCHITECTURES, skip=["num_classes"]
    )


def _main(_: list[str]) -> None:
    _refuse_contradictions()
    settings = split_settings(_SET.value, "set")
    config = TrainConfig(**flags.given(_FLAGS, TrainConfig), model_settings=settings)

    from ..runs import trainer  # loads TensorFlow, which --help does not need

    trainer.train(config)
    print(
        f"next: tfweak-evaluate --run={config.out} --data=DIR --out=metrics.json, or"
        f" tfweak-predict --run={config.out} FILES --out=events.tsv"
    )


def _refuse_contradictions() -> None:
    if _FLAGS["valid_data"].present and _FLAGS["valid_fraction"].present:
        raise InputError("--valid_data and --valid_fraction: give one of them")
    supervision = _FLAGS["supervision"].value
    if supervision == "none":
        for name in ("attention_weight", "attention_target"):
            if _FLAGS[name].present:
                raise InputError(
                    f"--{name} has no effect without supervision; add"
                    " --supervision=self or another"
                )
    has_self = "self" in str(supervision)
    if not has_self and _FLAGS["self_supervision"].present:
        raise InputError("--self_supervision has no effect without --supervision=self")
    labels_itself = _FLAGS["self_supervision"].value == "pseudo_labels"
    if not (has_self and labels_itself):
        if _FLAGS["pseudo_labels"].present:
            raise InputError(
                "--pseudo_labels has no effect without --supervision=self"
                " --self_supervision=pseudo_labels"
            )
        if supervision == "self" and _FLAGS["attention_target"].present:
            raise InputError(
                "--attention_target has no effect where nothing is put on the"
                " attention; add --self_supervision=pseudo_labels"
            )


if __name__ == "__main__":
    sys.exit(main())
