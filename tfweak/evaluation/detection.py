"""Segment- and event-based scores: how well detected events match the truth."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..labels import ClassList, Event
from ..typing import Array
from . import tagging
from .event_arrays import EventArrays, matched, near, ranges, taken_in_order


def segment_f1(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    durations: Mapping[str, float],
    num_classes: int,
    resolution_seconds: float = 1.0,
) -> dict[str, Any]:
    """Segment-based F1 and error rate (Mesaros, Heittola & Virtanen 2016).

    A class is active in every segment of `resolution_seconds` that one of its events
    touches; hits and errors are counted over all files, as by `sed_eval`'s
    `SegmentBasedMetrics`, rounding included. A file without estimate has no detections.

    In a segment with R true classes, E estimated and H hits, min(R, E) - H are
    substitutions, max(0, R - E) deletions and max(0, E - R) insertions. The rates are
    the sums of these over the segments divided by that of R, and the error rate is the
    sum of the three rates; it may exceed 1. A class of its own knows no substitutions:
    what it misses is deleted, its false alarms are inserted.

    Args:
      reference: true events by file.
      estimated: detected events by file; only files of `reference`.
      durations: seconds of every file of `reference`; what lies beyond is cut.
      num_classes: C.
      resolution_seconds: the length of a segment.

    Returns:
      `micro_f1`, `micro_precision`, `micro_recall` over all counts; `macro_f1`, the
      mean of the classes' F1; `error_rate`, `substitution_rate`, `deletion_rate`,
      `insertion_rate` over all counts; `macro_error_rate`, the mean of the classes';
      `classes`, a list in class order of `f1`, `precision`, `recall`, `error_rate`,
      `deletion_rate`, `insertion_rate`, `num_reference`, `num_estimated`. A class
      without reference has None for F1, recall and the rates and is left out of the
      macro averages; without estimates precision is 0.

    Raises:
      InputError: an estimated file without reference, no duration, an event of an
        unknown class or without proper times.
    """
    true, found = EventArrays.of_tables(reference, estimated, num_classes)
    if resolution_seconds <= 0:
        raise InputError(f"resolution_seconds must be above 0: {resolution_seconds}")
    seconds = file_seconds(reference, durations)
    num_segments = np.ceil(seconds / resolution_seconds).astype(np.int64)
    of_true, of_found = (
        active_cells(events, num_segments, num_classes, resolution_seconds)
        for events in (true, found)
    )
    of_hits = np.intersect1d(of_true, of_found, assume_unique=True)
    counts, in_segments = [], []
    for cells in (of_hits, of_true, of_found):
        segments, labels = np.divmod(cells, num_classes)
        counts.append(np.bincount(labels, minlength=num_classes))
        in_segments.append(np.bincount(segments, minlength=num_segments.sum()))
    substituted = np.minimum(in_segments[1], in_segments[2]) - in_segments[0]
    return summarise(np.stack(counts), int(substituted.sum()))


def event_f1(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    num_classes: int,
    collar_seconds: float = 0.2,
    offset_collar_share: float = 0.2,
) -> dict[str, Any]:
    """Event-based F1 and error rate (Mesaros, Heittola & Virtanen 2016).

    A detected event is right where a true one of its class and file has its onset
    within `collar_seconds` and its offset within the larger of `collar_seconds` and
    `offset_collar_share` of its length. Every event is matched once at most, with as
    many pairs as possible: optimal matching as in `sed_eval`'s `EventBasedMetrics`.

    Of what is left, a true event and a detected one of another class that fit
    otherwise are a substitution, each once at most, taken in the order of the tables
    as by `sed_eval`; other true events are deleted, other detected ones inserted.

    Args:
      reference: true events by file.
      estimated: detected events by file; only files of `reference`.
      num_classes: C.
      collar_seconds: tolerance at both ends.
      offset_collar_share: tolerance at the end, as a share of the true length.

    Returns:
      As `segment_f1`, counted in events.

    Raises:
      InputError: as `segment_f1`.
    """
    true, found = EventArrays.of_tables(reference, estimated, num_classes)
    i, j = fitting(true, found, collar_seconds, offset_collar_share)
    same = true.labels[i] == found.labels[j]
    of_true, of_found = matched(i[same], j[same])
    left = ~np.isin(i, of_true) & ~np.isin(j, of_found)
    counts = [e.counts(num_classes) for e in (true[of_true], true, found)]
    return summarise(np.stack(counts), taken_in_order(i[left], j[left]))


def fitting(
    true: EventArrays,
    found: EventArrays,
    collar_seconds: float = 0.2,
    offset_collar_share: float = 0.2,
) -> tuple[Array, Array]:
    """Pairs of events of a file, of any classes, whose times fit as in `event_f1`.

    Returns:
      Indices into `true` and into `found`, (P,) each, sorted by the first, then by the
      second.
    """
    i, j = near(true, found, collar_seconds)
    offset_collar = np.maximum(
        collar_seconds, offset_collar_share * (true.offsets - true.onsets)
    )
    fits = np.abs(true.onsets[i] - found.onsets[j]) <= collar_seconds
    fits &= np.abs(true.offsets[i] - found.offsets[j]) <= offset_collar[i]
    fits &= true.files[i] == found.files[j]
    i, j = i[fits], j[fits]
    order = np.lexsort((j, i))
    return i[order], j[order]


def best_thresholds(labels: Array, scores: Array, default: float = 0.5) -> Array:
    """The threshold with the best F1 for each class, to be chosen on validation data.

    F1 of the k highest scores is 2 hits / (k + positives). The threshold lies midway
    between the scores on the two sides of the best cut, or at the lowest score where
    nothing is below; of equally good cuts the highest is taken. A score equal to the
    threshold counts as detected.

    Args:
      labels: (N, C) of 0 and 1.
      scores: (N, C).
      default: for classes without positives.

    Returns:
      (C,) float64.

    Raises:
      InputError: as `tfweak.evaluation.tagging.check_scores`.
    """
    names = ClassList.indices(np.shape(labels)[-1]).names
    labels, scores = tagging.check_scores(labels, scores, names)
    out = np.full(labels.shape[1], float(default))
    num_positives = labels.sum(axis=0)
    for label in np.flatnonzero(num_positives):
        cuts, hits, alarms = tagging.threshold_counts(
            labels[:, label], scores[:, label].astype(float)
        )
        best = int(np.argmax(2 * hits / (hits + alarms + num_positives[label])))
        below = cuts[min(best + 1, len(cuts) - 1)]
        middle = below + (cuts[best] - below) / 2
        # the middle of two neighbouring floats rounds to one of them
        out[label] = middle if middle > below else cuts[best]
    return out


def file_seconds(names: Collection[str], durations: Mapping[str, float]) -> Array:
    """(files,) durations in the order of the names.

    Raises:
      InputError: a file without a finite duration of at least 0.
    """
    for name in names:
        if not 0 <= durations.get(name, math.nan) < math.inf:
            raise InputError(f"{name}: the duration is {durations.get(name)}")
    return np.fromiter((durations[name] for name in names), np.float64, len(names))


def summarise(counts: Array, num_substitutions: int | None = None) -> dict[str, Any]:
    """F1 and, where substitutions are counted, error rates.

    Args:
      counts: (3, C) hits, reference and estimated counts.
      num_substitutions: over all classes.
    """
    classes = [_f1(*column) for column in counts.T.tolist()]
    micro = _f1(*counts.sum(axis=1).tolist())
    summary: dict[str, Any] = {
        "micro_f1": micro["f1"],
        "micro_precision": micro["precision"],
        "micro_recall": micro["recall"],
        "macro_f1": _mean([row["f1"] for row in classes]),
        "classes": classes,
    }
    if num_substitutions is None:
        return summary
    for row, column in zip(classes, counts.T):
        rates = _error_rates(column, 0)
        del rates["substitution_rate"]
        row.update(rates)
    summary.update(_error_rates(counts.sum(axis=1), num_substitutions))
    summary["macro_error_rate"] = _mean([row["error_rate"] for row in classes])
    return summary


def _f1(hits: int, num_reference: int, num_estimated: int) -> dict[str, Any]:
    return {
        "f1": 2 * hits / (num_reference + num_estimated) if num_reference else None,
        "precision": hits / num_estimated if num_estimated else 0.0,
        "recall": hits / num_reference if num_reference else None,
        "num_reference": num_reference,
        "num_estimated": num_estimated,
    }


def _error_rates(counts: Array, num_substitutions: int) -> dict[str, float | None]:
    """Of hits, reference and estimated counts, (3,)."""
    hits, num_reference, num_estimated = counts.tolist()
    missed, alarms = num_reference - hits, num_estimated - hits
    errors = {
        "error_rate": missed + alarms - num_substitutions,
        "substitution_rate": num_substitutions,
        "deletion_rate": missed - num_substitutions,
        "insertion_rate": alarms - num_substitutions,
    }
    return {
        name: count / num_reference if num_reference else None
        for name, count in errors.items()
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def active_cells(
    events: EventArrays,
    num_segments: Array,
    num_classes: int,
    resolution_seconds: float,
) -> Array:
    """Which classes have an event that touches a segment: segment * C + class, sorted.

    Args:
      events: of all files.
      num_segments: (files,); the segments are numbered through the files.
    """
    last = num_segments[events.files]
    before = (np.cumsum(num_segments) - num_segments)[events.files]
    first, end = (
        np.minimum(times, last).astype(np.int64)
        for times in (
            np.floor(events.onsets / resolution_seconds),
            np.ceil(events.offsets / resolution_seconds),
        )
    )
    rows, segments = ranges(first, np.maximum(first, end))
    return np.unique((before[rows] + segments) * num_classes + events.labels[rows])
