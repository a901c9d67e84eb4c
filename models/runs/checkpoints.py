"""What a training writes into its run folder, epoch by epoch."""

from __future__ import annotations

import logging
import math
import pathlib
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfweak.errors import InputError
from tfweak.learning.callbacks import WeightAverage
from tfweak.learning.weak_model import WeakModel
from tfweak.typing import Array

from . import resume_point, run_folder

_log = logging.getLogger(__name__)


class Divergence(keras.callbacks.Callback):
    """Ends a training whose loss is no number, with advice."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in epoch {epoch + 1}: the training diverges; try a"
                " smaller learning_rate or precision=float32 in a new folder"
            )


class Keeper(keras.callbacks.Callback):
    """After each epoch: best model, history, curves, and the resume point, last.

    The resume point is passed over while writing it would take more than a tenth of the
    time since it was last written; a killed training loses that much at most.

    Attributes:
      best: the row of the history with the best validation mAP.
    """

    def __init__(
        self,
        out: pathlib.Path,
        model: WeakModel,
        average: WeightAverage | None,
        epochs: int,
    ) -> None:
        super().__init__()
        self._epochs = epochs
        self._began = time.monotonic()
        self._saved = -math.inf
        self._saving_seconds = 0.0
        self._out = out
        self._weak_model = model
        self._average = average
        self._point = resume_point.ResumePoint(out)
        self._curves = tf.summary.create_file_writer(str(out / "tensorboard"))
        self._rows: list[dict[str, float]] = []
        self.best: dict[str, float] = {"epoch": 0, "val_mAP": -1.0}

    def restore(self, state: tuple[dict[str, list[Array]], dict[str, Any]]) -> int:
        """Puts a stored state back; returns how many epochs are done."""
        arrays, document = state
        groups = self._groups()
        for name, variables in groups.items():
            stored = [value.shape for value in arrays.get(name, ())]
            if stored != [tuple(variable.shape) for variable in variables]:
                raise InputError(
                    f"{self._out}/last: does not fit this model; remove the"
                    " folder to start the training over"
                )
            for variable, value in zip(variables, arrays[name]):
                variable.assign(value)
        self._rows, self.best = document["history"], document["best"]
        return document["epoch"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # a metric is None where it is not defined, such as AUC without a negative
        known = {k: float(v) for k, v in (logs or {}).items() if v is not None}
        row = {"epoch": epoch + 1, **known}
        self._rows.append(row)
        if row["val_mAP"] > self.best["val_mAP"]:
            self.best = row
            self._save_best()
        self._write_curves(row)
        run_folder.write_history(self._out / "history.csv", self._rows)
        seconds = time.monotonic() - self._began
        left = seconds * (self._epochs - epoch - 1)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch")
        _log.info(
            "epoch %d/%d: %s; %.0f s, about %.0f min left",
            epoch + 1,
            self._epochs,
            shown,
            seconds,
            left / 60,
        )
        now = time.monotonic()
        last = epoch + 1 == self._epochs
        if last or now - self._saved >= 10 * self._saving_seconds:
            self._save_resume_point(epoch + 1)
            self._saved = time.monotonic()
            self._saving_seconds = self._saved - now

    def _write_curves(self, row: dict[str, float]) -> None:
        try:
            with self._curves.as_default(step=int(row["epoch"])):
                for name, value in row.items():
                    if name != "epoch":
                        tf.summary.scalar(name, value)
            self._curves.flush()
        except tf.errors.OpError as error:
            raise InputError(
                f"{self._out / 'tensorboard'}: cannot be written ({error.message})"
            ) from error

    def _save_resume_point(self, epoch: int) -> None:
        arrays = {
            name: [np.asarray(v) for v in variables]
            for name, variables in self._groups().items()
        }
        self._point.save(
            arrays, {"epoch": epoch, "history": self._rows, "best": self.best}
        )

    def _save_best(self) -> None:
        if self._average:
            self._average.swap()
        run_folder.save_model(self._weak_model.network, self._out / "model.keras")
        if self._average:
            self._average.swap()

    def _groups(self) -> dict[str, list[Any]]:
        groups = {
            "network": self._weak_model.network.variables,
            "optimizer": self._weak_model.optimizer.variables,
        }
        if self._average:
            groups["average"] = self._average.variables(self._weak_model)
        return groups
