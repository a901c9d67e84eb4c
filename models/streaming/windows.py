"""Windows of a set length, in which a model answers what is longer than one of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np

from tfweak.errors import InputError
from tfweak.settings import check, option
from tfweak.typing import Array

from ..architecture import Architecture

# Where neither the model says on how much it was trained, nor the user.
DEFAULT_SECONDS = 10.0
# Of a window, shared with the next one.
DEFAULT_OVERLAP = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """How long recordings are cut. Those of one window at most are answered whole."""

    window_seconds: float | None = option(
        None,
        "what is longer is answered in windows of so much; if not given, what the"
        f" model's training clips are cut to, {DEFAULT_SECONDS:g} s where they are not",
        lower=0.001,
    )
    overlap_seconds: float | None = option(
        None,
        "what a window shares with the next one, where their answers are cross-faded;"
        " a quarter of a window if not given",
        lower=0.0,
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a recording.

    Attributes:
      name: of the recording.
      rows: (rows, F) features or embeddings.
      first_segment: that of the recording's segments with which it begins.
      is_first, is_last: of the recording's windows.
    """

    name: str
    rows: Array
    first_segment: int
    is_first: bool
    is_last: bool


@dataclasses.dataclass(frozen=True)
class WindowPlan:
    """Where the windows of a model lie.

    A window is whole segments long and begins with a segment of the recording. The last
    one ends with the recording, and is moved back to be as long as the others, but for
    less than a segment.

    Attributes:
      rows: of a window.
      hop_rows: from one window's start to the next one's.
      segment_rows: of a segment.
      overlap_segments: that a window shares with the next one.
    """

    rows: int
    hop_rows: int
    segment_rows: int
    overlap_segments: int

    @classmethod
    def of(
        cls, architecture: Architecture, options: WindowOptions | None = None
    ) -> WindowPlan:
        """The windows of a model.

        Raises:
          InputError: an overlap of a window or more.
        """
        options = options or WindowOptions()
        spec, grid = architecture.input, architecture.grid
        segment_rows = max(1, round(grid.hop_seconds / spec.hop_seconds))
        rows = spec.training_rows
        if rows is None or options.window_seconds is not None:
            seconds = options.window_seconds or DEFAULT_SECONDS
            within = (seconds - spec.window_seconds) / spec.hop_seconds
            rows = 1 + max(0, math.floor(within + 1e-6))
        rows = math.ceil(rows / segment_rows) * segment_rows
        segments = architecture.num_segments(rows)
        if options.overlap_seconds is None:
            overlap = round(DEFAULT_OVERLAP * segments)
        else:
            overlap = round(options.overlap_seconds / grid.hop_seconds)
        if overlap and overlap >= segments:
            raise InputError(
                f"overlap_seconds={options.overlap_seconds}: has to be less than a"
                f" window, which is {segments * grid.hop_seconds:g} s"
            )
        hop_rows = (segments - overlap) * segment_rows
        return cls(rows, hop_rows, segment_rows, overlap)

    def cut(self, name: str, blocks: Iterable[Array]) -> Iterator[Window]:
        """The windows of a recording.

        Args:
          name: of the recording.
          blocks: (rows, F) each, the recording's rows; one row at least in all.

        Yields:
          The windows, by start. Two of them are in memory, and a block.
        """
        held: Array | None = None  # the rows from `begin` on
        begin = start = 0  # of what is held, and of the next window
        for block in blocks:
            held = block if held is None else np.concatenate([held, block])
            # a window is cut where something follows: it is not the last one
            while begin + len(held) > start + self.rows:
                rows = held[start - begin : start - begin + self.rows]
                yield self._window(name, rows, start, False)
                # the last window may have to begin anywhere from here on
                held, begin = held[start - begin :], start
                start += self.hop_rows
        assert held is not None
        end = begin + len(held)
        if start:
            back = math.ceil((end - self.rows) / self.segment_rows)
            start = back * self.segment_rows
        yield self._window(name, held[start - begin :], start, True)

    def _window(self, name: str, rows: Array, start: int, is_last: bool) -> Window:
        return Window(name, rows, start // self.segment_rows, not start, is_last)
