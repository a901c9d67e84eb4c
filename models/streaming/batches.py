"""Windows of many recordings, in batches that do not depend on where one begins."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from tfweak.typing import Array

from .files import Unusable
from .stitching import Stitcher
from .windows import Window, WindowPlan

Outputs = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Whole:
    """All that the network said of a recording.

    Attributes:
      name: of the recording.
      num_rows: its length.
      outputs: of a `Stitcher`.
    """

    name: str
    num_rows: int
    outputs: Outputs


class _Recording:
    """One whose windows are being answered."""

    def __init__(self, name: str, stitcher: Stitcher) -> None:
        self.name, self._stitcher = name, stitcher
        self.num_rows = 0
        self.in_many_batches = self.is_answered = False

    def add(self, window: Window, outputs: Outputs, segment_rows: int) -> None:
        """Takes the outputs of the next window."""
        self.is_answered = window.is_last
        self.num_rows = window.first_segment * segment_rows + len(window.rows)
        self._stitcher.add(
            outputs, window.first_segment, window.is_first, window.is_last
        )

    def whole(self) -> Whole:
        """Once the last window is answered."""
        return Whole(self.name, self.num_rows, self._stitcher.outputs())


class Batches:
    """Gathers windows for the network, and what it says by recording.

    Recordings of up to `batch_size` windows are put whole into one batch, with others;
    a longer one has batches of its own. So whenever something is given out, all begins
    anew: who skips what was given out before gets the same batches.

    Args:
      compute: the outputs for each of some windows, see `Stitcher.add`.
      tracks: those that have a value for each segment.
      plan: where the windows lie.
      batch_size: windows that are computed at once.
      note: told the name of a long recording and how many rows of it are done.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Window]], Sequence[Outputs]],
        tracks: Collection[str],
        plan: WindowPlan,
        batch_size: int,
        note: Callable[[str, int], None],
    ) -> None:
        self._compute, self._tracks, self._plan = compute, tracks, plan
        self._size, self._note = batch_size, note
        # begun and not yet given out, in order
        self._begun: collections.deque[_Recording | Unusable] = collections.deque()

    def results(
        self, items: Iterable[Window | Unusable]
    ) -> Iterator[list[Whole | Unusable]]:
        """The recordings in order, in a list all that one batch completed."""
        batch: list[tuple[_Recording, Window]] = []  # of whole recordings
        current: list[tuple[_Recording, Window]] = []  # of the one that comes in
        recording: _Recording | None = None
        for item in items:
            if isinstance(item, Unusable):
                if recording is not None:  # what is wrong showed after some windows
                    self._begun.pop()
                    current.clear()
                    recording = None
                self._begun.append(item)
                yield from self._done()
                continue
            if recording is None:
                stitcher = Stitcher(self._plan.overlap_segments, self._tracks)
                recording = _Recording(item.name, stitcher)
                self._begun.append(recording)
            current.append((recording, item))
            if item.is_last:
                if len(batch) + len(current) > self._size:
                    self._answer(batch)
                    yield from self._done()
                batch += current
                current.clear()
                if len(batch) == self._size or recording.in_many_batches:
                    self._answer(batch)
                    yield from self._done()
                recording = None
            elif len(current) == self._size:
                self._answer(batch)
                yield from self._done()
                recording.in_many_batches = True
                self._answer(current)
                self._note(recording.name, recording.num_rows)
        self._answer(batch)
        yield from self._done()

    def _answer(self, pairs: list[tuple[_Recording, Window]]) -> None:
        if pairs:
            outputs = self._compute([window for _, window in pairs])
            for (recording, window), found in zip(pairs, outputs):
                recording.add(window, found, self._plan.segment_rows)
        pairs.clear()

    def _done(self) -> Iterator[list[Whole | Unusable]]:
        found: list[Whole | Unusable] = []
        while self._begun:
            first = self._begun[0]
            if isinstance(first, Unusable):
                found.append(first)
            elif first.is_answered:
                found.append(first.whole())
            else:
                break
            self._begun.popleft()
        if found:
            yield found
