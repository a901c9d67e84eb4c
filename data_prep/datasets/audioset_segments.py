"""AudioSet's segment lists: the weak labels of every clip of a set.

`labels` names a CSV with the line `# YTID, start_seconds, end_seconds,
positive_labels` among the `#` lines at its top, with commas or semicolons; the labels
of a clip are one quoted field of mids. The ids of the records are those of the videos;
how they are found, `join` says.

The classes are those of `classes`, else the labels that occur, by mid. A label
outside `classes` is dropped and reported once in the manifest, as `unused label`; a
clip that keeps none is left out, as `no label`. Both follow from the class list that
was asked for, so they do not count as files that could not be used.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from tfweak.labels import delimiter_of

from ..inputs import label_rows
from ..inputs.join import LabelListDataset
from ..options import Options

_COLUMNS = ["YTID", "start_seconds", "end_seconds", "positive_labels"]
_HEADER = f"the line '# {', '.join(_COLUMNS)}'"


class AudiosetSegments(LabelListDataset):
    """The classes are any that occur."""

    name = "audioset_segments"
    help = "AudioSet's segment lists: weak labels, by clip id"
    what = "a CSV of AudioSet segments"

    def rows(
        self, path: pathlib.Path, options: Options
    ) -> Iterator[label_rows.LabelRow]:
        """The rows of a segments CSV.

        Raises:
          InputError: when no `#` line at its top is the header.
        """
        for line in label_rows.lines(path):
            delimiter = delimiter_of(line.text)
            names = [name.strip() for name in line.text.lstrip("#").split(delimiter)]
            if line.text.startswith("#") and names == _COLUMNS:
                break
            if not line.text.startswith("#"):
                raise label_rows.wrong_format(path, _HEADER, line.text)
        else:
            raise label_rows.wrong_format(path, _HEADER, "no such line")
        lines = label_rows.lines(path)
        return label_rows.parsed(
            (line for line in lines if line.text[0] != "#"),
            lambda line: _row(line, delimiter),
        )


def _row(line: label_rows.Line, delimiter: str) -> label_rows.LabelRow:
    name, start, end, labels = label_rows.fields(line, delimiter, _COLUMNS)
    clip_id, place = label_rows.clip_id(name), label_rows.place(start, end)
    return label_rows.LabelRow(line.where, clip_id, place, label_rows.mids(labels))
