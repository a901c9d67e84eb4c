"""Label tables: CSV or TSV files with a header, of weak or of strong labels."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import pathlib
import re
from collections.abc import Container

from tfweak.errors import InputError
from tfweak.files import atomic
from tfweak.labels import delimiter_of

_LABEL_COLUMNS = ("labels", "event_labels", "label", "event_label")


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Attributes:
      where: table and line, for messages.
      filename: as it stands in the table.
      label: the whole label field, stripped.
      onset, offset: as they stand in a table of strong labels; None in one of tags.
      problem: why the row cannot be read, or "".
    """

    where: str
    filename: str
    label: str
    onset: str | None = None
    offset: str | None = None
    problem: str = ""

    @property
    def is_strong(self) -> bool:
        """Whether the row comes from a table with onsets and offsets."""
        return self.onset is not None

    def times(self) -> tuple[float, float] | None:
        """Onset and offset in seconds of a strong row; None for "nothing happens".

        Raises:
          InputError: when they are not two times in order, or the event has no label.
        """
        if not self.label and not self.onset and not self.offset:
            return None
        if not self.label:
            raise InputError(f"{self.where}: an event without a label")
        try:
            onset, offset = float(self.onset or ""), float(self.offset or "")
        except ValueError:
            onset = offset = math.nan
        if not 0 <= onset < offset < math.inf:
            raise InputError(
                f"{self.where}: onset {self.onset!r} and offset"
                f" {self.offset!r}: expected seconds, 0 <= onset < offset"
            )
        return onset, offset


def read_table(path: pathlib.Path) -> list[TableRow]:
    """Reads a table with the columns `filename` and `labels`, or `filename`, `onset`,
    `offset` and `event_label`, in any order.

    The header says what separates the columns: tabs, commas or semicolons; with
    semicolons, times may have decimal commas. Byte-order mark, CRLF and spaces after
    the delimiter are accepted. Where the label column is the last one, further fields
    belong to it: labels are often listed without quotes.

    Raises:
      InputError: when the file cannot be read or has no such header.
    """
    atomic.require_files(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = delimiter_of(text.partition("\n")[0])
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
        )
        raw = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"label table {path}: cannot be read ({error})") from error
    begin = 1
    for end, row in raw:
        if any("\n" in field or "\r" in field for field in row):
            raise InputError(
                f"label table {path}, line {begin}: a quote that is not closed makes"
                f" one row of the lines {begin} to {end}; close it, or write it twice"
            )
        begin = end + 1
    lines = [(number, [field.strip() for field in row]) for number, row in raw]
    header = [name.lower() for name in lines[0][1]] if lines else []
    label = _label_column(header)
    times = {"onset", "offset"} & set(header)
    strong = len(times) == 2
    if not label or len(times) == 1:
        raise InputError(
            f"label table {path}: expected a header with filename and"
            " labels (or filename, onset, offset and event_label), found"
            f" {', '.join(header) or 'nothing'}"
        )
    return [
        _row(f"{path.name}, line {number}", header, label, strong, delimiter, fields)
        for number, fields in lines[1:]
        if any(fields)
    ]


def is_label_table(path: pathlib.Path) -> bool:
    """Whether a file has a header that `read_table` takes."""
    if not path.is_file():  # a pipe would wait for somebody who writes
        return False
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            line = handle.readline()
        rows = csv.reader([line], delimiter=delimiter_of(line), skipinitialspace=True)
        header = [field.strip().lower() for field in next(rows, [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return bool(_label_column(header))


def _label_column(header: list[str]) -> str:
    """The column of the labels; "" under a header of another kind of table."""
    if "filename" not in header or len(set(header)) != len(header):
        return ""
    return next((name for name in _LABEL_COLUMNS if name in header), "")


def split_labels(field: str, known: Container[str]) -> list[str]:
    """The labels of a list, between commas or semicolons.

    A known one that holds commas itself stays whole.

    >>> split_labels("Truck, Air horn, truck horn", {"Air horn, truck horn"})
    ['Truck', 'Air horn, truck horn']
    """
    pieces = re.split("([,;])", _unquoted(field))  # labels and, between them, signs
    labels = []
    start = 0
    while start < len(pieces):
        stop = next(
            (
                stop
                for stop in range(len(pieces), start + 1, -2)
                if "".join(pieces[start:stop]).strip() in known
            ),
            start + 1,
        )
        labels.append("".join(pieces[start:stop]).strip())
        start = stop + 1
    return list(dict.fromkeys(label for label in labels if label))


def _unquoted(field: str) -> str:
    """A field without the quotes around all of it; those of a name stay."""
    return re.sub('^"+([^"]*)"+$', r"\1", field)


def _row(
    where: str,
    header: list[str],
    label: str,
    strong: bool,
    delimiter: str,
    fields: list[str],
) -> TableRow:
    while len(fields) > len(header) and not fields[-1]:
        fields = fields[:-1]
    extra = fields[len(header) :]
    fields = fields[: len(header)] + [""] * (len(header) - len(fields))
    problem = ""
    if extra and header[-1] == label:
        separator = delimiter if delimiter == "\t" else ", "
        fields[-1] = separator.join([fields[-1], *extra])
    elif extra:
        problem = (
            f"{where}: {len(header) + len(extra)} fields under a header of"
            f" {len(header)}"
        )
    values = dict(zip(header, fields))
    if not values["filename"]:
        problem = f"{where}: no file name"
    if delimiter == ";" and strong:
        values |= {name: values[name].replace(",", ".") for name in ("onset", "offset")}
    return TableRow(
        where,
        values["filename"],
        _unquoted(values[label]),
        values["onset"] if strong else None,
        values["offset"] if strong else None,
        problem,
    )
