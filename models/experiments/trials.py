"""Repeated trainings of several systems: planned, run side by side, resumed, gathered.

A trial trains one system of a table in one of its columns with one seed and measures it
on the test clips; what it found lies in `result.json` of its folder, and a trial that
has one is not run again. Trial i has the same seed, and with cross-validation the same
folds, for every system, so that trials are pairs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfweak import pool, progress
from tfweak.cli import console
from tfweak.data import records, sources
from tfweak.decoding.decoder import DECODERS
from tfweak.decoding.decoding import Decoding
from tfweak.decoding.scores import SOURCES
from tfweak.errors import InputError
from tfweak.evaluation.metrics import HISTORY, METRICS, OTHERS, at
from tfweak.files import atomic, documents

from ..runs import run_folder, scoring, seen_clips, tuning
from ..runs.config import TrainConfig
from ..training import trainer

RESULT_NAME = "result.json"
_TRIALS_PER_PROCESS = 20
# what the best way to find events is called
CHOSEN = "chosen"

_LOG = logging.getLogger("tfweak")


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training and its measurement.

    Attributes:
      folder: where its result and its log go; its last parts name it in messages.
      config: of the training; its `out` is set here.
      test_data: folders to measure on; empty for none (validation alone).
      folds: measure by cross-validation over so many folds of the training data.
      fold_data: measure by cross-validation, each of these folders being a fold.
      keep_model: keep the run folder (of the first fold), for figures.
      every_decoder: measure the events of every decoder on every source of scores.
    """

    folder: str
    config: TrainConfig
    test_data: tuple[str, ...] = ()
    folds: int = 0
    fold_data: tuple[str, ...] = ()
    keep_model: bool = False
    every_decoder: bool = False

    @property
    def name(self) -> str:
        """Such as `self, one-step, trial-03`."""
        return ", ".join(pathlib.Path(self.folder).parts[-3:])

    @property
    def is_cross_validated(self) -> bool:
        """Whether its own training clips, by folds, are what it is measured on."""
        return bool(self.folds or self.fold_data)

    @property
    def model_folder(self) -> pathlib.Path:
        """The run folder that `keep_model` keeps."""
        return pathlib.Path(self.folder, "run-0")

    def result(self) -> dict[str, Any] | None:
        """What the trial found: `metrics`, `valid_mAP`, `history`; None if not run.

        A trial that could not be trained has `error` instead.

        Raises:
          InputError: the file is broken.
        """
        path = pathlib.Path(self.folder, RESULT_NAME)
        if not path.exists():
            return None
        advice = "remove it, and the same command runs the trial again"
        result = documents.read(path, advice)
        try:
            _check(result)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(
                f"{path}: broken ({type(error).__name__}: {error}); {advice}"
            ) from error
        return result

    def run(self) -> None:
        """Trains and measures; goes on where a killed one was."""
        folder = pathlib.Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        console.show_log()
        with open(folder / "log.txt", "a", encoding="utf-8") as log:
            with contextlib.redirect_stdout(log):
                try:
                    result = self._measure()
                except InputError as error:
                    result = {"error": str(error)}
        result["seconds"] = round(time.monotonic() - began, 1)
        documents.write(folder / RESULT_NAME, result, indent=None)

    def _measure(self) -> dict[str, Any]:
        answers, best, histories = [], [], []
        names: Sequence[str] = ()
        result: dict[str, Any] = {}
        for number, (folders, train, valid, test) in enumerate(self._parts()):
            keras.utils.clear_session()
            out = pathlib.Path(self.folder, f"run-{number}")
            config = dataclasses.replace(self.config, data=folders, out=str(out))
            trainer.Training(config).run((train, valid))
            run = run_folder.load(out)
            if self.every_decoder:
                tuning.retune(
                    run,
                    valid,
                    config.segment_thresholds,
                    DECODERS.names(),
                    SOURCES.names(),
                )
                run.decodings.update(_ways(out))
            if not number:
                variables = run.network.trainable_variables
                result["parameters"] = sum(math.prod(v.shape) for v in variables)
            history = run_folder.read_history(out / "history.csv")
            histories.append(history)
            best.append(max(row["val_mAP"] for row in history))
            names = run.classes.names
            if test is not None:
                seen_clips.check_unseen(
                    out, test.clip_ids, "the test clips", config.allow_overlap
                )
                answers.append(scoring.collect(run, test))
            if self.keep_model and number == 0:
                atomic.remove_folder(out / "last")
            else:
                atomic.remove_folder(out)
        result["valid_mAP"] = best
        result["mean_valid_mAP"] = sum(best) / len(best)
        result["history"] = histories
        if answers:
            result["metrics"] = scoring.Answers.merged(answers).score(names)
        return result

    def _parts(
        self,
    ) -> Iterator[
        tuple[
            Sequence[str], sources.ClipData, sources.ClipData, sources.ClipData | None
        ]
    ]:
        """Folders, training, validation and test clips; one such tuple a fold.

        Of `folds`, k is the test, k + 1 (the first after the last) chooses the epoch
        and the thresholds, the others train. Of `fold_data`, each is the test once; the
        others train but for the part that chooses the epoch.
        """
        config = self.config
        if self.fold_data:
            for folder in self.fold_data:
                others = tuple(name for name in self.fold_data if name != folder)
                parts = trainer.Training(
                    dataclasses.replace(config, data=others)
                ).open_data()
                test = open_data((folder,), config.classes, others)
                yield (others, *parts, test)
            return
        if not self.folds:
            test = open_data(self.test_data, config.classes, config.data)
            yield (config.data, *trainer.Training(config).open_data(), test)
            return
        data = open_data(config.data, config.classes, ())
        assert data is not None
        folds = data.folds(self.folds, config.seed)
        for number, (rest, test) in enumerate(folds):
            valid = folds[(number + 1) % len(folds)][1]
            yield config.data, rest.without(valid.clip_ids), valid, test


