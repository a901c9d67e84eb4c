"""The trials of an experiment."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.learning.precision import resolve_precision

from ..architecture import ARCHITECTURES, Architecture, create
from ..networks.layers import Standardise
from ..runs.config import NOT_OF_TRIALS, TrainConfig, training_settings
from ..training import trainer
from . import tables
from .report import settings_note
from .spec import Experiment
from .trials import Trial

T = TypeVar("T")

_ALPHA_SEED = 10_000  # the search's seeds are not those of the trials


class Plan:
    """The trials of an experiment.

    Args:
      experiment: what was asked for.

    Raises:
      InputError: an unknown table, row or column.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._payload = records.DatasetInfo.read(experiment.data[0]).payload
        self.defaults = trainer.defaults_for(self._payload)
        self._kind = "log_mel"
        if self.defaults is trainer.EMBEDDING_DEFAULTS:
            self._kind = "audio_embedding"
        self.table = tables.find(experiment.table)
        known = {**self.table.rows, **self.table.more_rows}
        self.rows = _chosen("rows", experiment.rows, known, self.table.rows)
        ways = {**self.table.columns, **self.table.more_columns}
        self.columns = _chosen("columns", experiment.columns, ways, self.table.columns)

    def cells(self) -> Iterator[tuple[str, str]]:
        """Every row and column."""
        return ((row, column) for row in self.rows for column in self.columns)

    def model(self, row: str) -> Architecture:
        """The architecture of a row, for one class, with the row's own settings."""
        name = self._model(row)
        return create(name, 1, **self._model_settings(row))

    def takes(self, row: str, setting: str) -> bool:
        """Whether the model of a row has a setting."""
        return setting in self._fields(row)

    def _fields(self, row: str) -> set[str]:
        return _settings_of(self._model(row))

    def _model(self, row: str) -> str:
        own = self.rows[row].architecture
        return own or self.experiment.model or self.defaults.model

    def _model_settings(self, row: str) -> dict[str, Any]:
        fields = self._fields(row)
        given = self.experiment.model_settings
        wanted = {**self.table.model, **given}
        taken = {name: value for name, value in wanted.items() if name in fields}
        follows = ARCHITECTURES.get(self._model(row)).settings_for(self._payload)
        return {**follows, **taken, **self.rows[row].model}

    @property
    def _pretrained_folder(self) -> pathlib.Path:
        return pathlib.Path(self.experiment.out, "pretrained")

    def config(
        self, row: str, column: str, seed: int, alpha: float | None
    ) -> TrainConfig:
        """Of a trial, but for its `out`."""
        given, chosen = self.experiment, self.rows[row]
        settings: dict[str, Any] = {
            **self.table.training.get(self._kind, {}),
            **chosen.training,
            **training_settings(given.training, "training"),
        }
        if alpha is not None:
            settings["attention_weights"] = (alpha, alpha)
        if self.columns[column].pretrained:
            settings["init"] = f"run:{self._pretrained_folder / 'run-0'}"
            settings["init_classes"] = self.columns[column].keeps_classes
        return TrainConfig(
            data=given.data,
            out="",
            valid_data=given.valid_data,
            classes=given.classes,
            model=self._model(row),
            model_settings=self._model_settings(row),
            seed=seed,
            **settings,
        )

    def _in_force(self, row: str, column: str, alpha: float | None) -> dict[str, Any]:
        """All settings of a trial, but for its data and its seed."""
        config = self.config(row, column, self.experiment.seed, alpha)
        model = self.model(row)
        source = "the run" if config.init.startswith("run:") else "training clips"
        return {
            "model": model.name,
            **{name: getattr(model, name) for name in sorted(self._fields(row))},
            **{
                name: getattr(self.defaults, name) if value is None else value
                for name, value in dataclasses.asdict(config).items()
                if name not in NOT_OF_TRIALS
            },
            "precision": resolve_precision(config.precision),
            "bias initialisation": "class frequencies",
            "input standardisation": source if _standardises(model) else "none",
        }

    def pretraining(self) -> Trial | None:
        """Step 1 of two-step transfer, or None where no column wants it."""
        given = self.experiment
        if not any(column.pretrained for column in self.columns.values()):
            return None
        settings = {
            **self.table.pretraining.get(self._kind, {}),
            **training_settings(given.pretraining, "pretraining"),
        }
        # what validates or tests the second step has no part in the first
        tested = (*(given.valid_data or given.data), *given.test_data)
        model = given.model or self.defaults.model
        own = {k: v for k, v in self.table.model.items() if k in _settings_of(model)}
        config = TrainConfig(
            data=given.pretrain_data,
            out="",
            exclude_data=tested,
            classes=given.pretrain_classes,
            model=model,
            model_settings={
                **own,
                **given.model_settings,
                **self.table.pretraining_model,
            },
            seed=given.seed,
            **settings,
        )
        return Trial(str(self._pretrained_folder), config, keep_model=True)

    def trials(
        self, alphas: Mapping[tuple[str, str], float]
    ) -> dict[str, dict[str, list[Trial]]]:
        """row -> column -> trials."""
        return {
            row: {
                column: [
                    self._trial(row, column, number, alphas.get((row, column)))
                    for number in range(self.experiment.trials)
                ]
                for column in self.columns
            }
            for row in self.rows
        }

    def _trial(self, row: str, column: str, number: int, alpha: float | None) -> Trial:
        given = self.experiment
        return Trial(
            self._folder("trials", row, column, f"trial-{number:02d}"),
            self.config(row, column, given.seed + number, alpha),
            given.test_data,
            given.folds,
            given.fold_data,
            keep_model=number == 0,
            every_decoder=given.every_decoder,
        )

    def alpha_trials(self) -> dict[tuple[str, str], dict[float, list[Trial]]]:
        """(row, column) -> alpha -> trials that only validate."""
        return {
            (row, column): {
                alpha: [
                    self._alpha_trial(row, column, number, alpha)
                    for number in range(self.experiment.alpha_trials)
                ]
                for alpha in self.experiment.alphas
            }
            for row, column in self.cells()
            if self.rows[row].searches_alpha
        }

    def _alpha_trial(self, row: str, column: str, number: int, alpha: float) -> Trial:
        seed = self.experiment.seed + _ALPHA_SEED + number
        return Trial(
            self._folder("alpha", row, column, f"{alpha:g}", f"trial-{number:02d}"),
            self.config(row, column, seed, alpha),
        )

    def _folder(self, *parts: str) -> str:
        return str(pathlib.Path(self.experiment.out, *parts))

    def notes(self, alphas: Mapping[tuple[str, str], float]) -> list[str]:
        """What the table says of how it was made."""
        given = self.experiment
        where = f"trained on {names_of(given.data)}"
        if given.folds:
            where += (
                f"; {given.folds}-fold cross-validation by clip: in each trial the"
                " seed deals the clips to folds, one fold tests, the next one chooses"
                " the epoch, the others train, and the metric is computed once, on the"
                " answers to all folds"
            )
        elif given.fold_data:
            where += (
                "; cross-validation, each of these folders being a fold: it is tested"
                " by a model that was trained on the others, and the metric is computed"
                " once, on the answers to all folds"
            )
        elif given.validation_only:
            where += ", measured on the validation clips alone, at the best epoch"
        else:
            where += f", tested on {names_of(given.test_data)}"
        if not given.folds and not given.valid_data:
            where += (
                "; a part of the training clips (valid_fraction), dealt by the trial's"
                " seed, chooses the epoch"
            )
        notes = [
            f"{given.trials} trials, seeds {given.seed} to"
            f" {given.seed + given.trials - 1}; {where}."
        ]
        notes.append(
            settings_note({c: self._in_force(*c, alphas.get(c)) for c in self.cells()})
        )
        if self.pretraining():
            notes.append(
                f"Step 1 was trained on {names_of(given.pretrain_data)}, without the"
                " clips that validate or test."
            )
        if alphas:
            found = ", ".join(f"{r}, {c}: {a:g}" for (r, c), a in alphas.items())
            notes.append(
                f"alpha with the best mean validation mAP of {given.alpha_trials}"
                f" trials each: {found}."
            )
        return notes


def _settings_of(model: str) -> set[str]:
    fields = dataclasses.fields(ARCHITECTURES.get(model))
    return {field.name for field in fields} - {"num_classes"}


@functools.cache
def _standardises(model: Architecture) -> bool:
    return any(isinstance(layer, Standardise) for layer in model.build().layers)


def _chosen(
    flag: str, wanted: Sequence[str], known: Mapping[str, T], default: Iterable[str]
) -> dict[str, T]:
    for name in wanted:
        if name not in known:
            raise InputError(f"{flag}={name}: there are {', '.join(known)}")
    return {name: known[name] for name in wanted or default}


def names_of(folders: Sequence[str]) -> str:
    """Folders by their own names, for notes and messages."""
    return ", ".join(f"`{pathlib.Path(folder).name}`" for folder in folders)
