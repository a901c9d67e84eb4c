"""What a system answered to clips, beside the truth: what metrics are computed from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..labels import Event
from ..typing import Array
from . import detection, intersection, psds, tagging


class Part(Protocol):
    """A part of what a system answered, that metrics are computed from."""

    @property
    def class_names(self) -> Sequence[str]:
        """C names."""

    def counts(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """What metrics.json says of how many there are, with its keys."""


class TaggedClips:
    """Labels of clips beside the scores that a system gave them.

    Args:
      labels: (N, C) of 0 and 1.
      scores: (N, C) finite numbers; probabilities or logits.
      class_names: C unique names.

    Raises:
      InputError: see `tagging.check_scores`.
    """

    def __init__(
        self, labels: Array, scores: Array, class_names: Sequence[str]
    ) -> None:
        self.labels, self.scores = tagging.check_scores(labels, scores, class_names)
        self.class_names = class_names

    def by_class(self, function: Callable[[Array, Array], float]) -> Array:
        """(C,) float64: a function of one class's labels and scores, (N,) each."""
        columns = map(np.ascontiguousarray, (self.labels.T, self.scores.T))
        return np.array([function(*of_class) for of_class in zip(*columns)])

    @functools.cached_property
    def areas(self) -> Array:
        """(C,) AUC."""
        return self.by_class(tagging.auc)

    def counts(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """What metrics.json says of how many there are, with its keys."""
        positives = self.labels.sum(axis=0).tolist()
        yield ("num_clips",), len(self.labels)
        yield ("num_classes_scored",), sum(count > 0 for count in positives)
        for name, count in zip(self.class_names, positives):
            yield ("classes", name, "num_positives"), count


class SegmentScores(TaggedClips):
    """Labels of segments beside the scores that a system gave them.

    The valid segments of all clips with strong labels, one after the other, on the
    system's own grid, whose `labels` mark them.

    Args:
      labels: (N, C) of 0 and 1.
      scores: (N, C) finite numbers; probabilities or logits.
      class_names: C unique names.

    Raises:
      InputError: see `tagging.check_scores`.
    """

    def counts(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """As of `TaggedClips`."""
        yield ("frame_based", "num_segments"), len(self.labels)
        for name, count in zip(self.class_names, self.labels.sum(axis=0).tolist()):
            yield ("frame_based", "classes", name, "num_positives"), count


@dataclasses.dataclass(frozen=True)
class DetectedEvents:
    """True events beside those that a system found.

    Attributes:
      reference: clip id -> true events.
      estimated: clip id -> events found, of the same clips.
      durations: clip id -> seconds.
      class_names: C names.
      points: for each threshold, clip id -> events found; empty where it is not known.
    """

    reference: Mapping[str, Sequence[Event]]
    estimated: Mapping[str, Sequence[Event]]
    durations: Mapping[str, float]
    class_names: Sequence[str]
    points: Sequence[Mapping[str, Sequence[Event]]] = ()

    @functools.cached_property
    def segment_based(self) -> dict[str, Any]:
        """`detection.segment_f1` in segments of one second."""
        return detection.segment_f1(
            self.reference, self.estimated, self.durations, len(self.class_names)
        )

    @functools.cached_property
    def event_based(self) -> dict[str, Any]:
        """`detection.event_f1` with collars of 200 ms."""
        return detection.event_f1(self.reference, self.estimated, len(self.class_names))

    @functools.cached_property
    def intersection_based(self) -> dict[str, Any]:
        """`intersection.intersection_f1` with DTC and GTC of one half."""
        return intersection.intersection_f1(
            self.reference, self.estimated, self.durations, len(self.class_names)
        )

    def psds(self, setting: psds.Setting) -> psds.Psds:
        """`psds.psds`; None throughout where no operating point is known."""
        count = len(self.class_names)
        if not self.points:
            return psds.Psds(None, [None] * count)
        return psds.psds(self.reference, self.durations, self.points, count, setting)

    def counts(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """As of `TaggedClips`."""
        yield ("num_clips",), len(self.reference)
        for kind in ("segment_based", "event_based"):
            for name, row in zip(self.class_names, getattr(self, kind)["classes"]):
                for key in ("num_reference", "num_estimated"):
                    yield (kind, "classes", name, key), row[key]
