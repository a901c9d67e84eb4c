"""The trials of an experiment as a table with tests."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfweak import records, result_tables
from tfweak.errors import InputError
from tfweak.models import figures
from tfweak.models.tables import Row
from tfweak.models.trials import Trial

Trials = Mapping[str, Mapping[str, Sequence[Trial]]]

# Name in the table -> where it stands in a trial's result.
METRICS = {
    "mAP": ("metrics", "mAP"),
    "segment F1, micro": ("metrics", "localisation", "segment_based", "micro_f1"),
    "segment F1, macro": ("metrics", "localisation", "segment_based", "macro_f1"),
    "event F1, micro": ("metrics", "localisation", "event_based", "micro_f1"),
    "validation mAP": ("mean_valid_mAP",),
}


def write(
    out: pathlib.Path,
    title: str,
    rows: Mapping[str, Row],
    trials: Trials,
    notes: Sequence[str],
) -> dict[str, pathlib.Path]:
    """Writes table.json, table.md, table.tex and the figures.

    Returns:
      The files, by kind.
    """
    results = {
        row: {
            column: [trial.result() or {} for trial in cell]
            for column, cell in cells.items()
        }
        for row, cells in trials.items()
    }
    table = result_tables.TrialTable(
        title,
        {row: dict(rows[row].description) for row in results},
        list(next(iter(results.values()))),
        _metrics(rows, results),
        [*notes, *_failures(results), *_pseudo_positive(results)],
        row_header="system",
    )
    files = {}
    for suffix, render in (
        ("json", result_tables.to_json),
        ("md", result_tables.to_markdown),
        ("tex", result_tables.to_latex),
    ):
        files[suffix] = out / f"table.{suffix}"
        records.write_text(files[suffix], render(table))
    return {**files, **figures.write(out / "figures", trials, results)}


def _metrics(rows: Mapping[str, Row], results: Mapping) -> list[result_tables.Metric]:
    found = []
    for name, path in METRICS.items():
        values = {
            row: {
                column: [_at(result, path) for result in cell]
                for column, cell in cells.items()
            }
            for row, cells in results.items()
        }
        any_value = any(
            value is not None
            for cells in values.values()
            for cell in cells.values()
            for value in cell
        )
        if any_value:
            reference = {row: dict(rows[row].reference) for row in results}
            columns = set(next(iter(values.values())))
            reference = {
                row: {c: text for c, text in texts.items() if c in columns}
                for row, texts in reference.items()
            }
            found.append(
                result_tables.Metric(name, values, reference if name == "mAP" else {})
            )
    if not found:
        raise InputError(f"every trial failed: {'; '.join(_failures(results)[:1])}")
    return found


def _at(document: Any, path: Sequence[str]) -> float | None:
    for key in path:
        if document is None:
            return None
        document = document.get(key)
    return document


def _failures(results: Mapping) -> list[str]:
    return [
        f"Trial {number} of {row}, {column} failed: {result['error']}"
        for row, cells in results.items()
        for column, cell in cells.items()
        for number, result in enumerate(cell)
        if "error" in result
    ]


def _pseudo_positive(results: Mapping) -> list[str]:
    notes = []
    for row, cells in results.items():
        for column, cell in cells.items():
            curve = figures.curve(cell, "pseudo_positive")
            if curve is not None:
                notes.append(
                    f"Pseudo-positive share of the segments of present classes, {row},"
                    f" {column}: {curve[0]:.2f} in the first epoch,"
                    f" {curve[len(curve) // 2]:.2f} in the middle, {curve[-1]:.2f} in"
                    " the last (mean over trials)."
                )
    return notes
