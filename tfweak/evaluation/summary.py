"""What `metrics.evaluate` found, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .metrics import CLIPS, EVENTS, METRICS, Metric

_NOTHING = "-"


def to_text(document: Mapping[str, Any]) -> str:
    """Averages, a line per class, and the localisation where it is measured.

    What could not be computed is shown as `-`.

    Args:
      document: what `metrics.evaluate` gave.
    """
    classes = document["classes"]
    metrics = _metrics(CLIPS)
    total = sum(row["num_positives"] for row in classes.values())
    rows = [("all classes", total, [m.overall(document) for m in metrics])]
    for name, row in classes.items():
        values = [metric.of_class(document, name) for metric in metrics]
        rows.append((name, row["num_positives"], values))
    width = max(len(name) for name, *_ in rows)
    headings = [f"{metric.heading:>9}" for metric in metrics]
    header = f"{'class':{width}}{'positives':>11}{''.join(headings)}"
    lines = [
        f"{name:{width}}{positives:11d}{_line(values, headings)}"
        for name, positives, values in rows
    ]
    line = "-" * len(header)
    text = (
        f"{document['num_clips']} clips; {document['num_classes_scored']} of"
        f" {len(classes)} classes have positives and are averaged\n"
    )
    text = "\n".join([text, header, line, lines[0], line, *lines[1:]])
    if "localisation" in document:
        text += f"\n\n{_localisation(document)}"
    return text


def _localisation(document: Mapping[str, Any]) -> str:
    """A line per figure, a column per thresholds."""
    by_key: dict[str, dict[str, float | None]] = {}
    measured = set()
    for needs in EVENTS:
        for metric in _metrics(needs):
            value = metric.overall(document)
            by_key.setdefault(".".join(metric.key), {})[needs] = value
            measured |= {needs} if value is not None else set()
    columns = [needs for needs in EVENTS if needs in measured]
    headings = [f"  {name:>9}" for name in columns]
    clips = f"localisation, {document['localisation']['num_clips']} clips"
    width = max(map(len, (clips, *by_key)))
    return "\n".join(
        [
            f"{clips:{width}}{''.join(headings)}",
            *(
                f"{key:{width}}{_line([row.get(c) for c in columns], headings)}"
                for key, row in by_key.items()
            ),
        ]
    )


def _metrics(needs: str) -> list[Metric]:
    return [m for m in map(METRICS.get, METRICS.names()) if m.needs == needs]


def _line(values: list[float | None], headings: list[str]) -> str:
    return "".join(
        f"{_NOTHING if value is None else format(value, '.4f'):>{len(heading)}}"
        for value, heading in zip(values, headings)
    )
