"""Event tables."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Sequence

from ..errors import InputError
from ..labels import ClassList, Event
from ..typing import StrPath

HEADER = ("filename", "onset", "offset", "event_label")


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


def join_pauses(events: Iterable[Event], pause_seconds: float) -> list[Event]:
    """Events of a class at most so far apart as one, sorted by onset.

    Where a sound comes in bursts (barks, ticks) it is a matter of agreement whether
    each burst is an event; joined like this, truth and answer agree.

    Args:
      events: of one file.
      pause_seconds: 0 joins what touches or overlaps.
    """
    found: dict[int, list[Event]] = {}
    for event in sorted(events, key=_by_onset):
        of_class = found.setdefault(event.label, [])
        last = of_class[-1].offset_seconds if of_class else -math.inf
        if event.onset_seconds - last <= pause_seconds:
            latest = max(last, event.offset_seconds)
            of_class[-1] = of_class[-1]._replace(offset_seconds=latest)
        else:
            of_class.append(event)
    return sorted(itertools.chain.from_iterable(found.values()), key=_by_onset)


def _by_onset(event: Event) -> tuple[float, float, int]:
    return event.onset_seconds, event.offset_seconds, event.label


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
