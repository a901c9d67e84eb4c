"""The trials of an experiment as tables with tests, notes and figures."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfweak.errors import InputError
from tfweak.evaluation.metrics import METRICS
from tfweak.files import atomic

from . import figures, table_formats
from .results import AVERAGE, Results
from .table import ResultTable, System
from .trial_tables import Measured, TrialTable
from .trials import CHOSEN, Trial

FORMATS = {
    "json": table_formats.to_json,
    "md": table_formats.to_markdown,
    "tex": table_formats.to_latex,
}


def write(
    out: pathlib.Path,
    table: ResultTable,
    rows: Mapping[str, System],
    trials: Mapping[str, Mapping[str, Sequence[Trial]]],
    notes: Sequence[str],
) -> dict[str, pathlib.Path]:
    """Writes the table, the one by class where there is one, and the figures.

    Args:
      out: folder.
      table: whose trials these are.
      rows: the systems that were run.
      trials: by row and column.
      notes: what is said below the table of how it was made.

    Returns:
      The files, by kind.

    Raises:
      InputError: when every trial failed.
    """
    results = Results(trials)
    failures = list(_failures(results))
    measured = [
        Measured(METRICS.get(name), values, _references(rows, results.columns))
        if name == table.metrics[0]
        else Measured(METRICS.get(name), values)
        for name in table.metrics
        if (values := results.values(METRICS.get(name)))
    ]
    if not measured:
        raise InputError(f"every trial failed: {'; '.join(failures[:1])}")
    described = {name: system.description for name, system in rows.items()}
    notes = [*notes, *failures, *_parameters(results), *_pseudo_positive(results)]
    files = _render(
        out / "table",
        TrialTable(table.title, described, results.columns, measured, notes, "system"),
    )
    if table.by_class and results.class_names:
        metric = METRICS.get(table.by_class)
        # of the first way of training, as papers print such tables for one
        values = results.by_class(metric, results.columns[0])
        classes = [*results.class_names, AVERAGE]
        references = {
            name: {c: t for c, t in row.class_references.items() if c in classes}
            for name, row in rows.items()
        }
        by_class = TrialTable(
            f"{table.title}, by class",
            described,
            classes,
            [Measured(metric, values, references)],
            row_header="system",
            compare_columns=False,
        )
        for kind, path in _render(out / "classes", by_class).items():
            files[f"{kind} by class"] = path
    if results.decodings:
        decoders = _decoders(table.title, results)
        for kind, path in _render(out / "decoders", decoders).items():
            files[f"{kind} by decoder"] = path
    return {**files, **figures.write(out / "figures", results, _compared(table, rows))}


def _compared(table: ResultTable, rows: Mapping[str, System]) -> tuple[str, ...]:
    """The table's own pair, or what there is if that is two."""
    if set(table.compared) <= set(rows):
        return table.compared
    return tuple(rows) if len(rows) == 2 else ()


# By decoder: times at the event's, the second's and the file's level.
_OF_DECODERS = ("event F1, micro", "segment F1, micro", "PSDS1", "PSDS2")


def _decoders(title: str, results: Results) -> TrialTable:
    """Decoders and sources of scores by rows, systems by columns."""
    rows = {}
    for name in results.decodings:
        decoder, source, *truth = [*name.split(", "), ""]
        tuned_on = "mixtures" if "mixtures" in truth else "strong labels"
        rows[name] = {"decoder": decoder, "scores": source, "tuned on": tuned_on}
    metrics = map(METRICS.get, _OF_DECODERS)
    column = results.columns[0]
    return TrialTable(
        f"{title}: ways to find events",
        rows,
        results.rows,
        [Measured(m, results.by_decoding(m, column)) for m in metrics],
        [
            f"Of the column {column}. `chosen` is the best on the validation clips, a"
            " trial each."
        ],
        row_header="decoding",
        compare_columns=False,
        baseline=CHOSEN,
    )


def settings_note(cells: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """All settings in force as one note, each once.

    Args:
      cells: (row, column) -> settings by name, all that were in force there.

    Returns:
      Such as `Settings: epochs=5; supervision=none (average), self (self).`
    """
    names = dict.fromkeys(name for settings in cells.values() for name in settings)
    shown = []
    for name in names:
        takers: dict[str, list[tuple[str, str]]] = {}
        for cell, settings in cells.items():
            if name in settings:
                takers.setdefault(_shown(settings[name]), []).append(cell)
        values = [
            value if len(of) == len(cells) else f"{value} ({_cells(of, list(cells))})"
            for value, of in takers.items()
        ]
        shown.append(f"{name}={', '.join(values)}")
    return f"Settings: {'; '.join(shown)}."


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "/".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _cells(chosen: list[tuple[str, str]], known: list[tuple[str, str]]) -> str:
    """Cells by row or column alone, where they are whole rows or columns."""
    for axis in (0, 1):
        names = dict.fromkeys(cell[axis] for cell in chosen)
        if chosen == [cell for cell in known if cell[axis] in names]:
            return ", ".join(names)
    return ", ".join(map("/".join, chosen))


def _references(
    rows: Mapping[str, System], columns: Sequence[str]
) -> dict[str, dict[str, str]]:
    return {
        name: {c: t for c, t in system.reference.items() if c in columns}
        for name, system in rows.items()
    }


def _render(path: pathlib.Path, table: TrialTable) -> dict[str, pathlib.Path]:
    files = {suffix: path.with_suffix(f".{suffix}") for suffix in FORMATS}
    for suffix, render in FORMATS.items():
        atomic.write_text(files[suffix], render(table))
    return files


def _failures(results: Results) -> Iterator[str]:
    for row, column, cell in results:
        for number, result in enumerate(cell):
            if result.error:
                yield f"Trial {number} of {row}, {column} failed: {result.error}"


def _parameters(results: Results) -> Iterator[str]:
    counts = {
        row: result.num_parameters
        for row, _, cell in results
        for result in cell[:1]
        if result.num_parameters
    }
    if counts:
        listed = ", ".join(f"{row} {count:,}" for row, count in counts.items())
        yield f"Trainable parameters: {listed}."


def _pseudo_positive(results: Results) -> Iterator[str]:
    for row, column, _ in results:
        curve = results.curve(row, column, "pseudo_positive")
        if curve is not None:
            yield (
                f"Pseudo-positive share of the segments of present classes, {row},"
                f" {column}: {curve[0]:.2f} in the first epoch,"
                f" {curve[len(curve) // 2]:.2f} in the middle, {curve[-1]:.2f} in"
                " the last (mean over trials)."
            )
