"""Reading label lists line by line: ids, times, names, and lines that are broken."""

from __future__ import annotations

import csv
import math
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tfweak.errors import InputError

_ID = re.compile(r"[\w-]{11}", re.ASCII)
_NAME = re.compile(
    r"([\w-]{11})_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)\.wav", re.ASCII | re.IGNORECASE
)
_SECONDS = re.compile(r"\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.ASCII | re.IGNORECASE)

_SEMICOLONS = "; the columns are separated by semicolons here"

# How a list says "labelled in AudioSet, but not audible".
INAUDIBLE = (0.0, 0.0)


class Line(NamedTuple):
    """A line of text, with its file and number for messages."""

    where: str
    text: str


class Place(NamedTuple):
    """Where a clip lies in its video, in seconds; the end is None where unknown."""

    start_seconds: float
    end_seconds: float | None

    def __str__(self) -> str:
        end = "" if self.end_seconds is None else f" to {self.end_seconds:g}"
        return f"{self.start_seconds:g}{end} s"


class LabelRow(NamedTuple):
    """What one line of a list says.

    Attributes:
      where: file and line, for messages.
      clip_id: the 11 characters; "" where the line does not show an id.
      place: where the clip lies in its video.
      labels: mids or names, as they stand there.
      times: onset and offset in seconds from the clip's start, of the events of the
        row's one label; `INAUDIBLE` among them says that it is not audible. None in
        weak lists.
      problem: why the row cannot be used, or "".
    """

    where: str
    clip_id: str
    place: Place = Place(0.0, None)
    labels: Sequence[str] = ()
    times: Sequence[tuple[float, float]] | None = None
    problem: str = ""


def lines(path: pathlib.Path) -> Iterator[Line]:
    """The lines of a file that are not blank; CRLF and a byte-order mark are accepted.

    Bytes that are not UTF-8 become U+FFFD, which no id, time or mid holds.
    """
    with open(path, encoding="utf-8-sig", errors="replace", newline="\n") as handle:
        for number, text in enumerate(handle, start=1):
            if text.strip():
                yield Line(f"{path.name}, line {number}", text.rstrip("\r\n"))


def parsed(
    lines: Iterable[Line], parse: Callable[[Line], LabelRow]
) -> Iterator[LabelRow]:
    """`parse(line)` of each line; where it raises `InputError`, a row with a problem.

    The clip of such a row is known by the first id in the line: alone between tabs,
    commas, semicolons or quotes, or at the start of a name.
    """
    for line in lines:
        try:
            yield parse(line)
        except InputError as error:
            words = (w.strip() for w in re.split('[\t,;"]', line.text))
            ids = (w[:11] for w in words if _ID.fullmatch(w[:11]) and w[11:12] in "_")
            yield LabelRow(line.where, next(ids, ""), problem=f"{line.where}: {error}")


def fields(line: Line, delimiter: str, names: Sequence[str]) -> list[str]:
    """The fields of a line, quotes undone, as many as there are names.

    Line by line, so that a quote which is not closed spoils no other line.

    Raises:
      InputError: another number of fields; a quote not closed, or within a field.
    """
    try:
        (row,) = csv.reader(
            [line.text], delimiter=delimiter, skipinitialspace=True, strict=True
        )
    except csv.Error as error:
        raise InputError(f"cannot be read ({error})") from error
    if len(row) != len(names):
        expected = ", ".join(name or "a number" for name in names)
        raise InputError(
            f"{len(row)} columns, expected {len(names)}: {expected}"
            + (_SEMICOLONS if len(row) == 1 and ";" in line.text else "")
        )
    return [field.strip() for field in row]


def wrong_format(path: pathlib.Path, expected: str, found: str) -> InputError:
    """The error for a file that is not of the format."""
    cause = _SEMICOLONS if ";" in found else "; is it the list of another dataset?"
    return InputError(
        f"label list {path}: expected {expected}, found {found[:80]!r}{cause}"
    )


def seconds(text: str) -> float:
    """A time.

    Raises:
      InputError: when it is not a number of seconds from 0.
    """
    value = float(text) if _SECONDS.fullmatch(text) else math.inf
    if value == math.inf:
        raise InputError(f"{text!r} is not a time in seconds")
    return value


def clip_id(text: str) -> str:
    """The text, which must be an id.

    Raises:
      InputError: it is not.
    """
    if not _ID.fullmatch(text):
        raise InputError(f"{text!r} is not an id of 11 letters, digits, '-' and '_'")
    return text


def mids(text: str) -> list[str]:
    """The labels of a comma list, which may be within further quotes.

    Raises:
      InputError: it has none.
    """
    found = [mid.strip() for mid in text.strip('"').split(",")]
    if not all(found):
        raise InputError(f"{text!r}: expected labels, separated by commas")
    return found


def place(start: str, end: str) -> Place:
    """Where a clip lies in its video.

    Raises:
      InputError: when these are not two times in order.
    """
    begin, stop = seconds(start), seconds(end)
    if begin >= stop:
        raise InputError(f"the clip ends at {stop:g} s, but begins at {begin:g} s")
    return Place(begin, stop)


def clip_name(name: str) -> tuple[str, Place]:
    """The id and the place of a clip named `YTID_start_end.wav`.

    The id is the first 11 characters, whatever they are.

    Raises:
      InputError: when it is no such name.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise InputError(f"{name!r} is not a name such as YTID_30.000_40.000.wav")
    return match[1], place(match[2], match[3])


def event(onset: float, offset: float, where: Place) -> tuple[float, float]:
    """An event of a clip, or `INAUDIBLE`.

    Raises:
      InputError: when it does not end after its onset, or begins after the clip.
    """
    if not 0 <= onset < offset < math.inf and (onset, offset) != INAUDIBLE:
        raise InputError(
            f"onset {onset:g} and offset {offset:g}: expected 0 <= onset < offset"
        )
    require_within(onset, where)
    return onset, offset


def require_within(onset: float, where: Place) -> None:
    """Checks that an event begins before its clip ends, where the end is known.

    Raises:
      InputError: it does not.
    """
    if where.end_seconds is not None:
        length = where.end_seconds - where.start_seconds
        if onset >= length:
            raise InputError(
                f"an event begins at {onset:g} s in a clip of {length:g} s; the times"
                " of strong labels count from the clip's start"
            )
