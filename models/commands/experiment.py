"""Runs the experiments of the papers: systems side by side, trials, tests, figures.

  tfweak-experiment --table=kim2019_table2 --train_data=DIR --test_data=DIR --out=OUT

Each system of the table is trained and measured so many times with different seeds.
OUT/table.md (and .json, .tex) then has means, standard errors and the p values of
Wilcoxon's signed-rank test between any two systems. A killed experiment goes on where
it was when the same command is given again; more --trials may be asked for later.

Tables:
  kim2019_table1    six systems from tags and strong labels, one- and two-step transfer
  kim2019_table2    no, unsupervised and self-supervised attention from tags, and the
                    other systems of the paper by --rows
  self_supervision  forms of self-supervision: pseudo labels and targets
  xu2017_table2     CGRNN against attention and localisation, EER by tag; --fold_data
  xu2017_table3     these two and three other systems, EER by tag
"""

from __future__ import annotations

import sys
from typing import Any

from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError

from ..experiments import tables
from ..runs.config import parse_settings

_FLAGS = flags.FlagValues()


def _list(
    name: str, text: str, default: list[str] | None = None
) -> flags.FlagHolder[Any]:
    return flags.DEFINE_list(name, default or [], text, flag_values=_FLAGS)


_TABLE = flags.DEFINE_enum(
    "table", None, tables.names(), "what to run", required=True, flag_values=_FLAGS
)
_OUT = flags.DEFINE_string(
    "out", None, "folder of the experiment", required=True, flag_values=_FLAGS
)
_TRAIN = _list("train_data", "folders to train on")
_FOLD_DATA = _list(
    "fold_data",
    "folders that are folds, instead of --train_data: each is tested by a model that is"
    " trained on the others",
)
_VALID = _list("valid_data", "folders that choose the epoch; else a part of train_data")
_TEST = _list("test_data", "folders to measure on")
_PRETRAIN = _list(
    "pretrain_data",
    "folders for the first step of two-step transfer; clips that validate or test the"
    " second step are left out",
)
_FOLDS = flags.DEFINE_integer(
    "folds",
    0,
    "measure by cross-validation over so many folds of the training clips, instead of"
    " --valid_data and --test_data",
    lower_bound=0,
    flag_values=_FLAGS,
)
_VALIDATION_ONLY = flags.DEFINE_boolean(
    "validation_only",
    False,
    "measure on the validation clips alone, to choose settings without a test set",
    flag_values=_FLAGS,
)
_TRIALS = flags.DEFINE_integer(
    "trials", 20, "trainings of each system", lower_bound=1, flag_values=_FLAGS
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "of the first trial; trial i has seed + i", flag_values=_FLAGS
)
_ROWS = _list("rows", "systems to run; the table's own if not given")
_COLUMNS = _list("columns", "ways of training to run; all if not given")
_MODEL = flags.DEFINE_string(
    "model", None, "architecture; by the kind of data if not given", flag_values=_FLAGS
)
_SET = _list(
    "set",
    "settings of the architecture, name=value; where rows are other models, each goes"
    " to those that have it",
)
_TRAINING = _list(
    "training",
    "settings of every training, such as epochs=12,batch_size=500,learning_rate=0.001,"
    "average_weights=0.99,init=random,attention_target=activation,attention_weight=0.1",
)
_PRETRAINING = _list("pretraining", "the same for the first step of two-step transfer")
_ALPHAS = _list(
    "alphas",
    "attention weights among which the best on validation is searched for each"
    " supervised system; paper stands for 0.1,0.2,...,1.5; no search if not given",
)
_ALPHA_TRIALS = flags.DEFINE_integer(
    "alpha_trials", 5, "trainings of each", lower_bound=1, flag_values=_FLAGS
)
_PARALLEL = flags.DEFINE_integer(
    "parallel", 1, "trials side by side, a process each", 1, flag_values=_FLAGS
)
_CLASSES = flags.DEFINE_string(
    "classes", None, "CSV of names for official shards", flag_values=_FLAGS
)
_PRETRAIN_CLASSES = flags.DEFINE_string(
    "pretrain_classes", None, "the same for --pretrain_data", flag_values=_FLAGS
)


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-experiment")


def _main(_: list[str]) -> int:
    alphas = _alphas(_ALPHAS.value)
    from ..experiments import plan, runner

    files = runner.run(
        plan.Experiment(
            table=_TABLE.value,
            out=_OUT.value,
            train_data=tuple(_TRAIN.value),
            fold_data=tuple(_FOLD_DATA.value),
            valid_data=tuple(_VALID.value),
            test_data=tuple(_TEST.value),
            pretrain_data=tuple(_PRETRAIN.value),
            folds=_FOLDS.value,
            validation_only=_VALIDATION_ONLY.value,
            trials=_TRIALS.value,
            seed=_SEED.value,
            rows=tuple(_ROWS.value),
            columns=tuple(_COLUMNS.value),
            model=_MODEL.value,
            model_settings=parse_settings(_SET.value),
            training=parse_settings(_TRAINING.value, "--training"),
            pretraining=parse_settings(_PRETRAINING.value, "--pretraining"),
            alphas=alphas,
            alpha_trials=_ALPHA_TRIALS.value,
            parallel=_PARALLEL.value,
            classes=_CLASSES.value,
            pretrain_classes=_PRETRAIN_CLASSES.value,
        )
    )
    print(files["md"].read_text(encoding="utf-8"))
    print(f"written: {', '.join(map(str, files.values()))}")
    failed = "failed:" in files["md"].read_text(encoding="utf-8")
    return console.SOME_FILES_UNUSABLE if failed else 0


def _alphas(items: list[str]) -> tuple[float, ...]:
    if items == ["paper"]:
        return tuple(round(0.1 * i, 1) for i in range(1, 16))
    try:
        values = tuple(float(item) for item in items)
    except ValueError:
        values = (-1.0,)
    if any(not 0 <= value < float("inf") for value in values):
        raise InputError(f"--alphas={','.join(items)}: numbers of 0 or more, or paper")
    return values


if __name__ == "__main__":
    sys.exit(main())
