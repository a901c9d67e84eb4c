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
  self_supervision  forms of self-supervision: pseudo labels and targets; pasting by
                    --rows
  xu2017_table2     CGRNN against attention and localisation, EER by tag; --fold_data
  xu2017_table3     these two and three other systems, EER by tag
"""

from __future__ import annotations

import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.errors import InputError
from tfweak.settings import split_settings

from ..experiments.spec import Experiment

_FLAGS = absl_flags.FlagValues()
flags.define(_FLAGS, Experiment)


def _list(name: str, text: str) -> absl_flags.FlagHolder[list[str]]:
    return absl_flags.DEFINE_list(name, [], text, flag_values=_FLAGS)


_SET = _list(
    "set",
    "settings of the model, name=value, which 'tfweak-train --help' lists; where rows"
    " are other models, each goes to those that have it",
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


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-experiment")


def _main(_: list[str]) -> int:
    experiment = Experiment(
        **flags.given(_FLAGS, Experiment),
        model_settings=split_settings(_SET.value, "set"),
        training=split_settings(_TRAINING.value, "training"),
        pretraining=split_settings(_PRETRAINING.value, "pretraining"),
        alphas=_alphas(_ALPHAS.value),
    )

    from ..experiments import runner  # loads TensorFlow, which --help does not need

    files = runner.run(experiment)
    table = files["md"].read_text(encoding="utf-8")
    print(table)
    print(f"written: {', '.join(map(str, files.values()))}")
    return console.SOME_FILES_UNUSABLE if "failed:" in table else 0


def _alphas(items: list[str]) -> tuple[float, ...]:
    if items == ["paper"]:
        return tuple(round(0.1 * i, 1) for i in range(1, 16))
    try:
        values = tuple(float(item) for item in items)
    except ValueError:
        values = (-1.0,)
    if any(not 0 <= value < float("inf") for value in values):
        raise InputError(f"alphas={','.join(items)}: numbers of 0 or more, or paper")
    return values


if __name__ == "__main__":
    sys.exit(main())
