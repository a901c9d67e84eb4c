"""Tables of repeated trials as JSON, Markdown and LaTeX, with the tests between them.

One document describes the table; `to_json` holds everything, `to_markdown` is for
README and docs, `to_latex` for a paper. The same document gives the same text.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfweak import statistics
from tfweak.errors import InputError
from tfweak.statistics import Comparison, Summary

# A trial that is not done is None; trial i of every cell has the same seed and data.
Trials = Sequence["float | None"]

_SIGNIFICANCE = 0.05
_NOTHING = "-"

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_~\[\]|]|<(?=[A-Za-z/!?]))")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at the start of a line they would belong to the \\ before
    "*": "{*}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    **{character: "\\" + character for character in "&%$#_{}"},
}


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
        """By row: Wilcoxon tests between any two columns, Holm over all rows."""
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


def to_json(table: TrialTable) -> str:
    """All of a table: each trial, summaries, and the comparisons both ways.

    Values are as measured, neither scaled nor rounded. `between_rows` is by column,
    corrected by Holm within the column, `between_columns` by row, corrected over all
    rows; differences are `one` - `other`.
    """
    document = {
        "title": table.title,
        "row_header": table.row_header,
        "rows": [
            {"name": row, "description": dict(described)}
            for row, described in table.rows.items()
        ],
        "columns": list(table.columns),
        "metrics": [
            {
                "name": metric.name,
                "cells": {
                    row: {c: _cell(metric, row, c) for c in table.columns}
                    for row in table.rows
                },
                "between_rows": _listed(table.between_rows(metric)),
                "between_columns": _listed(table.between_columns(metric)),
            }
            for metric in table.metrics
        ],
        "notes": list(table.notes),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(table: TrialTable) -> str:
    """A table for a README: means, the paper's values, p values, notes."""
    blocks = [f"## {_markdown(table.title)}"]
    for metric in table.metrics:
        blocks.append(f"### {_markdown(metric.heading)}")
        blocks.append(_counted(table, metric))
        header, lines = _main_table(table, metric)
        numbers = len(header) - 1 - len(table.descriptions)
        aligned = ["---"] * (len(header) - numbers) + ["---:"] * numbers
        blocks.append(_pipes(header, lines, aligned))
        blocks.extend(_markdown_of_rows(table, metric))
        blocks.extend(_markdown_of_columns(table, metric))
    if table.notes:
        blocks.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(blocks) + "\n"


def to_latex(table: TrialTable) -> str:
    """A `table` environment per metric; the document needs `booktabs`."""
    parts = []
    for metric in table.metrics:
        header, lines = _main_table(table, metric)
        num_texts = 1 + len(table.descriptions)
        alignment = "l" * num_texts + "r" * (len(header) - num_texts)
        caption = f"{table.title}: {metric.heading}. {_counted(table, metric)}"
        parts.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering",
                    rf"\caption{{{_latex(caption)}}}",
                    rf"\begin{{tabular}}{{{alignment}}}",
                    r"\toprule",
                    _latex_row(header),
                    r"\midrule",
                    *map(_latex_row, lines),
                    r"\bottomrule",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(parts) + "\n"


def _main_table(table: TrialTable, metric: Metric) -> tuple[list[str], list[list[str]]]:
    """Header and lines, as plain text; the paper's values beside ours where given."""
    header = [table.row_header, *table.descriptions]
    lines = [[row, *described.values()] for row, described in table.rows.items()]
    most = max(_trial_counts(table, metric), default=0)
    for column in table.columns:
        header.append(column)
        printed = [metric.reference.get(row, {}).get(column) for row in table.rows]
        for line in lines:
            line.append(_mean(metric, metric.summary(line[0], column), most))
        if any(printed):
            header.append("paper")
            for line, text in zip(lines, printed):
                line.append(text or _NOTHING)
    return header, lines


def _mean(metric: Metric, summary: Summary | None, most: int) -> str:
    if summary is None:
        return _NOTHING
    text = f"{metric.scale * summary.mean:.{metric.decimals}f}"
    if summary.standard_error is not None:
        text += f" ± {metric.scale * summary.standard_error:.{metric.decimals}f}"
    return text if summary.num_trials == most else f"{text} (n = {summary.num_trials})"


def _trial_counts(table: TrialTable, metric: Metric) -> set[int]:
    found = (metric.summary(row, c) for row in table.rows for c in table.columns)
    return {summary.num_trials for summary in found if summary}


