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

# Denser where few are found, for false alarms are counted up to some an hour.
_QUANTILES = 1 - np.linspace(0, 1, 50) ** 2
# The score of a clip, or of what of it lies around each segment.
CLIP_SCORES = "clip_scores"


@dataclasses.dataclass(frozen=True, eq=False)
class Decoding:
    """All that events depend on.

    A segment's score is its source's, times the clip's score to the `clip_power`: at 0
    it stands alone, at 1 a class that is hardly in the clip has hardly a segment.

    Attributes:
      decoder: makes events of the scores.
      thresholds: (C,) float32 above 0, as the scores that are compared with them.
      clip_thresholds: (C,) float32; a gated decoder has events only where the clip's
        score reaches it.
      scores: name of the source.
      clip_power: 0 or more.

    Raises:
      InputError: thresholds that are not C such numbers up to 1, a source that is not
        known, or a power below 0.
    """

    decoder: Decoder
    thresholds: Array
    clip_thresholds: Array
    scores: str = "segment"
    clip_power: float = 0.0

    def __post_init__(self) -> None:
        SOURCES.get(self.scores)
        for name in ("thresholds", "clip_thresholds"):
            values = np.asarray(getattr(self, name), np.float32)
            if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
                raise InputError(
                    f"{name}: expected a number from 0 to 1 for each class"
                )
            object.__setattr__(self, name, values)
        # what the clip's score rules out has a score of 0
        if not self.thresholds.all():
            raise InputError("thresholds: 0 is reached where a class is not heard")
        if not 0 <= self.clip_power < np.inf:
            raise InputError(f"clip_power is {self.clip_power}, expected 0 or more")
        if len(self.thresholds) != len(self.clip_thresholds):
            raise InputError(
                f"{len(self.thresholds)} thresholds of segments, but"
                f" {len(self.clip_thresholds)} of clips"
            )

    def segment_scores(self, outputs: Mapping[str, Any], xp: Any = np) -> Any:
        """(T, C) scores that are decoded.

        Args:
          outputs: of one clip: what the source needs, (T, C), and `clip_scores`,
            (T, C) or (1, C); the same of several clips, (B, ...), gives (B, T, C).
          xp: the module of the arrays, NumPy or TensorFlow.

        Raises:
          InputError: scores of another number of classes.
        """
        clip = outputs[CLIP_SCORES]
        found = SOURCES.get(self.scores).of(outputs, xp)
        for one in (clip, found):
            if one.shape[-1] != len(self.thresholds):
                raise InputError(
                    f"scores of {one.shape[-1]} classes, but thresholds of"
                    f" {len(self.thresholds)}"
                )
        gate = self.clip_thresholds if self.decoder.is_gated else None
        return weighed(found, clip, self.clip_power, gate, xp)

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
        return self.decode_scores(self.segment_scores(outputs), grid, seconds)

    def decode_scores(
        self, scores: Array, grid: SegmentGrid, seconds: float
    ) -> list[tuple[Event, float]]:
        """The same of (T, C) `segment_scores`, such as an exported model gives."""
        rows = Rows.of([scores], [seconds], grid)
        return rows.events(rows.decode(self.decoder, self.thresholds))[0]

    def without_gate(self) -> Decoding:
        """The same for any clip's score: its threshold is one of those swept over."""
        return dataclasses.replace(
            self, clip_thresholds=np.zeros(len(self.clip_thresholds))
        )

    def operating_points(self, rows: Rows) -> Array:
        """(K, C) thresholds from where all is found to where next to nothing is.

        Quantiles of the highest scores of classes in clips, a class each, so that they
        do not depend on the scores' scale.

        Args:
          rows: of `segment_scores`.
        """
        peaks = rows.scores.max(axis=1, initial=0.0).reshape(-1, rows.num_classes)
        return np.clip(np.quantile(peaks, _QUANTILES, axis=0)[::-1], 1e-6, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; `from_dict` makes it again."""
        return {
            "scores": self.scores,
            "clip_power": self.clip_power,
            "decoder": self.decoder.to_dict(),
            "thresholds": _listed(self.thresholds),
            "clip_thresholds": _listed(self.clip_thresholds),
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
            rows.reshape(len(scores) * count, longest),
            count,
            np.asarray(seconds, np.float64),
            grid,
        )

    def decode(self, decoder: Decoder, thresholds: float | Array) -> Runs:
        """The runs at thresholds, one for all classes or (C,).

        Raises:
          InputError: thresholds of another number of classes.
        """
        if len(self.seconds) and np.shape(thresholds) not in ((), (self.num_classes,)):
            raise InputError(
                f"scores of {self.num_classes} classes, but thresholds of"
                f" {np.size(thresholds)}"
            )
        of_rows = np.resize(np.asarray(thresholds, np.float32), (1, len(self.scores)))
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


def weighed(
    scores: Any, clip: Any, clip_power: float, gate: Array | None, xp: Any = np
) -> Any:
    """Scores of segments by those of their clip, see `Decoding`.

    Args:
      scores: (T, C).
      clip: (T, C) or (1, C).
      clip_power: see `Decoding`.
      gate: (C,) what the clip's score has to reach; None where it need not.
      xp: the module of the arrays, NumPy or TensorFlow.
    """
    if clip_power:
        scores = scores * clip**clip_power
    if gate is not None:
        scores = xp.where(clip >= gate, scores, xp.zeros_like(scores))
    return scores


def _listed(values: Array) -> list[float]:
    """The shortest numbers that are these float32 again."""
    return [float(str(value)) for value in values]


def decode_events(
    segment_probs: Array,
    grid: SegmentGrid,
    thresholds: float | Array,
    clip_probs: Array | None = None,
    clip_thresholds: float | Array | None = None,
    median_filter_segments: int = 1,
    min_duration_seconds: float = 0.0,
    max_gap_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> list[Event]:
    """The events of one clip: runs of segments whose score reaches the threshold.

    For scores from anywhere; a run's own way, which was chosen on validation clips, is
    in its `decodings`.

    Worked example with hop 1 s, offset 0, threshold 0.5: the scores 0.9, 0.5, 0.2, 0.8
    of a class give the events 0-2 s and 3-4 s; with `max_gap_seconds=1` just 0-4 s.

    Args:
      segment_probs: (T, C) scores.
      grid: where the segments lie in time.
      thresholds: one for all classes, or (C,); a score equal to it is active.
      clip_probs: (C,); a class under its clip threshold gives no events.
      clip_thresholds: one for all classes, or (C,).
      median_filter_segments: length of the median filter, odd; 1 filters nothing.
      min_duration_seconds: the shortest event kept.
      max_gap_seconds: the longest pause joined.
      duration_seconds: the clip's length; None cuts nothing at the end.

    Returns:
      Events sorted by onset, then offset, then class.

    Raises:
      InputError: shapes that do not fit, NaN, an even filter, half of a clip gate.
    """
    probs = np.asarray(segment_probs)
    if probs.ndim != 2:
        raise InputError(f"segment scores {probs.shape}, expected (segments, classes)")
    if median_filter_segments < 1 or median_filter_segments % 2 == 0:
        raise InputError(
            f"median_filter_segments is {median_filter_segments}, expected"
            " an odd number of segments, 1 for no filter"
        )
    if (clip_probs is None) != (clip_thresholds is None):
        raise InputError("clip_probs and clip_thresholds belong together")
    if clip_probs is not None:
        classes = probs.shape[1]
        heard = _per_class(clip_probs, classes, "clip_probs") >= _per_class(
            clip_thresholds, classes, "clip_thresholds"
        )
        probs = np.where(heard, probs, -np.inf)
    decoder = create_decoder(
        "median_filter",
        {
            "filter_seconds": median_filter_segments * grid.hop_seconds,
            "max_gap_seconds": max_gap_seconds,
            "min_seconds": min_duration_seconds,
        },
    )
    seconds = np.inf if duration_seconds is None else duration_seconds
    rows = Rows.of([probs], [seconds], grid)
    by_class = _per_class(thresholds, probs.shape[1], "thresholds")
    return [event for event, _ in rows.events(rows.decode(decoder, by_class))[0]]


def _per_class(values: float | Array | None, num_classes: int, name: str) -> Array:
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (num_classes,)) or np.isnan(array).any():
        raise InputError(f"{name}: expected 1 or {num_classes} numbers, found {values}")
    return array
