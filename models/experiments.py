"""A table of results from its first training to its last figure.

OUT/experiment.json           every setting; another one is refused in this folder
OUT/pretrained/               step 1 of two-step transfer: a run and its result
OUT/alpha/ROW/COLUMN/ALPHA/   the search of the attention weight, and alpha.json
OUT/trials/ROW/COLUMN/TRIAL/  result.json, log.txt; of the first trial the run too
OUT/table.{json,md,tex}       what came out, with paired tests
OUT/figures/                  pictures
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from tfweak import records
from tfweak.errors import InputError
from tfweak.models import fitting, reporting, runs, tables
from tfweak.models.trials import Trial, run_all

_ALPHA_SEED = 10_000  # the search's seeds are not those of the trials


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What `tfweak-experiment` takes; the flags of the same names say more."""

    table: str
    out: str
    train_data: tuple[str, ...]
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


def run(experiment: Experiment) -> dict[str, pathlib.Path]:
    """Runs what is left of an experiment and writes its table and figures.

    Returns:
      The files written, by kind.

    Raises:
      InputError: settings that do not go together, or a folder of other settings.
    """
    table = tables.find(experiment.table)
    rows = _chosen(
        "rows", experiment.rows, {**table.ROWS, **table.MORE_ROWS}, list(table.ROWS)
    )
    columns = _chosen("columns", experiment.columns, table.COLUMNS, list(table.COLUMNS))
    plan = _Plan(experiment, table, rows, columns)
    plan.check()
    _claim(experiment)
    threads = max(1, (os.cpu_count() or 1) // experiment.parallel)
    pretraining = plan.pretraining()
    if pretraining:
        print("step 1: the model without attention", flush=True)
        run_all([pretraining], 1, os.cpu_count() or 1)
        if "error" in (pretraining.result() or {}):
            raise InputError(f"step 1 failed: {(pretraining.result() or {})['error']}")
    alphas = _search_alpha(plan, threads) if experiment.alphas else {}
    trials = plan.trials(alphas)
    flat = [
        trial
        for number in range(experiment.trials)
        for cells in trials.values()
        for cell in cells.values()
        for trial in cell[number : number + 1]
    ]
    done = sum(trial.result() is not None for trial in flat)
    print(
        f"{len(flat)} trials ({len(rows)} rows, {len(columns)} columns,"
        f" {experiment.trials} each), {done} done",
        flush=True,
    )
    run_all(flat, experiment.parallel, threads)
    return reporting.write(
        pathlib.Path(experiment.out), table.TITLE, rows, trials, plan.notes(alphas)
    )


@dataclasses.dataclass(frozen=True)
class _Plan:
    experiment: Experiment
    table: Any
    rows: Mapping[str, tables.Row]
    columns: Mapping[str, tables.Column]

    @property
    def _kind(self) -> str:
        kind = records.DatasetInfo.read(self.experiment.train_data[0]).payload.kind
        return kind if kind == "audio_embedding" else "log_mel"

    @property
    def _pretrained_folder(self) -> pathlib.Path:
        return pathlib.Path(self.experiment.out, "pretrained")

    def check(self) -> None:
        """Refuses what cannot work, before any work."""
        given = self.experiment
        if not given.train_data:
            raise InputError("--train_data: no folder given")
        if given.folds and (given.test_data or given.valid_data):
            raise InputError(
                "--folds measures by cross-validation on --train_data; leave"
                " --valid_data and --test_data out"
            )
        ways = bool(given.test_data), bool(given.folds), given.validation_only
        if sum(ways) != 1:
            raise InputError(
                "one of --test_data, --folds (cross-validation) and --validation_only"
                " is needed"
            )
        if given.folds in (1, 2):
            raise InputError(
                f"--folds={given.folds}: 3 at least, to train, to validate and to test"
            )
        pretrained = any(column.pretrained for column in self.columns.values())
        if pretrained and not given.pretrain_data:
            names = [n for n, column in self.columns.items() if column.pretrained]
            raise InputError(
                f"--pretrain_data is needed for {', '.join(names)}; --columns leaves"
                " columns out"
            )
        if given.pretraining and not pretrained:
            raise InputError("--pretraining has no effect without a pretrained column")
        for row, column in ((r, c) for r in self.rows for c in self.columns):
            config = self.config(row, column, 0, None)
            if not self.columns[column].pretrained:  # else the run is not there yet
                fitting.check(config)

    def config(
        self, row: str, column: str, seed: int, alpha: float | None
    ) -> fitting.TrainConfig:
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
        return fitting.TrainConfig(
            data=given.train_data,
            out="",
            valid_data=given.valid_data,
            classes=given.classes,
            model=given.model,
            model_settings={**given.model_settings, **chosen.model},
            seed=seed,
            **settings,
        )

    def pretraining(self) -> Trial | None:
        """Step 1, or None where no column wants it."""
        given = self.experiment
        if not any(column.pretrained for column in self.columns.values()):
            return None
        settings = {
            **self.table.PRETRAINING[self._kind],
            **convert(given.pretraining, "--pretraining"),
        }
        # what validates or tests the second step has no part in the first
        tested = (*(given.valid_data or given.train_data), *given.test_data)
        config = fitting.TrainConfig(
            data=given.pretrain_data,
            out="",
            exclude_data=tested,
            classes=given.pretrain_classes,
            model=given.model,
            model_settings={**given.model_settings, **self.table.PRETRAINING_MODEL},
            seed=given.seed,
            **settings,
        )
        folder = str(self._pretrained_folder)
        return Trial(folder, "step 1", config, keep_model=True)

    def trials(self, alphas: Mapping) -> dict[str, dict[str, list[Trial]]]:
        """row -> column -> trials."""
        given = self.experiment
        return {
            row: {
                column: [
                    Trial(
                        self._folder("trials", row, column, f"trial-{i:02d}"),
                        f"{row}, {column}, trial {i}",
                        self.config(
                            row, column, given.seed + i, alphas.get((row, column))
                        ),
                        given.test_data,
                        given.folds,
                        keep_model=i == 0,
                    )
                    for i in range(given.trials)
                ]
                for column in self.columns
            }
            for row in self.rows
        }

    def alpha_trials(self) -> dict[tuple[str, str], dict[float, list[Trial]]]:
        """(row, column) -> alpha -> trials that only validate."""
        given = self.experiment
        return {
            (row, column): {
                alpha: [
                    Trial(
                        self._folder(
                            "alpha", row, column, f"{alpha:g}", f"trial-{i:02d}"
                        ),
                        f"{row}, {column}, alpha {alpha:g}, trial {i}",
                        self.config(row, column, given.seed + _ALPHA_SEED + i, alpha),
                    )
                    for i in range(given.alpha_trials)
                ]
                for alpha in given.alphas
            }
            for row, chosen in self.rows.items()
            for column in self.columns
            if chosen.searches_alpha
        }

    def _folder(self, *parts: str) -> str:
        return str(pathlib.Path(self.experiment.out, *parts))

    def notes(self, alphas: Mapping[tuple[str, str], float]) -> list[str]:
        """What the table says of how it was made."""
        given = self.experiment
        where = f"trained on {_names(given.train_data)}"
        if given.folds:
            where += (
                f"; {given.folds}-fold cross-validation by clip: in each trial the"
                " seed deals the clips to folds, one fold tests, the next one chooses"
                " the epoch, the others train, and the metric is computed once, on the"
                " answers to all folds"
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
        settings.update(given.model_settings)
        shown = ", ".join(f"{name}={value}" for name, value in settings.items())
        notes.append(f"Settings: {shown}.")
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


def convert(settings: Mapping[str, str], flag: str) -> dict[str, Any]:
    """Settings of `TrainConfig` from text, each to the type of its field.

    Raises:
      InputError: an unknown name or a value of another type.
    """
    kinds = typing.get_type_hints(fitting.TrainConfig)
    fixed = {"data", "out", "valid_data", "exclude_data", "classes", "model", "seed"}
    fixed |= {"model_settings", "attention_weights", "resume"}
    out: dict[str, Any] = {}
    for name, text in settings.items():
        if name == "attention_weight":
            out["attention_weights"] = fitting.parse_weights(text.split("/"))
            continue
        if name not in kinds or name in fixed:
            known = sorted(set(kinds) - fixed | {"attention_weight"})
            raise InputError(f"{flag}: no setting {name!r}; there are {known}")
        kind = next(t for t in (bool, int, float, str) if t in _types(kinds[name]))
        try:
            if kind is bool:
                out[name] = {"true": True, "false": False}[text.lower()]
            else:
                out[name] = kind(text)
        except (KeyError, ValueError):
            raise InputError(f"{flag}: {name}={text!r} is no {kind.__name__}") from None
    return out


def _types(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) or (hint,)


def _search_alpha(plan: _Plan, threads: int) -> dict[tuple[str, str], float]:
    """The attention weight with the best mean validation mAP, a row and column."""
    grid = plan.alpha_trials()
    trials = [t for cell in grid.values() for ts in cell.values() for t in ts]
    print(f"the search of alpha: {len(trials)} trainings", flush=True)
    run_all(trials, plan.experiment.parallel, threads)
    best, document = {}, {}
    for (row, column), cell in grid.items():
        means = {}
        for alpha, repeated in cell.items():
            found = [(t.result() or {}).get("mean_valid_mAP") for t in repeated]
            values = [value for value in found if value is not None]
            if values:
                means[alpha] = sum(values) / len(values)
        if not means:
            raise InputError(f"the search of alpha: every training of {row} failed")
        best[row, column] = max(means, key=lambda alpha: means[alpha])
        document[f"{row}/{column}"] = {
            "best": best[row, column],
            "valid_mAP": {f"{alpha:g}": value for alpha, value in means.items()},
        }
    path = pathlib.Path(plan.experiment.out, "alpha.json")
    records.write_text(path, json.dumps(document, indent=1))
    return best


def _claim(experiment: Experiment) -> None:
    """Makes the folder this experiment's, or checks that it is."""
    folder = pathlib.Path(experiment.out)
    path = folder / "experiment.json"
    document = json.loads(json.dumps(dataclasses.asdict(experiment)))
    # more trials, rows or columns go on from what is there
    may_change = {"trials", "rows", "columns", "parallel", "out", "alpha_trials"}
    if path.exists():
        # a setting that an older version did not know had its default there
        defaults = dataclasses.asdict(Experiment("", "", ()))
        before = {
            **defaults,
            **json.loads(path.read_text(encoding="utf-8"))["settings"],
        }
        before = json.loads(json.dumps(before))
        for name, value in document.items():
            if name not in may_change and before[name] != value:
                raise InputError(
                    f"--out={folder}: holds an experiment with {name}="
                    f"{before[name]!r}, now it is {value!r}; choose another --out"
                )
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"--out={folder}: is not empty and no experiment; choose another"
        )
    folder.mkdir(parents=True, exist_ok=True)
    records.write_text(
        path,
        json.dumps({"settings": document, "versions": runs.versions()}, indent=1),
    )


def _chosen(
    flag: str, wanted: Sequence[str], known: Mapping[str, Any], default: Sequence[str]
) -> dict[str, Any]:
    for name in wanted:
        if name not in known:
            raise InputError(f"--{flag}={name}: there are {', '.join(known)}")
    return {name: known[name] for name in wanted or default}


def _names(folders: Sequence[str]) -> str:
    return ", ".join(f"`{pathlib.Path(folder).name}`" for folder in folders)
