"""A table of results from its first training to its last figure.

OUT/experiment.json           every setting; another one is refused in this folder
OUT/pretrained/               step 1 of two-step transfer: a run and its result
OUT/alpha/ROW/COLUMN/ALPHA/   the search of the attention weight, and alpha.json
OUT/trials/ROW/COLUMN/TRIAL/  result.json, log.txt; of the first trial the run too
OUT/table.{json,md,tex}       what came out, with paired tests
OUT/classes.{json,md,tex}     the same by class, where the table has that
OUT/decoders.{json,md,tex}    the same by decoder, where --every_decoder asks for it
OUT/figures/                  pictures
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib

from tfweak import atomic, processes
from tfweak.data import documents
from tfweak.errors import InputError

from ..runs import run_folder
from . import report
from .checks import check
from .plan import Plan
from .spec import Experiment
from .trials import run_all

_log = logging.getLogger(__name__)


def run(experiment: Experiment) -> dict[str, pathlib.Path]:
    """Runs what is left of an experiment and writes its table and figures.

    Returns:
      The files written, by kind.

    Raises:
      InputError: settings that do not go together, broken data, test clips that would
        be trained on, or a folder of other settings.
    """
    plan = Plan(experiment)
    check(plan)
    with processes.alone_in(experiment.out):
        _claim(experiment)
        return _run(experiment, plan)


def _run(experiment: Experiment, plan: Plan) -> dict[str, pathlib.Path]:
    threads = max(1, (os.cpu_count() or 1) // experiment.parallel)
    pretraining = plan.pretraining()
    if pretraining:
        _log.info("step 1: the model without attention")
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
    _log.info(
        "%d trials (%d rows, %d columns, %d each), %d done",
        len(flat),
        len(plan.rows),
        len(plan.columns),
        experiment.trials,
        done,
    )
    run_all(flat, experiment.parallel, threads)
    return report.write(
        pathlib.Path(experiment.out), plan.table, plan.rows, trials, plan.notes(alphas)
    )


def _search_alpha(plan: Plan, threads: int) -> dict[tuple[str, str], float]:
    """The attention weight with the best mean validation mAP, a row and column."""
    grid = plan.alpha_trials()
    trials = [t for cell in grid.values() for ts in cell.values() for t in ts]
    _log.info("the search of alpha: %d trainings", len(trials))
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
    atomic.write_text(path, json.dumps(document, indent=1))
    return best


def _claim(experiment: Experiment) -> None:
    """Makes the folder this experiment's, or checks that it is."""
    folder = pathlib.Path(experiment.out)
    path = folder / "experiment.json"
    document = json.loads(json.dumps(dataclasses.asdict(experiment)))
    # more trials, rows or columns go on from what is there
    may_change = {"trials", "rows", "columns", "parallel", "out", "alpha_trials"}
    if path.exists():
        advice = "choose another folder"
        before = documents.read(path, advice).get("settings")
        if not isinstance(before, dict):
            raise InputError(f"{path}: broken (no settings); {advice}")
        for name, value in document.items():
            if name not in may_change and before.get(name) != value:
                raise InputError(
                    f"out={folder}: holds an experiment with {name}="
                    f"{before.get(name)!r}, now it is {value!r}; choose another folder"
                )
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"out={folder}: is not empty and no experiment; choose another"
        )
    whole = {"settings": document, "versions": run_folder.versions()}
    documents.write(path, whole)
