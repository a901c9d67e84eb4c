"""What an experiment is made of: settings, checks before any work, and its trials."""

from __future__ import annotations

import dataclasses
import pathlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfweak.data import records, sources
from tfweak.errors import InputError

from .. import registry
from ..runs import payload_checks, seen_clips, trainer
from ..runs.config import TrainConfig, convert
from . import tables
from .trials import Trial, open_data

_ALPHA_SEED = 10_000  # the search's seeds are not those of the trials


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What `tfweak-experiment` takes; the flags of the same names say more."""

    table: str
    out: str
    train_data: tuple[str, ...] = ()
    fold_data: tuple[str, ...] = ()
    valid_data: tuple[str, ...] = ()
    test_data: tuple[str, ...] = ()
    pretrain_data: tuple[str, ...] = ()
    folds: int = 0
    validation_only: bool = False
    trials: int = 20
    seed: int = 0
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    model: str | None = None
    model_settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    training: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pretraining: Mapping[str, str] = dataclasses.field(default_factory=dict)
    alphas: tuple[float, ...] = ()
    alpha_trials: int = 5
    parallel: int = 1
    classes: str | None = None
    pretrain_classes: str | None = None

    @property
    def data(self) -> tuple[str, ...]:
        """All folders that something is trained on."""
        return self.train_data or self.fold_data


class Plan:
    """The trials of an experiment.

    Args:
      experiment: what was asked for.

    Raises:
      InputError: an unknown table, row or column.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.table: types.ModuleType = tables.find(experiment.table)
        known = {**self.table.ROWS, **self.table.MORE_ROWS}
        self.rows: dict[str, tables.Row] = _chosen(
            "rows", experiment.rows, known, self.table.ROWS
        )
        self.columns: dict[str, tables.Column] = _chosen(
            "columns", experiment.columns, self.table.COLUMNS, self.table.COLUMNS
        )

    def check(self) -> None:
        """Refuses what cannot work, before any work.

        Raises:
          InputError: settings that do not go together or with the data, broken data,
            or test clips that something would be trained on.
        """
        self._check_measurement()
        self._check_models()
        given = self.experiment
        pretrained = any(column.pretrained for column in self.columns.values())
        if pretrained and not given.pretrain_data:
            names = [n for n, column in self.columns.items() if column.pretrained]
            raise InputError(
                f"--pretrain_data is needed for {', '.join(names)}; --columns leaves"
                " columns out"
            )
        if given.pretraining and not pretrained:
            raise InputError("--pretraining has no effect without a pretrained column")
        for row, column in self._cells():
            config = self.config(row, column, 0, None)
            if not self.columns[column].pretrained:  # else the run is not there yet
                trainer.check(config)
        self._check_data()

    def _check_measurement(self) -> None:
        given = self.experiment
        if bool(given.train_data) == bool(given.fold_data):
            raise InputError("--train_data or --fold_data is needed, and not both")
        ways = {
            "--test_data": bool(given.test_data),
            "--folds": bool(given.folds),
            "--fold_data": bool(given.fold_data),
            "--validation_only": given.validation_only,
        }
        if sum(ways.values()) != 1:
            raise InputError(
                "one of --test_data, --folds or --fold_data (cross-validation) and"
                " --validation_only is needed"
            )
        if (given.folds or given.fold_data) and given.valid_data:
            raise InputError(
                "cross-validation measures on its folds; leave --valid_data out"
            )
        if given.folds in (1, 2):
            raise InputError(
                f"--folds={given.folds}: 3 at least, to train, to validate and to test"
            )
        if len(given.fold_data) == 1:
            raise InputError("--fold_data: two folders at least, a fold each")

    def _check_models(self) -> None:
        given = self.experiment
        own = [name for name, row in self.rows.items() if row.architecture]
        if given.model and own:
            raise InputError(
                f"--model={given.model}: {', '.join(own)} of this table are models"
                " themselves; leave --model out, or choose other --rows"
            )
        known = set().union(*map(self._fields, self.rows.values()))
        for name in given.model_settings:
            if name not in known:
                raise InputError(
                    f"--set={name}: no model of the table has this setting; there are"
                    f" {', '.join(sorted(known))}"
                )

    def _fields(self, row: tables.Row) -> set[str]:
        """Settings that the model of a row has."""
        model = registry.create(self._model(row), 1)
        return {field.name for field in dataclasses.fields(model.config)} - {
            "num_classes"
        }

    def _model(self, row: tables.Row) -> str:
        return (
            row.architecture
            or self.experiment.model
            or str(trainer.DEFAULTS[self._kind]["model"])
        )

    def _check_data(self) -> None:
        given = self.experiment
        print("reading the data", flush=True)
        first = self.config(*next(self._cells()), given.seed, None)
        data = sources.open_data(given.data, trainer.class_list(given.classes))
        for name, column in self._cells():
            if not self.columns[column].pretrained:
                trainer.check_data(self.config(name, column, 0, None), data)
        for name in given.fold_data:
            sources.open_data([name], data.classes)  # each is tested by itself
        for flag, folders in (
            ("--valid_data", given.valid_data),
            ("--test_data", given.test_data),
        ):
            other = open_data(folders, given.classes, given.data)
            if other is None:
                continue
            for row in self.rows.values():
                front_end = registry.create(self._model(row), 1).front_end
                payload_checks.check_data(
                    data.payload, other.payload, folders[0], front_end
                )
            if not first.allow_overlap:
                seen_clips.check_apart(
                    other.clip_ids, flag, data.clip_ids, _names(given.data)
                )
        if given.pretrain_data:
            sources.open_data(
                given.pretrain_data, trainer.class_list(given.pretrain_classes)
            )

    def _cells(self) -> Iterator[tuple[str, str]]:
        return ((row, column) for row in self.rows for column in self.columns)

    @property
    def _kind(self) -> str:
        kind = records.DatasetInfo.read(self.experiment.data[0]).payload.kind
        return kind if kind == "audio_embedding" else "log_mel"

    @property
    def _pretrained_folder(self) -> pathlib.Path:
        return pathlib.Path(self.experiment.out, "pretrained")

    def config(
        self, row: str, column: str, seed: int, alpha: float | None
    ) -> TrainConfig:
        """Of a trial, but for its `out`."""
        given, chosen = self.experiment, self.rows[row]
        settings: dict[str, Any] = {
            **self.table.TRAINING[self._kind],
            **chosen.training,
            **convert(given.training, "--training"),
        }
        if alpha is not None:
            settings["attention_weights"] = (alpha, alpha)
        if self.columns[column].pretrained:
            settings["init"] = f"run:{self._pretrained_folder / 'run-0'}"
        fields = self._fields(chosen)
        model_settings = {
            name: value
            for name, value in given.model_settings.items()
            if name in fields
        }
        return TrainConfig(
            data=given.data,
            out="",
            valid_data=given.valid_data,
            classes=given.classes,
            model=self._model(chosen),
            model_settings={**model_settings, **chosen.model},
            seed=seed,
            **settings,
        )

    def pretraining(self) -> Trial | None:
        """Step 1 of two-step transfer, or None where no column wants it."""
        given = self.experiment
        if not any(column.pretrained for column in self.columns.values()):
            return None
        settings = {
            **self.table.PRETRAINING[self._kind],
            **convert(given.pretraining, "--pretraining"),
        }
        # what validates or tests the second step has no part in the first
        tested = (*(given.valid_data or given.data), *given.test_data)
        config = TrainConfig(
            data=given.pretrain_data,
            out="",
            exclude_data=tested,
            classes=given.pretrain_classes,
            model=given.model,
            model_settings={**given.model_settings, **self.table.PRETRAINING_MODEL},
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
            for row, column in self._cells()
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
        where = f"trained on {_names(given.data)}"
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
            where += f", tested on {_names(given.test_data)}"
        if not given.folds and not given.valid_data:
            where += (
                "; a tenth of the training clips, dealt by the trial's seed, chooses"
                " the epoch"
            )
        notes = [
            f"{given.trials} trials, seeds {given.seed} to"
            f" {given.seed + given.trials - 1}; {where}."
        ]
        settings = {**self.table.TRAINING[self._kind], **given.training}
        shown = [f"{name}={value}" for name, value in settings.items()]
        for name, value in given.model_settings.items():
            takers = [r for r, row in self.rows.items() if name in self._fields(row)]
            of = f" (of {', '.join(takers)})" if len(takers) < len(self.rows) else ""
            shown.append(f"{name}={value}{of}")
        notes.append(f"Settings: {'; '.join(shown)}.")
        if self.pretraining():
            notes.append(
                f"Step 1 was trained on {_names(given.pretrain_data)}, without the"
                " clips that validate or test."
            )
        if alphas:
            found = ", ".join(f"{r}, {c}: {a:g}" for (r, c), a in alphas.items())
            notes.append(
                f"alpha with the best mean validation mAP of {given.alpha_trials}"
                f" trials each: {found}."
            )
        return notes


def _chosen(
    flag: str, wanted: Sequence[str], known: Mapping[str, Any], default: Sequence[str]
) -> dict[str, Any]:
    for name in wanted:
        if name not in known:
            raise InputError(f"--{flag}={name}: there are {', '.join(known)}")
    return {name: known[name] for name in wanted or default}


def _names(folders: Sequence[str]) -> str:
    return ", ".join(f"`{pathlib.Path(folder).name}`" for folder in folders)
