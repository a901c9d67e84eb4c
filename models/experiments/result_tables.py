"""Tables of repeated trials: what stands in them, and the tests between their cells.

`table_formats` writes them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

from tfweak.errors import InputError
from tfweak.evaluation import statistics
from tfweak.evaluation.statistics import Comparison, Summary

# A trial that is not done is None; trial i of every cell has the same seed and data.
Trials = Sequence["float | None"]


@dataclasses.dataclass(frozen=True)
class Metric:
    """The values of one metric in all cells of a table.

    Attributes:
      name: such as `mAP`.
      values: trials by row and column; cells that are not run may be missing. Cells
        hold equally many entries, paired by index.
      reference: the paper's value by row and column, as it is printed there; cells may
        be missing.
      scale: what Markdown and LaTeX multiply the values by; 100 for mAP in percent.
      decimals: digits after the point there.
    """

    name: str
    values: Mapping[str, Mapping[str, Trials]]
    reference: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    scale: float = 100.0
    decimals: int = 2

    def trials(self, row: str, column: str) -> Trials:
        """The trials of a cell; empty where it is not run."""
        return self.values.get(row, {}).get(column, ())

    def summary(self, row: str, column: str) -> Summary | None:
        """Mean and standard error of a cell, or None where no trial is done."""
        done = [value for value in self.trials(row, column) if value is not None]
        return statistics.summarise(done) if done else None

    @property
    def heading(self) -> str:
        """The name, with the scale where there is one."""
        return self.name if self.scale == 1 else f"{self.name} × {self.scale:g}"


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

    Raises:
      InputError: names that stand twice, values or references of unknown rows or
        columns, row descriptions of different keys, cells of different numbers of
        trials, values that are NaN or infinite.
    """

    title: str
    rows: Mapping[str, Mapping[str, str]]
    columns: Sequence[str]
    metrics: Sequence[Metric]
    notes: Sequence[str] = ()
    row_header: str = "model"
    compare_columns: bool = True

    def __post_init__(self) -> None:
        where = f"table {self.title!r}"
        if not self.rows or not self.columns or not self.metrics:
            raise InputError(f"{where}: needs at least one row, column and metric")
        names = [metric.name for metric in self.metrics]
        for what, given in (("column", list(self.columns)), ("metric", names)):
            if len(set(given)) != len(given):
                raise InputError(f"{where}: a {what} stands twice in {given}")
        for row, described in self.rows.items():
            if list(described) != self.descriptions:
                raise InputError(
                    f"{where}, row {row!r}: described by {list(described)}, the first"
                    f" row by {self.descriptions}; expected the same keys"
                )
        for metric in self.metrics:
            self._check(metric, f"{where}, {metric.name}")

    def _check(self, metric: Metric, where: str) -> None:
        for cells in (metric.values, metric.reference):
            _known(cells, self.rows, where)
            for row, by_column in cells.items():
                _known(by_column, self.columns, f"{where}, {row!r}")
        lengths = {}
        for row, column in itertools.product(self.rows, self.columns):
            if len(metric.trials(row, column)):
                lengths[row, column] = len(metric.trials(row, column))
            try:
                metric.summary(row, column)
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

    def between_rows(
        self, metric: Metric
    ) -> dict[str, dict[tuple[str, str], Comparison]]:
        """By column: Wilcoxon tests between any two rows, Holm within the column."""
        return {
            column: statistics.compare_all(
                _padded({row: metric.trials(row, column) for row in self.rows})
            )
            for column in self.columns
        }

    def between_columns(
        self, metric: Metric
    ) -> dict[str, dict[tuple[str, str], Comparison]]:
        """By row: Wilcoxon tests between any two columns, Holm over all rows.

        None where the columns are not to be compared.
        """
        if not self.compare_columns:
            return {row: {} for row in self.rows}
        found = statistics.with_holm(
            {
                (row, *pair): comparison
                for row in self.rows
                for pair, comparison in statistics.compare_all(
                    _padded({c: metric.trials(row, c) for c in self.columns})
                ).items()
            }
        )
        return {
            row: {(a, b): found[r, a, b] for r, a, b in found if r == row}
            for row in self.rows
        }


def _padded(rows: Mapping[str, Trials]) -> dict[str, Trials]:
    """Cells that are not run as trials that are not done."""
    longest = max(map(len, rows.values()))
    return {
        name: trials if len(trials) else [None] * longest
        for name, trials in rows.items()
    }


def _known(names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{where}: {name!r} is none of {list(known)}")
