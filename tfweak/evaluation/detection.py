"""Detection scores: how well events, or decisions on segments, match the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from ..errors import InputError
from ..labels import ClassList, Event
from ..typing import Array
from . import tagging
from .events import check_event


def segment_f1(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    durations: Mapping[str, float],
    num_classes: int,
    resolution_seconds: float = 1.0,
) -> dict[str, Any]:
    """Segment-based F1 (Mesaros, Heittola & Virtanen 2016).

    A class is active in every segment of `resolution_seconds` that one of its events
    touches; hits and errors are counted over all files, as by `sed_eval`'s
    `SegmentBasedMetrics`, rounding included. A file without estimate has no detections.

    Args:
      reference: true events by file.
      estimated: detected events by file; only files of `reference`.
      durations: seconds of every file of `reference`; what lies beyond is cut.
      num_classes: C.
      resolution_seconds: the length of a segment.

    Returns:
      `micro_f1`, `micro_precision`, `micro_recall` over all counts; `macro_f1`, the
      mean of the classes' F1; `classes`, a list in class order of `f1`, `precision`,
      `recall`, `num_reference`, `num_estimated`. A class without reference has None for
      F1 and recall and is left out of the macro average; without estimates precision
      is 0.

    Raises:
      InputError: an estimated file without reference, no duration, an event of an
        unknown class or without proper times.
    """
    _check_tables(reference, estimated, num_classes)
    if resolution_seconds <= 0:
        raise InputError(f"resolution_seconds must be above 0: {resolution_seconds}")
    counts = np.zeros((3, num_classes), np.int64)
    for name, events in reference.items():
        if not 0 <= durations.get(name, math.nan) < math.inf:
            raise InputError(f"{name}: the duration is {durations.get(name)}")
        num_segments = math.ceil(durations[name] / resolution_seconds)
        true = _activity(events, num_segments, num_classes, resolution_seconds)
        guess = _activity(
            estimated.get(name, ()), num_segments, num_classes, resolution_seconds
        )
        counts += _frame_counts(true, guess)
    return _f1_summary(counts)


def event_f1(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    num_classes: int,
    collar_seconds: float = 0.2,
    offset_collar_share: float = 0.2,
) -> dict[str, Any]:
    """Event-based F1 (Mesaros, Heittola & Virtanen 2016).

    A detected event is right where a true one of its class and file has its onset
    within `collar_seconds` and its offset within the larger of `collar_seconds` and
    `offset_collar_share` of its length. Every event is matched once at most, with as
    many pairs as possible: optimal matching as in `sed_eval`'s `EventBasedMetrics`.

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
    _check_tables(reference, estimated, num_classes)
    counts = np.zeros((3, num_classes), np.int64)
    for name, events in reference.items():
        true = np.array(events, np.float64).reshape(-1, 3)
        guess = np.array(estimated.get(name, ()), np.float64).reshape(-1, 3)
        difference = np.abs(true[:, None] - guess[None])
        offset_collar = np.maximum(
            collar_seconds, offset_collar_share * (true[:, 2] - true[:, 1])
        )
        fits = (
            (difference[..., 0] == 0)
            & (difference[..., 1] <= collar_seconds)
            & (difference[..., 2] <= offset_collar[:, None])
        )
        match = (
            maximum_bipartite_matching(csr_array(fits), perm_type="column")
            if fits.any()
            else np.full(len(true), -1)
        )
        for row, matched in enumerate((true[match >= 0], true, guess)):
            counts[row] += np.bincount(
                matched[:, 0].astype(np.int64), minlength=num_classes
            )
    return _f1_summary(counts)


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


def _check_tables(
    reference: Mapping[str, Sequence[Event]],
    estimated: Mapping[str, Sequence[Event]],
    num_classes: int,
) -> None:
    unknown = sorted(set(estimated) - set(reference))
    if unknown:
        raise InputError(
            f"{len(unknown)} estimated files are not in the reference, the"
            f" first is {unknown[0]!r}; a file without events is listed"
            " with an empty row"
        )
    for table in (reference, estimated):
        for name, events in table.items():
            for event in events:
                check_event(event, num_classes, name)


def _activity(
    events: Iterable[Event],
    num_segments: int,
    num_classes: int,
    resolution_seconds: float,
) -> Array:
    """(num_segments, C) bool: which classes have an event that touches the segment."""
    out = np.zeros((num_segments, num_classes), bool)
    for event in events:
        first = math.floor(event.onset_seconds / resolution_seconds)
        end = math.ceil(event.offset_seconds / resolution_seconds)
        out[first:end, event.label] = True
    return out


def _frame_counts(true: Array, guess: Array) -> Array:
    return np.stack([(true & guess).sum(axis=0), true.sum(axis=0), guess.sum(axis=0)])


def _f1_summary(counts: Array) -> dict[str, Any]:
    """The F1 scores from (3, C) hits, reference and estimated counts."""
    classes = [_f1(*column) for column in counts.T.tolist()]
    micro = _f1(*counts.sum(axis=1).tolist())
    scored = [c["f1"] for c in classes if c["f1"] is not None]
    return {
        "micro_f1": micro["f1"],
        "micro_precision": micro["precision"],
        "micro_recall": micro["recall"],
        "macro_f1": sum(scored) / len(scored) if scored else None,
        "classes": classes,
    }


def _f1(hits: int, num_reference: int, num_estimated: int) -> dict[str, Any]:
    return {
        "f1": 2 * hits / (num_reference + num_estimated) if num_reference else None,
        "precision": hits / num_estimated if num_estimated else 0.0,
        "recall": hits / num_reference if num_reference else None,
        "num_reference": num_reference,
        "num_estimated": num_estimated,
    }
