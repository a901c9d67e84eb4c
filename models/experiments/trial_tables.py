"""Tables of repeated trials: what is in them, and the tests between their cells.

`table_formats` writes them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from tfweak.errors import InputError
from tfweak.evaluation import statistics
from tfweak.evaluation.metrics import Metric
from tfweak.evaluation.statistics import Comparison, Summary

from .table import check_known

# A trial that is not done is None; trial i of every cell has the same seed and data.
Trials = Sequence["float | None"]
# By column, or by row: the two that are compared -> how.
Comparisons = dict[str, dict[tuple[str, str], Comparison]]


@dataclasses.dataclass(frozen=True)
class Measured:
    """The values of one metric in all cells of a table.

    Attributes:
      metric: says how it is called and printed.
      values: trials by row and column; cells that are not run may be missing. Cells
        hold equally many entries, paired by index.
      reference: the paper's value by row and column, as it is printed there; cells may
        be missing.
    """

    metric: Metric
    values: Mapping[str, Mapping[str, Trials]]
    reference: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    def trials(self, row: str, column: str) -> Trials:
        """The trials of a cell; empty where it is not run."""
        return self.values.get(row, {}).get(column, ())

    def summary(self, row: str, column: str) -> Summary | None:
        """Mean and standard error of a cell, or None where no trial is done."""
        done = [value for value in self.trials(row, column) if value is not None]
        return statistics.summarise(done) if done else None

    @property
    def heading(self) -> str:
        """What the metric is called, with its scale where there is one."""
        metric = self.metric
        scaled = metric.scale != 1
        return f"{metric.heading} × {metric.scale:g}" if scaled else metric.heading


@dataclasses.dataclass(frozen=True)
class TrialTable:
    """A table of trials: systems by rows, settings by columns, one or more metrics.

    Attributes:
      title: of the table.
      rows: names in order, each with what describes it ({"attention": "self",
        "labels": "weak"}), shown as columns of their own; the same keys for all rows.
      columns: names in order, such as `one-step` and `two-step`.
      metrics: rendered one after the other.
      notes: data, seeds, settings, commands; Markdown text, one item each.
      row_header: what the rows are.
      compare_columns: whether the columns are settings of one system to be compared;
        false for columns such as classes.
      baseline: a row that the others are compared with; any two rows where empty.

    Raises:
      InputError: names that appear twice, values or references of unknown rows or
        columns, cells of different numbers of trials, values that are NaN or infinite.
    """

    title: str
    rows: Mapping[str, Mapping[str, str]]
    columns: Sequence[str]
    metrics: Sequence[Measured]
    notes: Sequence[str] = ()
    row_header: str = "model"
    compare_columns: bool = True
    baseline: str = ""

    def __post_init__(self) -> None:
        where = f"table {self.title!r}"
        if not self.rows or not self.columns or not self.metrics:
            raise InputError(f"{where}: needs at least one row, column and metric")
        names = [measured.metric.name for measured in self.metrics]
        for what, given in (("column", list(self.columns)), ("metric", names)):
            if len(set(given)) != len(given):
                raise InputError(f"{where}: a {what} appears twice in {given}")
        check_known([self.baseline] if self.baseline else [], self.rows, where)
        for measured in self.metrics:
            self._check(measured, f"{where}, {measured.metric.name}")

    def _check(self, measured: Measured, where: str) -> None:
        for cells in (measured.values, measured.reference):
            check_known(cells, self.rows, where)
            for row, by_column in cells.items():
                check_known(by_column, self.columns, f"{where}, {row!r}")
        lengths = {}
        for row, column in itertools.product(self.rows, self.columns):
            if len(measured.trials(row, column)):
                lengths[row, column] = len(measured.trials(row, column))
            try:
                measured.summary(row, column)
            except InputError as error:
                raise InputError(f"{where}, {row!r}, {column!r}: {error}") from None
        if len(set(lengths.values())) > 1:
            raise InputError(
                f"{where}: cells of different numbers of trials {lengths}; give None"
                " for a trial that is not done"
            )

    @property
    def descriptions(self) -> list[str]:
        """What the rows are described by."""
        return list(next(iter(self.rows.values())))

    def between_rows(self, measured: Measured) -> Comparisons:
        """By column: Wilcoxon tests between any two rows, or with the baseline.

        Corrected by Holm within the column; over all columns where these are no ways
        of training, such as classes, for then they are one question.
        """
        found = {
            column: statistics.compare_all(
                _padded({row: measured.trials(row, column) for row in self.rows})
            )
            for column in self.columns
        }
        if self.baseline:
            found = {
                column: {k: v for k, v in pairs.items() if self.baseline in k}
                for column, pairs in found.items()
            }
        elif self.compare_columns:
            return found
        return _one_family(found)

    def between_columns(self, measured: Measured) -> Comparisons:
        """By row: Wilcoxon tests between any two columns, Holm over all rows.

        None where the columns are not to be compared.
        """
        if not self.compare_columns:
            return {row: {} for row in self.rows}
        return _one_family(
            {
                row: statistics.compare_all(
                    _padded({c: measured.trials(row, c) for c in self.columns})
                )
                for row in self.rows
            }
        )


def together(
    found: Comparisons,
) -> dict[tuple[str, tuple[str, str]], Comparison]:
    """The same by column, or row, and pair."""
    return {
        (within, pair): comparison
        for within, pairs in found.items()
        for pair, comparison in pairs.items()
    }


def _one_family(found: Comparisons) -> Comparisons:
    """The same, corrected by Holm over all of them."""
    corrected = statistics.with_holm(together(found))
    return {
        within: {pair: corrected[within, pair] for pair in pairs}
        for within, pairs in found.items()
    }


def _padded(rows: Mapping[str, Trials]) -> dict[str, Trials]:
    """Cells that are not run as trials that are not done."""
    longest = max(map(len, rows.values()))
    return {
        name: trials if len(trials) else [None] * longest
        for name, trials in rows.items()
    }
