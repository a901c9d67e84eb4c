"""From segment scores to events and back, event tables, and detection scores."""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import median_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from tfweak import metrics
from tfweak.errors import InputError
from tfweak.labels import ClassList, Event, SegmentGrid

HEADER = ("filename", "onset", "offset", "event_label")

# Times that differ by less are the same time: above the rounding of sums of hops,
# below the length of a sample.
_TOLERANCE_SECONDS = 1e-6


def decode_events(
    segment_probs: np.ndarray,
    grid: SegmentGrid,
    thresholds: float | np.ndarray,
    clip_probs: np.ndarray | None = None,
    clip_thresholds: float | np.ndarray | None = None,
    median_filter_segments: int = 1,
    min_duration_seconds: float = 0.0,
    max_gap_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> list[Event]:
    """The events of one clip: runs of segments whose score reaches the threshold.

    In this order: threshold; median filter over time, edges mirrored (the same as
    filtering the scores first); runs become events from the start of their first slot
    to the end of their last, cut to [0, duration]; events of a class at most
    `max_gap_seconds` apart are joined; those under `min_duration_seconds` are dropped.

    Worked example with hop 1 s, offset 0, threshold 0.5: the scores 0.9, 0.5, 0.2, 0.8
    of a class give the events 0-2 s and 3-4 s; with `max_gap_seconds=1` just 0-4 s.

    Args:
      segment_probs: (T, C) scores.
      grid: where the segments lie in time.
      thresholds: one for all classes, or (C,); a score equal to it is active.
      clip_probs: (C,); a class under its clip threshold gives no events.
      clip_thresholds: one for all classes, or (C,).
      median_filter_segments: length of the median filter, odd; 1 filters nothing.
      min_duration_seconds: the shortest event kept.
      max_gap_seconds: the longest pause joined.
      duration_seconds: the clip's length; None cuts nothing at the end.

    Returns:
      Events sorted by onset, then offset, then class.

    Raises:
      InputError: shapes that do not fit, NaN, an even filter, half of a clip gate.
    """
    probs = np.asarray(segment_probs)
    if probs.ndim != 2:
        raise InputError(f"segment scores {probs.shape}, expected (segments, classes)")
    num_segments, num_classes = probs.shape
    if np.isnan(probs).any():
        raise InputError("segment scores hold NaN")
    if median_filter_segments < 1 or median_filter_segments % 2 == 0:
        raise InputError(
            f"median_filter_segments is {median_filter_segments}, expected"
            " an odd number of segments, 1 for no filter"
        )
    active = probs >= _per_class(thresholds, num_classes, "thresholds")
    if (clip_probs is None) != (clip_thresholds is None):
        raise InputError("clip_probs and clip_thresholds belong together")
    if clip_probs is not None:
        active &= _per_class(clip_probs, num_classes, "clip_probs") >= _per_class(
            clip_thresholds, num_classes, "clip_thresholds"
        )
    if median_filter_segments > 1 and num_segments:
        active = median_filter(active, (median_filter_segments, 1), mode="reflect")
    edges = np.clip(grid.onsets(num_segments + 1), 0.0, duration_seconds)
    found = []
    for label in np.flatnonzero(active.any(axis=0)):
        change = np.diff(active[:, label].astype(np.int8), prepend=0, append=0)
        runs: list[tuple[float, float]] = []
        for onset, offset in zip(
            edges[change == 1].tolist(), edges[change == -1].tolist()
        ):
            if offset <= onset:  # wholly outside the clip
                continue
            if runs and onset - runs[-1][1] <= max_gap_seconds + _TOLERANCE_SECONDS:
                runs[-1] = (runs[-1][0], offset)
            else:
                runs.append((onset, offset))
        found += [
            Event(int(label), onset, offset)
            for onset, offset in runs
            if offset - onset >= min_duration_seconds - _TOLERANCE_SECONDS
        ]
    return sorted(found, key=_by_onset)


def write_events(
    path: str | os.PathLike,
    rows: Iterable[tuple[str, Sequence[Event]]],
    class_names: Sequence[str],
) -> None:
    """Writes an event table (TSV as of DESED): `filename onset offset event_label`.

    Times are in seconds, rounded to the millisecond. A file without events keeps one
    row with three empty fields. The table is written whole or not at all.

    Args:
      path: the table.
      rows: (file name, its events), one pair a file.
      class_names: the name of each class index.

    Raises:
      InputError: a file name that is empty or holds a tab or line break, an event of
        an unknown class or without proper times, a path that cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(HEADER)
    for filename, events in rows:
        if not filename or set(filename) & set("\t\r\n\0"):
            raise InputError(
                f"file name {filename!r} does not fit into a table: it is"
                " empty or holds a tab or a line break"
            )
        if not events:
            writer.writerow((filename, "", "", ""))
        for event in events:
            _check_event(event, len(class_names), filename)
            times = f"{event.onset_seconds:.3f}", f"{event.offset_seconds:.3f}"
            writer.writerow((filename, *times, class_names[event.label]))
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise InputError(f"event table {path}: no such folder")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        # file names that are not UTF-8 keep their bytes
        temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"event table {path}: cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_events(path: str | os.PathLike, classes: ClassList) -> dict[str, list[Event]]:
    """Reads an event table as `write_events` writes it.

    Exact duplicates are dropped; a row with three empty fields names a file without
    events; labels are matched whole, by name or by mid.

    Returns:
      By file name, in the table's order, the events sorted by onset.

    Raises:
      InputError: a file that cannot be read or, naming the line, a wrong header or
        number of columns, no file name, an unknown label, or times that are not
        0 <= onset <= offset.
    """
    found: dict[str, set[Event]] = {}
    where = f"event table {path}"
    try:
        with open(
            path, newline="", encoding="utf-8-sig", errors="surrogateescape"
        ) as handle:
            reader = csv.reader(handle, delimiter="\t")
            if tuple(next(reader, ())) != HEADER:
                raise InputError(
                    f"{where}, line 1: expected the tab-separated header"
                    f" {' '.join(HEADER)!r}"
                )
            for row in reader:
                if row:
                    line = f"{where}, line {reader.line_num}"
                    events = _parse_event(row, classes, line)
                    found.setdefault(row[0], set()).update(events)
    except (OSError, csv.Error) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error
    return {name: sorted(events, key=_by_onset) for name, events in found.items()}


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


def frame_f1(labels: np.ndarray, decisions: np.ndarray) -> dict[str, Any]:
    """F1 of decisions on the model's own segments, all clips stacked.

    Args:
      labels, decisions: (M, C) of 0 and 1.

    Returns:
      As `segment_f1`.

    Raises:
      InputError: shapes that differ, or values other than 0 and 1.
    """
    labels, decisions = np.asarray(labels), np.asarray(decisions)
    if labels.ndim != 2 or labels.shape != decisions.shape:
        raise InputError(
            f"labels {labels.shape} and decisions {decisions.shape}: both"
            " must be (segments, classes)"
        )
    if not (np.isin(labels, (0, 1)).all() and np.isin(decisions, (0, 1)).all()):
        raise InputError("labels and decisions must be 0 or 1")
    return _f1_summary(_frame_counts(labels.astype(bool), decisions.astype(bool)))


def best_thresholds(
    labels: np.ndarray, scores: np.ndarray, default: float = 0.5
) -> np.ndarray:
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
      InputError: as `tfweak.metrics.check_scores`.
    """
    names = ClassList.indices(np.shape(labels)[-1]).names
    labels, scores = metrics.check_scores(labels, scores, names)
    out = np.full(labels.shape[1], float(default))
    num_positives = labels.sum(axis=0)
    for label in np.flatnonzero(num_positives):
        cuts, hits, alarms = metrics.threshold_counts(
            labels[:, label], scores[:, label].astype(float)
        )
        best = int(np.argmax(2 * hits / (hits + alarms + num_positives[label])))
        below = cuts[min(best + 1, len(cuts) - 1)]
        middle = below + (cuts[best] - below) / 2
        # the middle of two neighbouring floats rounds to one of them
        out[label] = middle if middle > below else cuts[best]
    return out


def _by_onset(event: Event) -> tuple[float, float, int]:
    return event.onset_seconds, event.offset_seconds, event.label


def _per_class(
    values: float | np.ndarray | None, num_classes: int, name: str
) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (num_classes,)) or np.isnan(array).any():
        raise InputError(f"{name}: expected 1 or {num_classes} numbers, found {values}")
    return array


