"""Trains a model on prepared records or official AudioSet embedding shards.

  tfweak-train --data=DIR[,DIR] --model=NAME --supervision=self --out=RUN

DIR is a folder that tfweak-prepare wrote, or a folder of official embedding shards.
The best epoch on validation (mAP) is kept in RUN; a killed training goes on where it
was when the same command is given again.
"""

from __future__ import annotations

import sys

from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError

_FLAGS = flags.FlagValues()

_DATA = flags.DEFINE_list(
    "data", None, "folders to train on", required=True, flag_values=_FLAGS
)
_VALID_DATA = flags.DEFINE_list(
    "valid_data",
    None,
    "folders to validate on, instead of a part of --data",
    flag_values=_FLAGS,
)
_VALID_FRACTION = flags.DEFINE_float(
    "valid_fraction",
    0.1,
    "share of --data to validate on, chosen by clip id",
    lower_bound=0.0,
    upper_bound=1.0,
    flag_values=_FLAGS,
)
_EXCLUDE = flags.DEFINE_list(
    "exclude_data",
    None,
    "folders whose clips, by id, are left out of --data: such as those that the model"
    " will be tested on",
    flag_values=_FLAGS,
)
_OVERLAP = flags.DEFINE_boolean(
    "allow_overlap",
    False,
    "validate on clips that the run of --init=run:PATH has learnt from",
    flag_values=_FLAGS,
)
_CLASSES = flags.DEFINE_string(
    "classes",
    None,
    "CSV of index,mid,display_name: names for official shards, which carry none",
    flag_values=_FLAGS,
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "architecture, a file name in models/architectures (default: embedding_attention"
    " for embeddings, attention_fcn for audio)",
    flag_values=_FLAGS,
)
_SET = flags.DEFINE_list(
    "set",
    [],
    "settings of the architecture, name=value, such as pooling=average,width=0.25",
    flag_values=_FLAGS,
)
_SUPERVISION = flags.DEFINE_enum(
    "supervision",
    "none",
    ["none", "strong", "self", "strong+self"],
    "what supervises the attention: strong labels, the model itself, both or nothing",
    flag_values=_FLAGS,
)
_WEIGHT = flags.DEFINE_list(
    "attention_weight",
    ["1.0"],
    "alpha of the attention loss; two"
    " numbers give the strong and the self term their own",
    flag_values=_FLAGS,
)
_TARGET = flags.DEFINE_enum(
    "attention_target",
    "attention",
    [
        "attention",
        "present_attention",
        "activation",
        "present_activation",
        "time_normalised",
        "cross_entropy",
    ],
    "what the attention loss is put on: the attention (as printed in the paper) or its"
    " activation before normalising, of all or of the present classes; the attention"
    " with labels normalised over time; or the cross-entropy of these over time",
    flag_values=_FLAGS,
)
_PSEUDO = flags.DEFINE_enum(
    "pseudo_labels",
    "printed",
    ["printed", "relative", "soft"],
    "how the model labels its own segments: Eq. (1) as printed, a threshold relative to"
    " the class's highest segment, or the square of that ratio",
    flag_values=_FLAGS,
)
_CLIP_WEIGHT = flags.DEFINE_float(
    "clip_weight",
    1.0,
    "of the clip-level loss; 0 with --segment_weight trains from strong labels alone",
    lower_bound=0.0,
    flag_values=_FLAGS,
)
_SEGMENT_WEIGHT = flags.DEFINE_float(
    "segment_weight",
    0.0,
    "of the loss of the segment predictions against strong labels",
    lower_bound=0.0,
    flag_values=_FLAGS,
)
_SEGMENT_THRESHOLDS = flags.DEFINE_enum(
    "segment_thresholds",
    "strong",
    ["strong", "tags"],
    "what sets the decision thresholds of segments: the strong labels of the validation"
    " clips, where some have them, or their tags alone",
    flag_values=_FLAGS,
)
_EPOCHS = flags.DEFINE_integer(
    "epochs",
    None,
    "passes over the training data (default: 30 for embeddings, 50 for log-mel)",
    lower_bound=1,
    flag_values=_FLAGS,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "clips a step (default: 500 for embeddings, 32 for log-mel)",
    lower_bound=1,
    flag_values=_FLAGS,
)
_LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 1e-3, "of Adam", lower_bound=0.0, flag_values=_FLAGS
)
_MIXUP = flags.DEFINE_float(
    "mixup",
    None,
    "alpha of mixup, 0 is off (default: 1 for embeddings, 0 for log-mel)",
    lower_bound=0.0,
    flag_values=_FLAGS,
)
_BALANCE = flags.DEFINE_boolean(
    "balance", False, "show clips of rare classes more often", flag_values=_FLAGS
)
_AVERAGE = flags.DEFINE_float(
    "average_weights",
    0.999,
    "decay of the moving average of the weights that is validated and kept; 0 is off",
    lower_bound=0.0,
    upper_bound=0.99999,
    flag_values=_FLAGS,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "of everything random", lower_bound=0, flag_values=_FLAGS
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "bfloat16", "float16"],
    "auto takes bfloat16 where the CPU computes in it, float16 on a GPU, else float32",
    flag_values=_FLAGS,
)
_INIT = flags.DEFINE_string(
    "init",
    "random",
    "where L1-L6 (and L7, from a run) come from:"
    " random, run:PATH, hub, hub:HANDLE_OR_PATH, checkpoint:PATH",
    flag_values=_FLAGS,
)
_FREEZE = flags.DEFINE_string(
    "freeze",
    "",
    "layers that are not trained: a count from the input, or names such as L1,L2,L3",
    flag_values=_FLAGS,
)
_OUT = flags.DEFINE_string(
    "out", None, "folder of the run", required=True, flag_values=_FLAGS
)
_RESUME = flags.DEFINE_boolean(
    "resume",
    True,
    "go on with an unfinished run in --out; --noresume refuses to",
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-train")


def _main(_: list[str]) -> None:
    _refuse_contradictions()
    from ..runs import config, trainer

    trainer.train(
        config.TrainConfig(
            data=tuple(_DATA.value),
            out=_OUT.value,
            valid_data=tuple(_VALID_DATA.value or ()),
            valid_fraction=_VALID_FRACTION.value,
            exclude_data=tuple(_EXCLUDE.value or ()),
            allow_overlap=_OVERLAP.value,
            classes=_CLASSES.value,
            model=_MODEL.value,
            model_settings=config.parse_settings(_SET.value),
            supervision=_SUPERVISION.value,
            attention_weights=config.parse_weights(_WEIGHT.value),
            attention_target=_TARGET.value,
            pseudo_labels=_PSEUDO.value,
            clip_weight=_CLIP_WEIGHT.value,
            segment_weight=_SEGMENT_WEIGHT.value,
            segment_thresholds=_SEGMENT_THRESHOLDS.value,
            epochs=_EPOCHS.value,
            batch_size=_BATCH_SIZE.value,
            learning_rate=_LEARNING_RATE.value,
            mixup=_MIXUP.value,
            balance=_BALANCE.value,
            average_weights=_AVERAGE.value,
            seed=_SEED.value,
            precision=_PRECISION.value,
            init=_INIT.value,
            freeze=_FREEZE.value,
            resume=_RESUME.value,
        )
    )


def _refuse_contradictions() -> None:
    if _VALID_DATA.value and _FLAGS["valid_fraction"].present:
        raise InputError("--valid_data and --valid_fraction: give one of them")
    if _SUPERVISION.value == "none":
        for name in ("attention_weight", "attention_target"):
            if _FLAGS[name].present:
                raise InputError(
                    f"--{name} has no effect without supervision; add"
                    " --supervision=self or another"
                )
    if "self" not in _SUPERVISION.value and _FLAGS["pseudo_labels"].present:
        raise InputError("--pseudo_labels has no effect without --supervision=self")


if __name__ == "__main__":
    sys.exit(main())