def _check(result: dict[str, Any]) -> None:
    """Checks the types of what a trial found.

    Raises:
      ValueError, TypeError, AttributeError, KeyError: one is another.
    """
    if "error" in result:
        if not isinstance(result["error"], str):
            raise TypeError("the error is not a text")
        return
    found = [result["mean_valid_mAP"], result["seconds"], *result["valid_mAP"]]
    found.append(result.get("parameters", 0))
    for epochs in result["history"]:
        if not epochs:
            raise ValueError("a training without epochs")
        for epoch in epochs:
            found += [epoch["val_mAP"], *epoch.values()]
    values = result.get("metrics", {})
    names = [None, *values.get("classes", {})]
    for metric in map(METRICS.get, METRICS.names()):
        if metric.needs != HISTORY:
            paths = [metric.path(name) for name in names]
            paths += [metric.path(decoding=name) for name in at(values, OTHERS) or ()]
            of_metric = (at(values, path) for path in paths)
            found += [value for value in of_metric if value is not None]
    if not all(isinstance(value, (int, float)) for value in found):
        raise TypeError("not all values are numbers")


def _ways(folder: pathlib.Path) -> dict[str, Decoding]:
    """All ways to find events that a run knows, by the names of a table's rows."""
    tuned = run_folder.load(folder).decodings
    return {
        CHOSEN: tuned["segment"],
        f"{CHOSEN}, , mixtures": tuned["segment_from_tags"],
        "plain threshold, segment": tuned["plain"],
        **run_folder.tried_decodings(folder),
    }


def run_all(trials: Sequence[Trial], parallel: int, threads: int) -> None:
    """Runs the trials that have no result yet.

    Args:
      trials: to be run, in order.
      parallel: processes side by side; each starts one trial after another.
      threads: of each process.

    Raises:
      InputError: when a process was killed, or a folder cannot be written; the results
        of finished trials stay.
    """
    left = [_Task(trial) for trial in trials if trial.result() is None]
    # Keras and TensorFlow keep some memory of every model
    share = parallel * _TRIALS_PER_PROCESS
    with progress.Progress(len(left), "trial") as shown:
        for first in range(0, len(left), share):
            pool.run(
                left[first : first + share],
                parallel,
                shown,
                advice="the same command with fewer trials in parallel goes on from"
                " here",
                threads=threads,
                # a trial lasts for minutes, and goes on where it was
                grace_seconds=0,
                finished=lambda task: _LOG.info(_line(task.trial)),
            )


@dataclasses.dataclass(frozen=True)
class _Task:
    """A trial for the pool."""

    trial: Trial

    def run(self, done: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        # a worker trains one model after another, and each is traced anew
        tf.get_logger().setLevel("ERROR")
        try:
            self.trial.run()
        except OSError as error:  # such as a full disk
            raise InputError(
                f"{self.trial.folder}: {error}; once that is mended, the same command"
                " goes on from here"
            ) from error
        done(1)


def _line(trial: Trial) -> str:
    """What a finished trial found, in one line."""
    result = trial.result() or {}
    if "error" in result:
        return f"{trial.name}: FAILED: {result['error']}"
    text = f"{trial.name}: validation mAP {result['mean_valid_mAP']:.4f}"
    test = at(result, ("metrics", "mAP"))
    if test is not None:
        text += f", test mAP {test:.4f}"
    return f"{text}, {result['seconds']:.0f} s"


@functools.lru_cache(maxsize=8)
def open_data(
    folders: tuple[str, ...], classes: str | None, like: tuple[str, ...]
) -> sources.ClipData | None:
    """Opens data once a process; `like` gives official shards their class list."""
    if not folders:
        return None
    known = trainer.class_list(classes)
    if known is None and like:
        known = records.DatasetInfo.read(like[0]).classes
    return sources.open_data(folders, known)
