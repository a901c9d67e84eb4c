"""How a run's answers become events: source of scores, decoder, thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from .decoder import PADDING, Decoder, Runs, create_decoder
from .scores import SOURCES

# The score of a clip, or of what of it lies around each segment.
CLIP_SCORES = "clip_scores"


@dataclasses.dataclass(frozen=True, eq=False)
class Decoding:
    """All that events depend on.

    A segment's score is its source's, times the clip's score to the `clip_power`: at 0
    it stands alone, at 1 a class that is hardly in the clip has hardly a segment.

    Attributes:
      decoder: makes events of the scores.
      thresholds: (C,) above 0.
      clip_thresholds: (C,); a gated decoder has events only where the clip's score
        reaches it.
      scores: name of the source.
      clip_power: 0 or more.

    Raises:
      InputError: thresholds that are not C numbers from 0 to 1, or a source that is not
        known.
    """

    decoder: Decoder
    thresholds: Array
    clip_thresholds: Array
    scores: str = "segment"
    clip_power: float = 0.0

    def __post_init__(self) -> None:
        SOURCES.get(self.scores)
        for name in ("thresholds", "clip_thresholds"):
            values = np.asarray(getattr(self, name), np.float64)
            if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
                raise InputError(
                    f"{name}: expected a number from 0 to 1 for each class"
                )
            object.__setattr__(self, name, values)
        if len(self.thresholds) != len(self.clip_thresholds):
            raise InputError(
                f"{len(self.thresholds)} thresholds of segments, but"
                f" {len(self.clip_thresholds)} of clips"
            )

    def segment_scores(self, outputs: Mapping[str, Array]) -> Array:
        """(T, C) scores that are decoded.

        Args:
          outputs: of one clip: what the source needs, (T, C), and `clip_scores`,
            (T, C) or (1, C).
        """
        clip = np.asarray(outputs[CLIP_SCORES])
        found = SOURCES.get(self.scores).of(outputs)
        if self.clip_power:
            found = found * clip**self.clip_power
        if self.decoder.is_gated:
            found = np.where(clip >= self.clip_thresholds, found, 0.0)
        return found

    def decode(
        self, outputs: Mapping[str, Array], grid: SegmentGrid, seconds: float
    ) -> list[tuple[Event, float]]:
        """The events of one clip, each with its confidence.

        Args:
          outputs: see `segment_scores`.
          grid: where the segments lie in time.
          seconds: the clip's length, beyond which nothing is found.

        Returns:
          Sorted by onset, then offset, then class.

        Raises:
          InputError: scores of another number of classes, or NaN.
        """
        rows = Rows.of([self.segment_scores(outputs)], [seconds], grid)
        return rows.events(rows.decode(self.decoder, self.thresholds))[0]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; `from_dict` makes it again."""
        return {
            "scores": self.scores,
            "clip_power": self.clip_power,
            "decoder": self.decoder.to_dict(),
            "thresholds": _rounded(self.thresholds),
            "clip_thresholds": _rounded(self.clip_thresholds),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Decoding:
        """Of what `to_dict` gave.

        Raises:
          InputError, KeyError, TypeError: a document of another form.
        """
        decoder = create_decoder(**document["decoder"])
        return cls(**{**document, "decoder": decoder})


@dataclasses.dataclass(frozen=True)
class Rows:
    """Scores of clips as rows, a class in a clip each; row n C + c is of clip n.

    Attributes:
      scores: (N C, T) float32, `PADDING` after the end of a clip.
      num_classes: C.
      seconds: (N,) lengths of the clips.
      grid: where the segments lie in time.
    """

    scores: Array
    num_classes: int
    seconds: Array
    grid: SegmentGrid

    @classmethod
    def of(
        cls, scores: Sequence[Array], seconds: Sequence[float], grid: SegmentGrid
    ) -> Rows:
        """Of (T, C) scores of each clip.

        Raises:
          InputError: scores of another form, or NaN.
        """
        count = np.shape(scores[0])[-1] if len(scores) else 0
        for one in scores:
            if np.ndim(one) != 2 or np.shape(one)[1] != count:
                raise InputError(
                    f"segment scores {np.shape(one)}, expected (segments, {count})"
                )
            if np.isnan(one).any():
                raise InputError("segment scores hold NaN")
        longest = max(map(len, scores), default=0)
        rows = np.full((len(scores), count, longest), PADDING, np.float32)
        for number, one in enumerate(scores):
            rows[number, :, : len(one)] = np.transpose(one)
        return cls(
            rows.reshape(-1, longest), count, np.asarray(seconds, np.float64), grid
        )

    def decode(self, decoder: Decoder, thresholds: float | Array) -> Runs:
        """The runs at thresholds, one for all classes or (C,)."""
        by_class = np.broadcast_to(np.asarray(thresholds, float), self.num_classes)
        of_rows = np.tile(by_class, len(self.seconds))[np.newaxis]
        _, rows, runs = self._decode(decoder, of_rows)
        return runs._replace(rows=rows[runs.rows])

    def decode_at(
        self, decoder: Decoder, thresholds: Array, first: int
    ) -> tuple[Array, ...]:
        """Clip, class, onset and offset of the runs at several thresholds at once.

        Args:
          decoder: of the runs.
          thresholds: (K, N C), for each row.
          first: number of the first threshold; clip n of number k is k N + n.
        """
        if not decoder.is_ranked:
            which, rows, runs = self._decode(decoder, thresholds)
            number = first + which[runs.rows]
            return self.times(runs._replace(rows=rows[runs.rows]), number)[:4]
        _, rows, runs = self._decode(decoder, thresholds.min(axis=0, keepdims=True))
        runs = runs._replace(rows=rows[runs.rows])
        which, kept = np.nonzero(runs.confidences >= thresholds[:, runs.rows])
        return self.times(runs.where(kept), first + which)[:4]

    def _decode(self, decoder: Decoder, thresholds: Array) -> tuple[Array, Array, Runs]:
        """(P,) number of a threshold and of a row; the runs of these P."""
        # most classes of most clips have nothing that comes near
        peaks = self.scores.max(axis=1, initial=PADDING)
        which, rows = np.nonzero(peaks >= thresholds)
        if not len(rows):
            empty = np.zeros(0, np.int64)
            return which, rows, Runs(empty, empty, empty, np.zeros(0))
        chosen = thresholds[which, rows][:, np.newaxis]
        runs = decoder.runs(self.scores[rows], chosen, self.grid.hop_seconds)
        return which, rows, runs

    def times(self, runs: Runs, number: int | Array = 0) -> tuple[Array, ...]:
        """Clip, class, onset, offset and confidence of runs that lie in their clip.

        Onsets and offsets are those of the first and the last segment's slot, cut to
        the clip.

        Args:
          runs: of these rows.
          number: (R,); clip n is number N + n.
        """
        clips, labels = np.divmod(runs.rows, self.num_classes)
        edges = self.grid.onsets(self.scores.shape[1] + 1)
        seconds = self.seconds[clips]
        onsets = np.clip(edges[runs.first], 0.0, seconds)
        offsets = np.clip(edges[runs.end], 0.0, seconds)
        inside = offsets > onsets
        clips = clips + number * len(self.seconds)
        found = (clips, labels, onsets, offsets, runs.confidences)
        return tuple(column[inside] for column in found)

    def events(self, runs: Runs) -> list[list[tuple[Event, float]]]:
        """For each clip its events, by onset, with their confidences."""
        found: list[list[tuple[Event, float]]] = [[] for _ in self.seconds]
        clips, *columns = (column.tolist() for column in self.times(runs))
        for clip, label, onset, offset, confidence in zip(clips, *columns):
            found[clip].append((Event(label, onset, offset), confidence))
        for events in found:
            events.sort(key=lambda pair: (*pair[0][1:], pair[0].label))
        return found


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 6) for value in values]
