"""Which source, decoder and settings find events best, chosen on labelled clips."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..evaluation.detection import active_cells, fitting
from ..evaluation.event_arrays import EventArrays, matched
from ..labels import SegmentGrid
from ..typing import Array
from .decoder import DECODERS, Decoder
from .decoding import CLIP_SCORES, Decoding, Rows, weighed
from .scores import SOURCES, available

# A class's own threshold counts in full from so many events on.
_ENOUGH_EVENTS = 30
# What is tried with every decoder.
_GAPS_SECONDS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 4.0)
_POWERS = (0.0, 0.5, 1.0)
# Thresholds are these shares of what high scores are like.
_SHARES = 1.1 * 0.75 ** np.arange(16)
_PASSES = 2
# that are decoded at once
_MOST_SCORES = 1 << 23


@dataclasses.dataclass(frozen=True)
class TuningClips:
    """Clips with what a network answered, and the truth.

    Attributes:
      outputs: of each clip, see `Decoding.segment_scores`.
      seconds: (N,) their lengths.
      reference: their events; `files` are indices of clips.
      grid: where the segments lie in time.
      clip_thresholds: (C,).
      judged: (N, C) bool, where the truth is known; everywhere where None.
    """

    outputs: Sequence[Mapping[str, Array]]
    seconds: Sequence[float]
    reference: EventArrays
    grid: SegmentGrid
    clip_thresholds: Array
    judged: Array | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.clip_thresholds)


@dataclasses.dataclass(frozen=True)
class Tuned:
    """A decoding and how good it is on the clips that chose it.

    Attributes:
      decoding: with its thresholds.
      event_f1, segment_f1: micro, events with a collar of 200 ms, segments of 1 s.
    """

    decoding: Decoding
    event_f1: float
    segment_f1: float

    @property
    def value(self) -> float:
        """What is maximised: both count alike."""
        return (self.event_f1 + self.segment_f1) / 2


def tune(
    clips: TuningClips,
    decoders: Iterable[str] | None = None,
    sources: Iterable[str] | None = None,
) -> list[Tuned]:
    """The best way to decode with each decoder and source, the best of all first.

    Settings and source are chosen for all classes together, one after the other,
    twice; a class has a threshold of its own, drawn to the shared one (geometrically)
    by as much as it has fewer than 30 events.

    Args:
      clips: validation clips.
      decoders, sources: names; all if not given. A source that the network has no
        outputs for is left out.

    Raises:
      InputError: that leaves none.
    """
    known = available(clips.outputs[0])
    chosen = known if sources is None else [s for s in sources if s in known]
    if not chosen:
        raise InputError(f"scores: the model has those of {', '.join(known)} alone")
    search = _Search(clips)
    found = [
        search.best(DECODERS.get(decoder), source)
        for decoder in (DECODERS.names() if decoders is None else decoders)
        for source in chosen
    ]
    return sorted(found, key=lambda tuned: -tuned.value)


class _Search:
    """Remembers what was computed once."""

    def __init__(self, clips: TuningClips) -> None:
        self._clips = clips
        shape = (len(clips.outputs), clips.num_classes)
        judged = clips.judged
        self._judged = np.ones(shape, bool) if judged is None else judged
        truth = clips.reference
        self._truth = truth[self._judged[truth.files, truth.labels]]
        self._num_cells = np.ceil(np.asarray(clips.seconds)).astype(np.int64)
        count = clips.num_classes
        cells = active_cells(self._truth, self._num_cells, count, 1.0)
        self._num_true = np.stack(
            [
                self._truth.counts(count),
                np.bincount(cells % count, minlength=count),
            ]
        )
        self._rows = functools.cache(self._rows_of)
        self._high = functools.cache(self._high_of)

    def best(self, cls: type[Decoder], source: str) -> Tuned:
        """The best settings of a decoder on a source."""
        own = cls.grid(self._clips.grid.hop_seconds, self._high(source, 0.0))
        ways: dict[str, Sequence[Any]] = {
            "clip_power": _POWERS,
            "max_gap_seconds": _GAPS_SECONDS,
            **own,
        }
        point: dict[str, Any] = {"clip_power": 0.5, "max_gap_seconds": 1.0}
        point |= {name: values[len(values) // 2] for name, values in own.items()}
        seen: dict[tuple[Any, ...], float] = {}

        def value(point: Mapping[str, Any]) -> float:
            key = tuple(point.values())
            if key not in seen:
                tried = self._thresholds(source, point)[::2]
                counts = self._counts(cls, source, point, tried)
                seen[key] = self._values(counts.sum(axis=-1), self._total).max()
            return seen[key]

        for _ in range(_PASSES):
            before = dict(point)
            for name, values in ways.items():
                point[name] = max(values, key=lambda v: value({**point, name: v}))
            if point == before:
                break
        return self._with_thresholds(cls, source, point)

    def _with_thresholds(
        self, cls: type[Decoder], source: str, point: Mapping[str, Any]
    ) -> Tuned:
        tried = self._thresholds(source, point)
        counts = self._counts(cls, source, point, tried)
        shared = tried[self._values(counts.sum(axis=-1), self._total).argmax()]
        by_class = self._values(counts, self._num_true)
        own = tried[by_class.argmax(axis=0)]
        weight = np.minimum(self._num_true[0] / _ENOUGH_EVENTS, 1.0)
        thresholds = np.minimum(own**weight * shared ** (1 - weight), 1.0)
        decoding = Decoding(
            _decoder(cls, point),
            thresholds,
            self._clips.clip_thresholds,
            source,
            point["clip_power"],
        )
        counts = self._counts(cls, source, point, decoding.thresholds[np.newaxis])
        hits, found = counts[0].sum(axis=-1).T
        event_f1, segment_f1 = 2 * hits / np.maximum(found + self._total, 1)
        return Tuned(decoding, float(event_f1), float(segment_f1))

    @property
    def _total(self) -> Array:
        """(2,) true events and cells."""
        return self._num_true.sum(axis=-1)

    def _thresholds(self, source: str, point: Mapping[str, Any]) -> Array:
        high = self._high(source, point["clip_power"])
        return np.clip(high * _SHARES, 1e-6, 1.0)

    def _high_of(self, source: str, power: float) -> float:
        """What the peaks of classes that are there are like: nine tenths reach less."""
        rows = self._rows(source, power, False)
        here = self._truth.files * self._clips.num_classes + self._truth.labels
        peaks = rows.scores.max(axis=1, initial=0)[np.unique(here)]
        return float(np.quantile(peaks, 0.9)) if len(peaks) else 1.0

    def _rows_of(self, source: str, power: float, is_gated: bool) -> Rows:
        made = SOURCES.get(source)
        gate = self._clips.clip_thresholds if is_gated else None
        scores = [
            weighed(made.of(outputs), outputs[CLIP_SCORES], power, gate)
            for outputs in self._clips.outputs
        ]
        return Rows.of(scores, self._clips.seconds, self._clips.grid)

    def _counts(
        self, cls: type[Decoder], source: str, point: Mapping[str, Any], tried: Array
    ) -> Array:
        """What thresholds lead to, all of them at once.

        Args:
          tried: (K,) for all classes, or (K, C).

        Returns:
          (K, 2, 2, C): of events and of cells, the right ones and all found.
        """
        rows = self._rows(source, point["clip_power"], cls.is_gated)
        count, clips = self._clips.num_classes, len(self._clips.outputs)
        of_class = np.broadcast_to(tried.reshape(len(tried), -1), (len(tried), count))
        of_rows = np.tile(of_class, clips)
        several = max(1, _MOST_SCORES // max(1, rows.scores.size))
        found = [
            rows.decode_at(_decoder(cls, point), of_rows[k : k + several], k)
            for k in range(0, len(tried), several)
        ]
        files, labels, onsets, offsets = map(np.concatenate, zip(*found))
        events = EventArrays(files, labels, onsets, offsets)
        events = events[self._judged[events.files % clips, events.labels]]
        truth = _repeated(self._truth, len(tried), clips)
        i, j = fitting(truth, events)
        same = truth.labels[i] == events.labels[j]
        hits, _ = matched(i[same], j[same])
        num_cells = np.tile(self._num_cells, len(tried))
        cells, true_cells = (
            active_cells(some, num_cells, count, 1.0) for some in (events, truth)
        )
        right = np.intersect1d(cells, true_cells, assume_unique=True)

        def by_class(which: Array, labels: Array) -> Array:
            """(K, C) how many."""
            places = which * count + labels
            return np.bincount(places, minlength=len(tried) * count).reshape(-1, count)

        def counted(some: EventArrays) -> Array:
            return by_class(some.files // clips, some.labels)

        def counted_cells(some: Array) -> Array:
            segments, labels = np.divmod(some, count)
            return by_class(segments // self._num_cells.sum(), labels)

        return np.stack(
            [
                np.stack([counted(truth[hits]), counted(events)], axis=1),
                np.stack([counted_cells(right), counted_cells(cells)], axis=1),
            ],
            axis=1,
        )

    @staticmethod
    def _values(counts: Array, num_true: Array) -> Array:
        """(K, 2, 2, ...) and (2, ...) to (K, ...), the mean of the two F1."""
        return (2 * counts[:, :, 0] / np.maximum(counts[:, :, 1] + num_true, 1)).mean(1)


def _decoder(cls: type[Decoder], point: Mapping[str, Any]) -> Decoder:
    return cls(**{name: v for name, v in point.items() if name != "clip_power"})


def _repeated(events: EventArrays, times: int, num_files: int) -> EventArrays:
    """The same events again and again, each time in files of their own."""
    again = np.repeat(np.arange(times), len(events)) * num_files
    columns = (events.files, events.labels, events.onsets, events.offsets)
    files, *others = (np.tile(column, times) for column in columns)
    return EventArrays(files + again, *others)
