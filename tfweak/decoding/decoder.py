"""What every decoder is, and all of them by name.

A decoder turns the scores of segments into events. A new one is one file in
`tfweak/decoding/decoders/`, whose name is the decoder's, or a class of your own with
`@tfweak.register`:

    import dataclasses

    import tfweak

    @tfweak.register
    @dataclasses.dataclass(frozen=True)
    class Loudest(tfweak.Decoder):
        name = "loudest"

        def runs(self, scores, thresholds, hop_seconds):
            best = scores.max(axis=1, keepdims=True)
            active = (scores == best) & (best >= thresholds)
            return self.joined(scores, active, hop_seconds)

An event is a run of segments; what counts as a pause between two events, and what is
one event with a pause in it, is `max_gap_seconds`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..registry import Registry
from ..settings import check, from_text, option
from ..typing import Array

# What the score of a segment is that a clip does not have.
PADDING = -np.inf
# Times that differ by less are the same: above the rounding of sums of hops, below the
# length of a sample.
_TOLERANCE_SECONDS = 1e-6


class Runs(NamedTuple):
    """N runs of segments, sorted by row, then by time.

    Attributes:
      rows: (N,) which row of scores.
      first, end: (N,) from segment `first` to before segment `end`.
      confidences: (N,).
    """

    rows: Array
    first: Array
    end: Array
    confidences: Array

    def where(self, mask: Array) -> Runs:
        """Some of them."""
        return Runs(*(column[mask] for column in self))


@dataclasses.dataclass(frozen=True)
class Decoder(abc.ABC):
    """A way from scores to events, with its settings.

    Attributes:
      name: what `create_decoder` takes.
      is_gated: segments count only where the clip's score reaches its threshold.
      is_ranked: the threshold only chooses among the runs, by their confidence, so that
        those at one threshold are among those at any lower one.
    """

    kind: ClassVar[str] = "decoder"
    name: ClassVar[str]
    is_gated: ClassVar[bool] = False
    is_ranked: ClassVar[bool] = False

    max_gap_seconds: float = option(
        0.0, "longest pause within an event: what is closer is joined", lower=0.0
    )
    min_seconds: float = option(0.0, "shortest event that is kept", lower=0.0)

    def __post_init__(self) -> None:
        check(self)

    @abc.abstractmethod
    def runs(self, scores: Array, thresholds: Array, hop_seconds: float) -> Runs:
        """The runs of rows of scores.

        Args:
          scores: (R, T) from 0 to 1, each row a class in a clip; `PADDING` after the
            end of a shorter clip.
          thresholds: (R, 1), above 0; a score equal to it is active. A row that does
            not reach its own has no run.
          hop_seconds: of a segment.
        """

    @classmethod
    def grid(cls, hop_seconds: float, high: float) -> Mapping[str, Sequence[float]]:
        """Values of settings that tuning tries, but for those of every decoder.

        Args:
          hop_seconds: of a segment.
          high: what the highest scores of classes that are there are like.
        """
        del hop_seconds, high
        return {}

    def joined(self, scores: Array, active: Array, hop_seconds: float) -> Runs:
        """`finished` runs of active segments.

        Args:
          scores: (R, T).
          active: (R, T) bool.
          hop_seconds: of a segment.
        """
        change = np.diff(np.pad(active, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        rows, first = np.nonzero(change == 1)
        return self.finished(
            scores, rows, first, np.nonzero(change == -1)[1], hop_seconds
        )

    def finished(
        self, scores: Array, rows: Array, first: Array, end: Array, hop_seconds: float
    ) -> Runs:
        """Runs joined over short pauses, without those that are short then.

        Args:
          scores: (R, T), whose mean over a run is its confidence.
          rows, first, end: as of `Runs`.
          hop_seconds: of a segment.
        """
        if len(rows):
            pause = (first[1:] - end[:-1]) * hop_seconds
            begins = pause > self.max_gap_seconds + _TOLERANCE_SECONDS
            begins = np.append(True, begins | (rows[1:] != rows[:-1]))
            end = end[np.append(begins[1:], True)]
            rows, first = rows[begins], first[begins]
        kept = (end - first) * hop_seconds >= self.min_seconds - _TOLERANCE_SECONDS
        rows, first, end = rows[kept], first[kept], end[kept]
        total = np.cumsum(np.pad(scores, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        means = (total[rows, end] - total[rows, first]) / (end - first)
        return Runs(rows, first, end, means)

    def to_dict(self) -> dict[str, Any]:
        """Name and settings as JSON types; `create_decoder(**it)` makes it again."""
        return {"name": self.name, "settings": dataclasses.asdict(self)}


def peaks(scores: Array, runs: Runs) -> Runs:
    """The runs with the highest score of each as its confidence.

    Args:
      scores: (R, T).
      runs: of these rows.
    """
    if not len(runs.rows):
        return runs
    width = scores.shape[1] + 1
    flat = np.pad(scores, ((0, 0), (0, 1)), constant_values=PADDING).ravel()
    ends = np.stack([runs.rows * width + runs.first, runs.rows * width + runs.end], 1)
    highest = np.maximum.reduceat(flat, ends.ravel())[::2]
    return runs._replace(confidences=highest.astype(np.float64))


def by_length(scores: Array, function: Callable[[Array], Array]) -> Array:
    """A function over time of rows of scores, which must not see their padding.

    Args:
      scores: (R, T), with `PADDING` at the end of some rows.
      function: (N, L) valid scores to as many.
    """
    lengths = (scores != PADDING).sum(axis=1)
    out = scores.copy()
    for length in np.unique(lengths[lengths > 0]).tolist():
        rows = lengths == length
        out[rows, :length] = function(scores[rows, :length])
    return out


DECODERS: Registry[type[Decoder]] = Registry(Decoder, "tfweak.decoding.decoders")


def create_decoder(name: str, settings: Mapping[str, Any] | None = None) -> Decoder:
    """A decoder by name.

    Args:
      name: one of `DECODERS.names()`.
      settings: its fields; strings are converted to the field's type.

    Raises:
      InputError: an unknown name or setting, or a value that does not fit.
    """
    cls = DECODERS.get(name)
    return cls(**from_text(cls, dict(settings or {}), f"decoder {name}"))
