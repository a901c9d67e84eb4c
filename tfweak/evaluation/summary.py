"""What `metrics.evaluate` found, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .metrics import CLIPS, EVENTS, FRAMES, METRICS, Metric

_NOTHING = "-"


def to_text(document: Mapping[str, Any]) -> str:
    """Averages, a line per class, and the localisation where it is measured.

    What could not be computed is shown as `-`.

    Args:
      document: what `metrics.evaluate` gave.
    """
    classes, metrics = document["classes"], _metrics(CLIPS)
    total = sum(row["num_positives"] for row in classes.values())
    average, *of_classes = (
        [name, str(positives), *map(_shown, values)]
        for name, positives, values in (
            ("all classes", total, [metric.overall(document) for metric in metrics]),
            *(
                (
                    name,
                    row["num_positives"],
                    [m.of_class(document, name) for m in metrics],
                )
                for name, row in classes.items()
            ),
        )
    )
    header = ["class", "positives", *(metric.heading for metric in metrics)]
    header_line, average_line, *lines = _aligned([header, average, *of_classes])
    rule = "-" * len(header_line)
    lines = [header_line, rule, average_line, rule, *lines]
    if "localisation" in document:
        for rows in (_under_thresholds(document), _under_none(document)):
            lines += ["", *_aligned(rows)] if rows else []
    return "\n".join(
        [
            f"{document['num_clips']} clips; {document['num_classes_scored']} of"
            f" {len(classes)} classes have positives and are averaged",
            "",
            *lines,
        ]
    )


def _under_thresholds(document: Mapping[str, Any]) -> list[list[str]]:
    """Figures of events: a row per figure, a column per thresholds."""
    found: dict[str, dict[str, float | None]] = {}
    for needs in EVENTS:
        for metric in _metrics(needs):
            value = metric.overall(document)
            found.setdefault(".".join(metric.key), {})[needs] = value
    columns = [
        c for c in EVENTS if any(row.get(c) is not None for row in found.values())
    ]
    if not columns:
        return []
    clips = f"localisation, {document['localisation']['num_clips']} clips"
    rows = [[key, *(_shown(row.get(c)) for c in columns)] for key, row in found.items()]
    return [[clips, *columns], *rows]


def _under_none(document: Mapping[str, Any]) -> list[list[str]]:
    """Figures that no threshold has a part in: a row each that is known."""
    values = [(m.heading, m.overall(document)) for m in _metrics(FRAMES)]
    return [[name, _shown(value)] for name, value in values if value is not None]


def _metrics(needs: str) -> list[Metric]:
    return [m for m in map(METRICS.get, METRICS.names()) if m.needs == needs]


def _shown(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.4f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Lines of columns that are as wide as they need; the first is text."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    ]