def _parse_event(row: Sequence[str], classes: ClassList, where: str) -> list[Event]:
    """The event of a row, or none where the file has no events."""
    if len(row) != len(HEADER) or not row[0]:
        raise InputError(
            f"{where}: expected four tab-separated fields, a file name"
            f" first, found {row}"
        )
    if not any(row[1:]):
        return []
    if row[3] not in classes:
        raise InputError(f"{where}: unknown class {row[3]!r} ({len(classes)} known)")
    try:
        event = Event(classes.index(row[3]), float(row[1]), float(row[2]))
    except ValueError:
        raise InputError(
            f"{where}: onset {row[1]!r} and offset {row[2]!r} must be"
            " numbers, in seconds"
        ) from None
    _check_event(event, len(classes), where)
    return [event]


def _check_event(event: Event, num_classes: int, where: str) -> None:
    if not 0 <= event.label < num_classes:
        raise InputError(
            f"{where}: event of class {event.label}, there are {num_classes} classes"
        )
    if not 0 <= event.onset_seconds <= event.offset_seconds < math.inf:
        raise InputError(
            f"{where}: event from {event.onset_seconds} to"
            f" {event.offset_seconds} s, expected 0 <= onset <= offset"
        )


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
                _check_event(event, num_classes, name)


def _activity(
    events: Iterable[Event],
    num_segments: int,
    num_classes: int,
    resolution_seconds: float,
) -> np.ndarray:
    """(num_segments, C) bool: which classes have an event that touches the segment."""
    out = np.zeros((num_segments, num_classes), bool)
    for event in events:
        first = math.floor(event.onset_seconds / resolution_seconds)
        end = math.ceil(event.offset_seconds / resolution_seconds)
        out[first:end, event.label] = True
    return out


def _frame_counts(true: np.ndarray, guess: np.ndarray) -> np.ndarray:
    return np.stack([(true & guess).sum(axis=0), true.sum(axis=0), guess.sum(axis=0)])


def _f1_summary(counts: np.ndarray) -> dict[str, Any]:
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
