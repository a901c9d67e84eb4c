"""Finding clips by id among the names of audio files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from .label_rows import Place

_TIMES = re.compile(r"(?:_(\d+(?:\.\d+)?)){1,2}", re.ASCII)
_MILLISECONDS_PER_SECOND = 1000
_TOLERANCE_SECONDS = 0.001  # 1 must not pass for 0 ms


def clip_of(name: str, wanted: Mapping[str, Place]) -> tuple[str, bool] | None:
    """Which clip a file holds, by its name.

    The name is `YTID`, `YTID_start_end` in seconds or `YTID_start` in milliseconds,
    each as it is or after a letter Y, and any suffix. An id has 11 characters and may
    itself begin with Y or hold underscores, so what counts is where the times begin:
    after 11 characters or after 12. No name can be read both ways.

    Args:
      name: path of the file.
      wanted: id -> place of the clips looked for.

    Returns:
      The id, and whether the times of the name fit the clip's place (no times fit any);
      None where it is none of the clips.
    """
    stem = PurePosixPath(name).stem
    for begin in (0, 1) if stem.startswith("Y") else (0,):
        clip_id, times = stem[begin : begin + 11], stem[begin + 11 :]
        if clip_id in wanted and (not times or _TIMES.fullmatch(times)):
            return clip_id, not times or _fits(times, wanted[clip_id])
    return None


def by_clip(
    names: Iterable[str], wanted: Mapping[str, Place]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The files of each clip: those of its place, and those of other places."""
    same: dict[str, list[str]] = defaultdict(list)
    other: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found = clip_of(name, wanted)
        if found:
            (same if found[1] else other)[found[0]].append(name)
    return dict(same), dict(other)


def _fits(times: str, place: Place) -> bool:
    start = times.split("_")[1]
    candidates = [float(start)]
    if start.isdigit():
        candidates.append(int(start) / _MILLISECONDS_PER_SECOND)
    return any(abs(c - place.start_seconds) < _TOLERANCE_SECONDS for c in candidates)
