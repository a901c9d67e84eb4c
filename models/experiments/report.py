"""The trials of an experiment as tables with tests."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfweak import atomic
from tfweak.errors import InputError

from . import figures, result_tables, table_formats, tables
from .tables import Row
from .trials import Trial

Trials = Mapping[str, Mapping[str, Sequence[Trial]]]
Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]

FORMATS = {
    "json": table_formats.to_json,
    "md": table_formats.to_markdown,
    "tex": table_formats.to_latex,
}


class Measure(NamedTuple):
    """Where a metric stands in a trial's result, and how tables print it.

    Attributes:
      path: keys, outermost first.
      scale: printed values are so many times the metric.
      decimals: that are printed.
    """

    path: tuple[str, ...]
    scale: float = 100.0
    decimals: int = 2


def _f1(kind: str, mean: str, *of: str) -> Measure:
    return Measure(("metrics", "localisation", *of, kind, mean))


TAGS_ALONE = "thresholds from tags"

METRICS = {
    "mAP": Measure(("metrics", "mAP")),
    "EER": Measure(("metrics", "EER"), scale=1, decimals=3),
    "segment F1, micro": _f1("segment_based", "micro_f1"),
    "segment F1, macro": _f1("segment_based", "macro_f1"),
    "event F1, micro": _f1("event_based", "micro_f1"),
    f"segment F1, micro, {TAGS_ALONE}": _f1("segment_based", "micro_f1", "from_tags"),
    f"segment F1, macro, {TAGS_ALONE}": _f1("segment_based", "macro_f1", "from_tags"),
    f"event F1, micro, {TAGS_ALONE}": _f1("event_based", "micro_f1", "from_tags"),
    "segment F1 of Z_loc, micro": _f1("segment_based", "micro_f1", "z_loc"),
    "segment F1 of Z_loc, macro": _f1("segment_based", "macro_f1", "z_loc"),
    f"segment F1 of Z_loc, micro, {TAGS_ALONE}": _f1(
        "segment_based", "micro_f1", "from_tags", "z_loc"
    ),
    f"segment F1 of Z_loc, macro, {TAGS_ALONE}": _f1(
        "segment_based", "macro_f1", "from_tags", "z_loc"
    ),
    "validation mAP": Measure(("mean_valid_mAP",)),
    "validation mAP, last epoch": Measure(("last_valid_mAP",)),
}


def write(
    out: pathlib.Path,
    module: types.ModuleType,
    rows: Mapping[str, Row],
    trials: Trials,
    notes: Sequence[str],
) -> dict[str, pathlib.Path]:
    """Writes the table, the one by class where there is one, and the figures.

    Returns:
      The files, by kind.

    Raises:
      InputError: when every trial failed.
    """
    results = {
        row: {
            column: [_with_last_epoch(trial.result() or {}) for trial in cell]
            for column, cell in cells.items()
        }
        for row, cells in trials.items()
    }
    failures = _failures(results)
    metrics = _metrics(module, rows, results)
    if not metrics:
        raise InputError(f"every trial failed: {'; '.join(failures[:1])}")
    described = {row: dict(rows[row].description) for row in results}
    columns = list(next(iter(results.values())))
    notes = [*notes, *failures, *_parameters(results), *_pseudo_positive(results)]
    table = result_tables.TrialTable(
        module.TITLE, described, columns, metrics, notes, row_header="system"
    )
    files = _render(out, "table", table)
    by_class = _by_class(module, rows, results)
    if by_class is not None:
        table = result_tables.TrialTable(
            f"{module.TITLE}, by class",
            described,
            list(next(iter(by_class.values.values()))),
            [by_class],
            row_header="system",
            compare_columns=False,
        )
        for kind, path in _render(out, "classes", table).items():
            files[f"{kind} by class"] = path
    compared = getattr(module, "COMPARED", tables.COMPARED)
    return {**files, **figures.write(out / "figures", trials, results, compared)}


def _with_last_epoch(result: Mapping[str, Any]) -> dict[str, Any]:
    """Adds `last_valid_mAP`: where it is below the best, the training overfitted."""
    if "history" not in result:
        return dict(result)
    last = [epochs[-1]["val_mAP"] for epochs in result["history"]]
    return {**result, "last_valid_mAP": sum(last) / len(last)}


def _render(
    out: pathlib.Path, name: str, table: result_tables.TrialTable
) -> dict[str, pathlib.Path]:
    files = {suffix: out / f"{name}.{suffix}" for suffix in FORMATS}
    for suffix, render in FORMATS.items():
        atomic.write_text(files[suffix], render(table))
    return files


def _metrics(
    module: types.ModuleType, rows: Mapping[str, Row], results: Results
) -> list[result_tables.Metric]:
    """The metrics of a table that some trial has."""
    found = []
    wanted = getattr(module, "METRICS", tables.METRICS)
    for name in wanted:
        measure = METRICS[name]
        values = _gathered(results, measure.path)
        if not _any(values):
            continue
        references: dict[str, dict[str, str]] = {}
        if name == wanted[0]:
            references = {
                row: {c: t for c, t in rows[row].reference.items() if c in cells}
                for row, cells in results.items()
            }
        found.append(
            result_tables.Metric(
                name, values, references, measure.scale, measure.decimals
            )
        )
    return found


def _by_class(
    module: types.ModuleType, rows: Mapping[str, Row], results: Results
) -> result_tables.Metric | None:
    """A metric whose columns are the classes and their mean.

    Of the first way of training, as papers print such tables for one.
    """
    metric = getattr(module, "BY_CLASS", None)
    names = next(
        (
            list(result["metrics"]["classes"])
            for cells in results.values()
            for cell in cells.values()
            for result in cell
            if "metrics" in result
        ),
        None,
    )
    if metric is None or names is None:
        return None
    paths: dict[str, tuple[str, ...]] = {
        name: ("metrics", "classes", name, metric) for name in names
    }
    paths["average"] = ("metrics", metric)
    values = {
        row: {
            name: [_at(result, path) for result in cell] for name, path in paths.items()
        }
        for row, cells in results.items()
        for cell in list(cells.values())[:1]
    }
    references = {
        row: {n: t for n, t in rows[row].class_references.items() if n in paths}
        for row in results
    }
    measure = METRICS[metric]
    return result_tables.Metric(
        metric, values, references, measure.scale, measure.decimals
    )


def _gathered(
    results: Results, path: Sequence[str]
) -> dict[str, dict[str, list[float | None]]]:
    return {
        row: {column: [_at(r, path) for r in cell] for column, cell in cells.items()}
        for row, cells in results.items()
    }


def _any(values: Mapping[str, Mapping[str, Sequence[float | None]]]) -> bool:
    return any(
        value is not None
        for cells in values.values()
        for cell in cells.values()
        for value in cell
    )


def _at(document: Any, path: Sequence[str]) -> float | None:
    for key in path:
        if document is None:
            return None
        document = document.get(key)
    return document


def _failures(results: Results) -> list[str]:
    return [
        f"Trial {number} of {row}, {column} failed: {result['error']}"
        for row, cells in results.items()
        for column, cell in cells.items()
        for number, result in enumerate(cell)
        if "error" in result
    ]


def _parameters(results: Results) -> list[str]:
    counts = {
        row: result["parameters"]
        for row, cells in results.items()
        for cell in cells.values()
        for result in cell[:1]
        if "parameters" in result
    }
    if not counts:
        return []
    listed = ", ".join(f"{row} {count:,}" for row, count in counts.items())
    return [f"Trainable parameters: {listed}."]


def _pseudo_positive(results: Results) -> list[str]:
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
