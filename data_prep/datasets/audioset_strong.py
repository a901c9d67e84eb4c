"""AudioSet's strong labels: every sound of a clip with its onset and offset.

`labels` names a TSV with the header `segment_id start_time_seconds end_time_seconds
label`, or a CSV with the same; a segment id is the video's id, an underscore, and the
clip's start in the video in milliseconds; times count from the clip's start. The ids of
the records are those of the videos; how they are found, `join` says.

The classes are those of `classes`, else the labels that occur, by mid. Of the 456
labels some are not among the 527 of the weak lists: with these as `classes` they are
dropped and reported once each in the manifest, as `unused label`. They follow from the
class list that was asked for, so they do not count as files that could not be used. A
clip that keeps no label is written all the same: it is known that none of the classes
sounds in it.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

from tfweak.errors import InputError
from tfweak.labels import delimiter_of

from ..inputs import label_rows
from ..inputs.join import LabelListDataset
from ..options import Options

_COLUMNS = ["segment_id", "start_time_seconds", "end_time_seconds", "label"]
_MILLISECONDS_PER_SECOND = 1000


class AudiosetStrong(LabelListDataset):
    """The classes are any that occur."""

    name = "audioset_strong"
    help = "AudioSet's strong labels, by clip id"
    options = LabelListDataset.options | {"inaudible"}
    what = "a TSV of AudioSet strong labels"

    def rows(
        self, path: pathlib.Path, options: Options
    ) -> Iterator[label_rows.LabelRow]:
        """The rows of a TSV of strong labels.

        Raises:
          InputError: when the header is another one.
        """
        lines = label_rows.lines(path)
        header = next(lines, label_rows.Line("", "")).text
        delimiter = delimiter_of(header)
        if [name.strip() for name in header.split(delimiter)] != _COLUMNS:
            expected = "\t".join(_COLUMNS)
            raise label_rows.wrong_format(path, f"the header {expected!r}", header)
        return label_rows.parsed(lines, lambda line: _row(line, delimiter))


def _row(line: label_rows.Line, delimiter: str) -> label_rows.LabelRow:
    segment, onset, offset, label = label_rows.fields(line, delimiter, _COLUMNS)
    name, _, start = segment.rpartition("_")  # the id may hold underscores
    if not re.fullmatch("[0-9]{1,12}", start):
        raise InputError(f"{segment!r} is not a segment id such as YTID_30000")
    clip_id = label_rows.clip_id(name)
    place = label_rows.Place(int(start) / _MILLISECONDS_PER_SECOND, None)
    times = [
        label_rows.event(label_rows.seconds(onset), label_rows.seconds(offset), place)
    ]
    return label_rows.LabelRow(line.where, clip_id, place, [label], times)
