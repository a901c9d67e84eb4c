"""What an experiment is told: `Experiment`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tfweak.errors import InputError
from tfweak.settings import REQUIRED, check, option

from ..architecture import ARCHITECTURES
from .tables import TABLES


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The settings of an experiment; each says in its help what it is.

    Attributes:
      model_settings: fields of the architectures.
      training, pretraining: settings of `TrainConfig`.
      alphas: attention weights to choose from; none are searched where it is empty.
    """

    table: str = option(REQUIRED, "what to run", choices=TABLES.names)
    out: str = option(REQUIRED, "folder of the experiment")
    train_data: tuple[str, ...] = option((), "folders to train on")
    fold_data: tuple[str, ...] = option(
        (),
        "folders that are folds, instead of train_data: each is tested by a model that"
        " is trained on the others",
    )
    valid_data: tuple[str, ...] = option(
        (), "folders that choose the epoch; else a part of train_data"
    )
    test_data: tuple[str, ...] = option((), "folders to measure on")
    pretrain_data: tuple[str, ...] = option(
        (),
        "folders for the first step of two-step transfer; clips that validate or test"
        " the second step are left out",
    )
    folds: int = option(
        0,
        "measure by cross-validation over so many folds of the training clips, instead"
        " of valid_data and test_data",
        lower=0,
    )
    validation_only: bool = option(
        False,
        "measure on the validation clips alone, to choose settings without a test set",
    )
    every_decoder: bool = option(
        False,
        "also measure the events of every decoder on every source of scores, in a table"
        " of its own; takes longer, for change_points is tuned, too",
    )
    trials: int = option(20, "trainings of each system", lower=1)
    seed: int = option(0, "of the first trial; trial i has seed + i")
    rows: tuple[str, ...] = option((), "systems to run; the table's own if not given")
    columns: tuple[str, ...] = option((), "ways of training to run; all if not given")
    model: str | None = option(
        None,
        "architecture; by the kind of data if not given",
        choices=ARCHITECTURES.names,
    )
    model_settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    training: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pretraining: Mapping[str, str] = dataclasses.field(default_factory=dict)
    alphas: tuple[float, ...] = ()
    alpha_trials: int = option(5, "trainings of each alpha", lower=1)
    parallel: int = option(1, "trials side by side, a process each", lower=1)
    classes: str | None = option(None, "CSV of names for official shards")
    pretrain_classes: str | None = option(None, "the same for pretrain_data")

    def __post_init__(self) -> None:
        check(self)
        if bool(self.train_data) == bool(self.fold_data):
            raise InputError("train_data or fold_data is needed, and not both")
        ways = (self.test_data, self.folds, self.fold_data, self.validation_only)
        if sum(map(bool, ways)) != 1:
            raise InputError(
                "one of test_data, folds or fold_data (cross-validation) and"
                " validation_only is needed"
            )
        if self.is_cross_validated and self.valid_data:
            raise InputError(
                "valid_data: cross-validation measures on its folds; leave it out"
            )
        if self.is_cross_validated and self.alphas:
            raise InputError(
                "alphas: with cross-validation every clip is tested once, so a search"
                " on any of them would choose on test clips; give attention_weight in"
                " training, or measure on test_data"
            )
        if self.folds in (1, 2):
            raise InputError(
                f"folds={self.folds}: 3 at least, to train, to validate and to test"
            )
        if len(self.fold_data) == 1:
            raise InputError("fold_data: two folders at least, one for each fold")

    @property
    def data(self) -> tuple[str, ...]:
        """All folders that something is trained on."""
        return self.train_data or self.fold_data

    @property
    def is_cross_validated(self) -> bool:
        """Whether its training clips, by folds, are what it is measured on."""
        return bool(self.folds or self.fold_data)
