"""DCASE 2017 task 4 as that challenge scored it, from files in its form.

Rows of four columns between tabs, without a header: file name, start, end and class.
A row of a file name alone names a file of which nothing is said. The times 0 0 mean
that the class is tagged but not audible; such a row names its file, and is no label.

The challenge had two parts: A, audio tagging, ranked by the F1 of all labels together
("instance-based"); and B, detection, ranked by the error rate in segments of one second
over all classes ("class-independent").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..labels import Event
from ..typing import StrPath
from .detection import segment_f1, summarise


class Row(NamedTuple):
    """A label: seconds, and the name of its class."""

    start_seconds: float
    end_seconds: float
    label: str


Rows = Mapping[str, "list[Row]"]


def read_rows(path: StrPath) -> dict[str, list[Row]]:
    """Reads a file of the challenge, ground truth or prediction.

    Returns:
      By file name, in the file's order; an empty list for a file without labels.

    Raises:
      InputError: a file that cannot be read or, naming the line, another number of
        columns or times that are no numbers.
    """
    found: dict[str, list[Row]] = {}
    try:
        with open(path, encoding="utf-8") as handle:
            lines = handle.read().splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.split("\t")]
        if fields == [""]:
            continue
        rows = found.setdefault(fields[0], [])
        if len(fields) == 1:
            continue
        try:
            _, start, end, label = fields
            row = Row(float(start), float(end), label)
        except ValueError:
            raise InputError(
                f"{path}, line {number}: {fields}, expected a file name, start and end"
                " in seconds and a class between tabs, or a file name alone"
            ) from None
        if row.end_seconds > 0:
            rows.append(row)
    return found


def tagging_scores(truth: Rows, predicted: Rows) -> dict[str, Any]:
    """Task A: precision, recall and F1 of the tags of clips.

    A label of a file counts once, however often it is named, and the times do not
    count. Files that are not in the truth are passed over; labels of files that are
    not predicted are missed.

    Returns:
      `micro_f1`, `micro_precision`, `micro_recall` of all labels together;
      `macro_precision` and `macro_recall`, means over all classes that occur in truth
      or prediction, with 0 where there is nothing to divide by; `macro_f1`, as the
      challenge has it: the harmonic mean of these two, not the mean of the classes'
      F1; and `num_files`, those of the truth.
    """
    pairs = [
        {(name, row.label) for name in truth for row in rows.get(name, ())}
        for rows in (truth, predicted)
    ]
    names = sorted({label for _, label in pairs[0] | pairs[1]})
    index = {label: i for i, label in enumerate(names)}
    counts = [
        np.bincount([index[label] for _, label in some], minlength=len(names))
        for some in (pairs[0] & pairs[1], *pairs)
    ]
    micro = summarise(np.stack(counts).astype(np.int64))
    hits, expected, found = counts
    precision, recall = (
        float(np.mean(hits / np.maximum(of, 1))) if names else 0.0
        for of in (found, expected)
    )
    total = precision + recall
    return {
        "micro_f1": micro["micro_f1"],
        "micro_precision": micro["micro_precision"],
        "micro_recall": micro["micro_recall"],
        "macro_f1": 2 * precision * recall / total if total else 0.0,
        "macro_precision": precision,
        "macro_recall": recall,
        "num_files": len(truth),
    }


def segment_scores(truth: Rows, predicted: Rows) -> dict[str, Any]:
    """Task B: `detection.segment_f1` in segments of one second.

    A file lasts until its last event ends, true or predicted. Files that are not in
    the truth are passed over.

    Returns:
      As `segment_f1`; its `micro_f1` and `error_rate` are the challenge's. `classes`
      are by name, all that occur.

    Raises:
      InputError: an event that ends before it starts.
    """
    tables = [
        {name: rows.get(name, ()) for name in truth} for rows in (truth, predicted)
    ]
    every = [row for table in tables for rows in table.values() for row in rows]
    names = sorted({row.label for row in every})
    index = {label: i for i, label in enumerate(names)}
    reference, estimated = (
        {
            name: [Event(index[label], start, end) for start, end, label in rows]
            for name, rows in table.items()
        }
        for table in tables
    )
    durations = {
        name: max((row.end_seconds for t in tables for row in t[name]), default=0.0)
        for name in truth
    }
    scores = segment_f1(reference, estimated, durations, len(names))
    return {**scores, "classes": dict(zip(names, scores["classes"]))}
