"""What a system answered to clips, beside the truth: what metrics are computed from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..labels import Event
from ..typing import Array
from . import detection, tagging


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


@dataclasses.dataclass(frozen=True)
class DetectedEvents:
    """True events beside those that a system found.

    Attributes:
      reference: clip id -> true events.
      estimated: clip id -> events found, of the same clips.
      durations: clip id -> seconds.
      class_names: C names.
    """

    reference: Mapping[str, Sequence[Event]]
    estimated: Mapping[str, Sequence[Event]]
    durations: Mapping[str, float]
    class_names: Sequence[str]

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

    def counts(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """As of `TaggedClips`."""
        yield ("num_clips",), len(self.reference)
        for kind in ("segment_based", "event_based"):
            for name, row in zip(self.class_names, getattr(self, kind)["classes"]):
                for key in ("num_reference", "num_estimated"):
                    yield (kind, "classes", name, key), row[key]
