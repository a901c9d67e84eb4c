"""What the trials of an experiment found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfweak.evaluation import statistics
from tfweak.evaluation.metrics import HISTORY, OTHERS, Metric, at

from .trials import Trial

AVERAGE = "average"

# By row and column, a value for each trial; None where it has none.
Values = dict[str, dict[str, "list[float | None]"]]


@dataclasses.dataclass(frozen=True)
class Result:
    """What one trial found.

    Attributes:
      document: as `Trial.result` gives it; empty for a trial that is not run.
    """

    document: Mapping[str, Any]

    @property
    def error(self) -> str | None:
        """Why the trial failed, if it did."""
        return self.document.get("error")

    @property
    def num_parameters(self) -> int | None:
        """Trainable parameters."""
        return self.document.get("parameters")

    @property
    def histories(self) -> list[list[dict[str, float]]]:
        """Of each training, epochs with what was logged of them."""
        return self.document.get("history", [])

    @property
    def class_names(self) -> list[str]:
        """Of the test clips; empty where nothing was tested."""
        return list(self.document.get("metrics", {}).get("classes", ()))

    @property
    def decodings(self) -> list[str]:
        """Names of other ways to find events that were measured."""
        return list(at(self.document.get("metrics", {}), OTHERS) or ())

    def value(self, metric: Metric, decoding: str | None = None) -> float | None:
        """A metric, of the test clips or of the training.

        Args:
          metric: of events, where another decoding is given.
          decoding: one of `decodings`.
        """
        if metric.needs == HISTORY:
            return metric.function(self.histories).overall if self.histories else None
        path = metric.path(decoding=decoding)
        return at(self.document.get("metrics", {}), path)

    def of_class(self, metric: Metric, name: str) -> float | None:
        """A metric of one class of the test clips, or of `AVERAGE`."""
        if name == AVERAGE:
            return self.value(metric)
        return metric.of_class(self.document.get("metrics", {}), name)


class Results:
    """What all trials found.

    Args:
      trials: by row and column.
    """

    def __init__(self, trials: Mapping[str, Mapping[str, Sequence[Trial]]]) -> None:
        self.trials = trials
        self.rows = list(trials)
        self.columns = list(trials[self.rows[0]])
        self._cells = {
            (row, column): [Result(trial.result() or {}) for trial in cell]
            for row, cells in trials.items()
            for column, cell in cells.items()
        }

    def __iter__(self) -> Iterator[tuple[str, str, list[Result]]]:
        """Rows, columns and what their trials found."""
        return ((*names, cell) for names, cell in self._cells.items())

    @property
    def class_names(self) -> list[str]:
        """Of the test clips; empty where nothing was tested."""
        names = (result.class_names for _, _, cell in self for result in cell)
        return next(filter(None, names), [])

    def values(self, metric: Metric) -> Values:
        """A metric of all trials; empty where none has it."""
        found: Values = {row: {} for row in self.rows}
        for row, column, cell in self:
            found[row][column] = [result.value(metric) for result in cell]
        cells = (cell for by_column in found.values() for cell in by_column.values())
        known = any(value is not None for cell in cells for value in cell)
        return found if known else {}

    def by_class(self, metric: Metric, column: str) -> Values:
        """A metric in one column; by row, and by class and `AVERAGE`."""
        return {
            row: {
                name: [result.of_class(metric, name) for result in cell]
                for name in (*self.class_names, AVERAGE)
            }
            for row, of, cell in self
            if of == column
        }

    @property
    def decodings(self) -> list[str]:
        """Other ways to find events that were measured."""
        names = (name for _, _, cell in self for one in cell for name in one.decodings)
        return list(dict.fromkeys(names))

    def by_decoding(self, metric: Metric, column: str) -> Values:
        """A metric of events in one column; by decoding and by row."""
        return {
            name: {
                row: [result.value(metric, name) for result in cell]
                for row, of, cell in self
                if of == column
            }
            for name in self.decodings
        }

    def gains(
        self, metric: Metric, column: str, one: str, other: str
    ) -> dict[str, statistics.Summary]:
        """Class -> mean over trials of what the other row is better by than the one."""
        found = self.by_class(metric, column)
        gains = {
            name: [
                after - before
                for before, after in zip(found[one][name], found[other][name])
                if before is not None and after is not None
            ]
            for name in self.class_names
        }
        return {name: statistics.summarise(v) for name, v in gains.items() if v}

    def curve(self, row: str, column: str, name: str) -> list[float] | None:
        """Mean over trainings of what was logged by a name, (epochs,), or None."""
        curves = [
            [epoch[name] for epoch in epochs]
            for result in self._cells[row, column]
            for epochs in result.histories
            if epochs and all(name in epoch for epoch in epochs)
        ]
        if not curves:
            return None
        shortest = min(map(len, curves))
        return np.mean([values[:shortest] for values in curves], axis=0).tolist()

    def curves(self, name: str) -> dict[str, list[float]]:
        """All by row, or by row and column where there are several columns."""
        return {
            row if len(self.columns) == 1 else f"{row}, {column}": curve
            for row, column in self._cells
            if (curve := self.curve(row, column, name)) is not None
        }
