"""From segment scores to events and back, event tables, and detection scores."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter

from ..errors import InputError
from ..labels import ClassList, Event, SegmentGrid
from ..typing import Array, StrPath

HEADER = ("filename", "onset", "offset", "event_label")

# Times that differ by less are the same time: above the rounding of sums of hops,
# below the length of a sample.
_TOLERANCE_SECONDS = 1e-6


def decode_events(
    segment_probs: Array,
    grid: SegmentGrid,
    thresholds: float | Array,
    clip_probs: Array | None = None,
    clip_thresholds: float | Array | None = None,
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


def confidences(
    found: Sequence[Event], segment_probs: Array, grid: SegmentGrid
) -> list[float]:
    """Mean score of each event's class over the segments whose middle is in it.

    Args:
      found: events of a clip, as `decode_events` gives them.
      segment_probs: (T, C) scores.
      grid: where the segments lie in time.
    """
    middles = grid.onsets(len(segment_probs)) + grid.hop_seconds / 2
    out = []
    for event in found:
        inside = (event.onset_seconds <= middles) & (middles <= event.offset_seconds)
        if not inside.any():  # an event that was cut to less than half a segment
            middle = (event.onset_seconds + event.offset_seconds) / 2
            inside[np.abs(middles - middle).argmin()] = True
        out.append(float(segment_probs[inside, event.label].mean()))
    return out


def read_events(path: StrPath, classes: ClassList) -> dict[str, list[Event]]:
    """Reads an event table: `filename onset offset event_label`, perhaps `confidence`.

    That is DESED's, as `event_formats` writes it, too. Exact duplicates are dropped; a
    row with empty fields names a file without events; labels are matched whole, by name
    or by mid.

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
            header = tuple(next(reader, ()))
            if header not in (HEADER, (*HEADER, "confidence")):
                raise InputError(
                    f"{where}, line 1: expected the tab-separated header"
                    f" {' '.join(HEADER)!r}"
                )
            for row in reader:
                if row:
                    line = f"{where}, line {reader.line_num}"
                    if len(row) != len(header):
                        raise InputError(
                            f"{line}: expected {len(header)} tab-separated fields,"
                            f" found {row}"
                        )
                    events = _parse_event(row, classes, line)
                    found.setdefault(row[0], set()).update(events)
    except (OSError, csv.Error) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error
    return {name: sorted(events, key=_by_onset) for name, events in found.items()}


def _by_onset(event: Event) -> tuple[float, float, int]:
    return event.onset_seconds, event.offset_seconds, event.label


def _per_class(values: float | Array | None, num_classes: int, name: str) -> Array:
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (num_classes,)) or np.isnan(array).any():
        raise InputError(f"{name}: expected 1 or {num_classes} numbers, found {values}")
    return array


def _parse_event(row: Sequence[str], classes: ClassList, where: str) -> list[Event]:
    """The event of a row, or none where the file has no events."""
    if not row[0]:
        raise InputError(f"{where}: expected a file name first, found {row}")
    if not any(row[1:4]):
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
    check_event(event, len(classes), where)
    return [event]


def check_event(event: Event, num_classes: int, where: str) -> None:
    if not 0 <= event.label < num_classes:
        raise InputError(
            f"{where}: event of class {event.label}, there are {num_classes} classes"
        )
    if not 0 <= event.onset_seconds <= event.offset_seconds < math.inf:
        raise InputError(
            f"{where}: event from {event.onset_seconds} to"
            f" {event.offset_seconds} s, expected 0 <= onset <= offset"
        )