def _counted(table: TrialTable, metric: Metric) -> str:
    """How many trials the means are of."""
    counts = _trial_counts(table, metric)
    if max(counts, default=0) < 2:
        return "One trial, no standard error." if counts else "No trial is done."
    return f"Mean ± standard error of {_span(counts)}."


def _span(counts: Collection[int]) -> str:
    text = f"{max(counts)} trials"
    return text if len(set(counts)) == 1 else f"{text}, or n where n is given"


def _markdown_of_rows(table: TrialTable, metric: Metric) -> Iterator[str]:
    """A matrix of p values per column: above the diagonal, as p is symmetric."""
    rows = list(table.rows)
    for column, found in table.between_rows(metric).items():
        if not found:
            continue
        most = max(comparison.num_pairs for comparison in found.values())
        lines = []
        for i, one in enumerate(rows[:-1]):
            cells = [_p(found.get((one, other)), most) for other in rows[i + 1 :]]
            lines.append([one, *[""] * i, *cells])
        yield _test_account(f"rows, {column}", list(found.values()))
        header = ["p (Holm)", *rows[1:]]
        yield _pipes(header, lines, ["---"] + ["---:"] * (len(header) - 1))


def _markdown_of_columns(table: TrialTable, metric: Metric) -> Iterator[str]:
    """A line of p values per row, one for each pair of columns."""
    by_row = table.between_columns(metric)
    every = [comparison for found in by_row.values() for comparison in found.values()]
    if not every:
        return
    pairs = list(itertools.combinations(table.columns, 2))
    most = max(comparison.num_pairs for comparison in every)
    lines = [
        [row, *(_p(found.get(pair), most) for pair in pairs)]
        for row, found in by_row.items()
    ]
    yield _test_account("columns", every)
    header = ["p (Holm)", *(f"{one} / {other}" for one, other in pairs)]
    yield _pipes(header, lines, ["---"] + ["---:"] * len(pairs))


def _test_account(between: str, comparisons: Collection[Comparison]) -> str:
    """What the p values are, and whether there are trials enough for them."""
    counts = [comparison.num_pairs for comparison in comparisons]
    most = max(counts)
    text = (
        f"Between {_markdown(between)}: two-sided Wilcoxon signed-rank test over"
        f" {_span(counts)}, paired; in brackets corrected by Holm for"
        f" {len(counts)} comparison{'s' * (len(counts) > 1)}."
    )
    smallest = statistics.smallest_p(most)
    corrected = min(1.0, smallest * len(counts))
    if corrected > _SIGNIFICANCE:
        text += (
            f" {most} pairs cannot give p below {smallest:.4g}, nor below"
            f" {corrected:.4g} after correction: too few to reach {_SIGNIFICANCE}"
            f" {'at all' if smallest > _SIGNIFICANCE else 'after it'}."
        )
    return text


def _p(comparison: Comparison | None, most: int) -> str:
    if comparison is None:
        return _NOTHING
    values = (comparison.p_value, comparison.p_holm)
    text = "{} ({})".format(*(_short_p(p) for p in values if p is not None))
    few = comparison.num_pairs != most
    return f"{text}, n = {comparison.num_pairs}" if few else text


def _short_p(p_value: float) -> str:
    return "<0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _cell(metric: Metric, row: str, column: str) -> dict[str, Any]:
    summary = metric.summary(row, column)
    return {
        "trials": [None if v is None else float(v) for v in metric.trials(row, column)],
        **(
            dataclasses.asdict(summary)
            if summary
            else {"mean": None, "standard_error": None, "num_trials": 0}
        ),
        "paper": metric.reference.get(row, {}).get(column),
    }


def _listed(
    found: Mapping[str, Mapping[tuple[str, str], Comparison]],
) -> dict[str, list[dict[str, Any]]]:
    return {
        within: [
            {"one": one, "other": other, **dataclasses.asdict(comparison)}
            for (one, other), comparison in pairs.items()
        ]
        for within, pairs in found.items()
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


def _pipes(
    header: Sequence[str], lines: Iterable[Sequence[str]], aligned: Sequence[str]
) -> str:
    texts = [list(map(_markdown, line)) for line in (header, *lines)]
    texts.insert(1, list(aligned))
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split()))


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(map(_latex, texts)) + r" \\"
