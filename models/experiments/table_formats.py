"""Tables of repeated trials as JSON, Markdown and LaTeX.

`to_json` holds everything, `to_markdown` is for README and docs, `to_latex` for a
paper. The same table gives the same text. Nothing in them says which values are good:
they serve metrics of which more is better and those of which less is, such as EER.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfweak.evaluation import statistics
from tfweak.evaluation.metrics import Metric
from tfweak.evaluation.statistics import Comparison, Summary

from .trial_tables import Comparisons, Measured, TrialTable, together

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


def to_json(table: TrialTable) -> str:
    """All of a table: each trial, summaries, and the comparisons both ways.

    Values are as measured, neither scaled nor rounded. `between_rows` is by column,
    `between_columns` by row, corrected by Holm as `TrialTable` says; differences are
    `one` - `other`.
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
                "name": measured.metric.name,
                "cells": {
                    row: {c: _cell(measured, row, c) for c in table.columns}
                    for row in table.rows
                },
                "between_rows": _listed(table.between_rows(measured)),
                "between_columns": _listed(table.between_columns(measured)),
            }
            for measured in table.metrics
        ],
        "notes": list(table.notes),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(table: TrialTable) -> str:
    """A table for a README: means, the paper's values, p values, notes."""
    blocks = [f"## {_markdown(table.title)}"]
    for measured in table.metrics:
        blocks.append(f"### {_markdown(measured.heading)}")
        blocks.append(_counted(table, measured))
        header, lines = _main_table(table, measured)
        blocks.append(_pipes(header, lines, 1 + len(table.descriptions)))
        blocks.extend(_markdown_of_p(table, measured))
    if table.notes:
        blocks.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(blocks) + "\n"


def to_latex(table: TrialTable) -> str:
    """A `table` environment per metric; the document needs `booktabs`."""
    parts = []
    for measured in table.metrics:
        header, lines = _main_table(table, measured)
        num_texts = 1 + len(table.descriptions)
        alignment = "l" * num_texts + "r" * (len(header) - num_texts)
        body = "\n".join(map(_latex_row, lines))
        caption = f"{table.title}: {measured.heading}. {_counted(table, measured)}"
        parts.append(
            rf"""\begin{{table}}
\centering
\caption{{{_latex(caption)}}}
\begin{{tabular}}{{{alignment}}}
\toprule
{_latex_row(header)}
\midrule
{body}
\bottomrule
\end{{tabular}}
\end{{table}}"""
        )
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(parts) + "\n"


def _main_table(
    table: TrialTable, measured: Measured
) -> tuple[list[str], list[list[str]]]:
    """Header and lines, as plain text; the paper's values beside ours where given."""
    header = [table.row_header, *table.descriptions]
    lines = [[row, *described.values()] for row, described in table.rows.items()]
    most = max(_trial_counts(table, measured), default=0)
    for column in table.columns:
        header.append(column)
        printed = [measured.reference.get(row, {}).get(column) for row in table.rows]
        for line in lines:
            line.append(_mean(measured.metric, measured.summary(line[0], column), most))
        if any(printed):
            header.append("paper")
            for line, text in zip(lines, printed):
                line.append(text or _NOTHING)
    return header, lines


def _mean(metric: Metric, summary: Summary | None, most: int) -> str:
    if summary is None:
        return _NOTHING
    values = [summary.mean, summary.standard_error]
    text = " ± ".join(
        f"{metric.scale * value:.{metric.decimals}f}"
        for value in values
        if value is not None
    )
    return text if summary.num_trials == most else f"{text} (n = {summary.num_trials})"


def _trial_counts(table: TrialTable, measured: Measured) -> set[int]:
    found = (measured.summary(row, c) for row in table.rows for c in table.columns)
    return {summary.num_trials for summary in found if summary}


def _counted(table: TrialTable, measured: Measured) -> str:
    """How many trials the means are of."""
    counts = _trial_counts(table, measured)
    if max(counts, default=0) < 2:
        return "One trial, no standard error." if counts else "No trial is done."
    return f"Mean ± standard error of {_span(counts)}."


def _span(counts: Collection[int]) -> str:
    text = f"{max(counts)} trials"
    return text if len(set(counts)) == 1 else f"{text}, or n where n is given"


def _markdown_of_p(table: TrialTable, measured: Measured) -> Iterator[str]:
    """Matrices of p values between rows, and a line per row of those between columns.

    Above the diagonal, as p is symmetric. Where the columns are not settings, such as
    classes, one table with a line per pair of rows instead.
    """
    rows, columns = list(table.rows), list(table.columns)
    by_column, by_row = table.between_rows(measured), table.between_columns(measured)
    lines: Mapping[str, list[Comparison | str | None]]
    if table.compare_columns:
        for column, found in by_column.items():
            lines = {
                one: [""] * i + [found.get((one, other)) for other in rows[i + 1 :]]
                for i, one in enumerate(rows[:-1])
            }
            yield from _block_of_p(f"rows, {column}", found.values(), rows[1:], lines)
    else:
        lines = {
            " / ".join(pair): [by_column[column].get(pair) for column in columns]
            for pair in itertools.combinations(rows, 2)
            if not table.baseline or table.baseline in pair
        }
        every = together(by_column).values()
        yield from _block_of_p("rows, all columns", every, columns, lines)
    pairs = list(itertools.combinations(columns, 2))
    lines = {row: [by_row[row].get(pair) for pair in pairs] for row in rows}
    every = together(by_row).values()
    yield from _block_of_p("columns", every, list(map(" / ".join, pairs)), lines)


def _block_of_p(
    between: str,
    every: Collection[Comparison],
    header: Sequence[str],
    lines: Mapping[str, Sequence[Comparison | str | None]],
) -> Iterator[str]:
    """Account and table of one family of tests; nothing where there is none."""
    if not every:
        return
    most = max(comparison.num_pairs for comparison in every)
    yield _test_account(between, every)
    texts = (
        [name, *(cell if isinstance(cell, str) else _p(cell, most) for cell in cells)]
        for name, cells in lines.items()
    )
    yield _pipes(["p (Holm)", *header], texts)


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


def _cell(measured: Measured, row: str, column: str) -> dict[str, Any]:
    summary = measured.summary(row, column)
    return {
        "trials": [
            None if v is None else float(v) for v in measured.trials(row, column)
        ],
        **(
            dataclasses.asdict(summary)
            if summary
            else {"mean": None, "standard_error": None, "num_trials": 0}
        ),
        "paper": measured.reference.get(row, {}).get(column),
    }


def _listed(found: Comparisons) -> dict[str, list[dict[str, Any]]]:
    return {
        within: [
            {"one": one, "other": other, **dataclasses.asdict(comparison)}
            for (one, other), comparison in pairs.items()
        ]
        for within, pairs in found.items()
    }


def _pipes(
    header: Sequence[str], lines: Iterable[Sequence[str]], num_texts: int = 1
) -> str:
    """A table of Markdown; what is not text is aligned as numbers are."""
    texts = [list(map(_markdown, line)) for line in (header, *lines)]
    aligned = ["---"] * num_texts + ["---:"] * (len(header) - num_texts)
    texts.insert(1, aligned)
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split()))


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(map(_latex, texts)) + r" \\"
