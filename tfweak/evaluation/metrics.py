"""Metrics by name, as metrics.json, the tables of experiments and reports have them.

A new one is one entry of `METRICS`, or one of your own:

    import tfweak
    from tfweak.evaluation.metrics import Metric, Score

    def top_1(clips):
        best = clips.scores.argmax(1)
        return Score(float(clips.labels[range(len(best)), best].mean()))

    tfweak.register(Metric("top-1", top_1))
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import InputError
from ..registry import Registry
from ..typing import Array
from . import psds, tagging
from .answers import DetectedEvents, Part, TaggedClips

CLIPS = "clips"
HISTORY = "history"
FRAMES = "frames"
# How events are found -> where metrics.json has what that leads to.
EVENTS = {
    "segment": ("localisation",),
    "localization": ("localisation", "z_loc"),
    "segment_from_tags": ("localisation", "from_tags"),
    "localization_from_tags": ("localisation", "from_tags", "z_loc"),
    "plain": ("localisation", "plain"),
}
# and what is found in any other way, by its name
OTHERS = ("localisation", "decodings")
_PLACES: dict[str, tuple[str, ...]] = {
    CLIPS: (),
    HISTORY: (HISTORY,),
    FRAMES: ("localisation",),
    **EVENTS,
}


class Score(NamedTuple):
    """What a metric is on some data.

    Attributes:
      overall: one value; NaN, infinite or None where there is none.
      classes: (C,), likewise; empty for a metric that has no values by class.
    """

    overall: float | None
    classes: Sequence[float | None] | Array = ()


@dataclasses.dataclass(frozen=True)
class Metric:
    """How good answers are, as one number and perhaps by class.

    Attributes:
      name: such as `segment F1, micro`.
      function: from what the metric needs to a `Score`.
      needs: `CLIPS`, a `TaggedClips`; a name of `EVENTS`, the `DetectedEvents` that
        are found so; `FRAMES`, a `SegmentScores`; `HISTORY`, of each training of a
        trial a list of the rows of its history.
      scale: tables print so many times the value.
      decimals: that they print.
      heading: what they call it; the name where it is empty.
      key: where metrics.json has it, in the part of what it needs; the name where it
        is empty. By class it has the last key without `micro_` or `macro_`.

    Raises:
      InputError: a need that does not exist.
    """

    kind: ClassVar[str] = "metric"

    name: str
    function: Callable[[Any], Score]
    needs: str = CLIPS
    scale: float = 100.0
    decimals: int = 2
    heading: str = ""
    key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.needs not in _PLACES:
            raise InputError(
                f"metric {self.name!r} needs {self.needs!r}, expected one of"
                f" {', '.join(_PLACES)}"
            )
        object.__setattr__(self, "heading", self.heading or self.name)
        object.__setattr__(self, "key", self.key or (self.name,))

    def overall(self, document: Mapping[str, Any]) -> float | None:
        """Its value in what `evaluate` gave; None where that has none."""
        return at(document, self.path())

    def of_class(self, document: Mapping[str, Any], name: str) -> float | None:
        """The same for one class."""
        return at(document, self.path(name))

    def path(
        self, class_name: str | None = None, decoding: str | None = None
    ) -> tuple[str, ...]:
        """Keys of its value in metrics.json, or of that for a class.

        Args:
          class_name: of the class.
          decoding: one that has no place in `EVENTS`.
        """
        place = (*OTHERS, decoding) if decoding else _PLACES[self.needs]
        *section, last = (*place, *self.key)
        if class_name is None:
            return (*section, last)
        last = last.removeprefix("micro_").removeprefix("macro_")
        return (*section, "classes", class_name, last)


def evaluate(
    answers: Mapping[str, Part],
) -> dict[str, Any]:
    """All metrics of what a system answered.

    Args:
      answers: by what metrics need: `CLIPS`, names of `EVENTS`, `FRAMES`. Metrics that
        need what is not there are left out. `DetectedEvents` of any other name are
        measured as those of `segment`, and stand in `decodings` of `localisation`.

    Returns:
      A dict that JSON can hold. Of clips: `mAP`, `AUC`, `d_prime`, `lwlrap`, `EER`,
      `num_clips`, `num_classes_scored` (classes with positives) and `classes`: the
      same by name, with `num_positives`. Of events, where there are some:
      `localisation` with `num_clips`, `segment_based` and `event_based`, each of
      `micro_f1`, `micro_precision`, `micro_recall`, `macro_f1`, `error_rate` and what
      that is made of, and `classes`; `intersection_based` with `micro_f1`, `macro_f1`
      and `classes`; where operating points are known `psds`, with `PSDS1`, `PSDS2` and
      `classes`; of a localisation map the same in `z_loc`; all that once more in
      `from_tags`, for what no strong label had a part in, and in `plain`, for plain
      thresholds. Of segments `frame_based` in `localisation`, with `mAP`, `d_prime`
      and `classes`. What cannot be computed is None.

    Raises:
      InputError: a metric with values of another number of classes.
    """
    document: dict[str, Any] = {}
    for part, given in answers.items():
        other = None if part in _PLACES else part
        needs = "segment" if other else part
        for path, count in given.counts():
            place = (*OTHERS, other) if other else _PLACES[part]
            _put(document, (*place, *path), count)
        for metric in map(METRICS.get, METRICS.names()):
            if metric.needs != needs:
                continue
            score, names = metric.function(given), given.class_names
            _put(document, metric.path(decoding=other), score.overall)
            if len(score.classes) not in (0, len(names)):
                raise InputError(
                    f"metric {metric.name!r}: {len(score.classes)} values by class,"
                    f" there are {len(names)} classes"
                )
            for name, value in zip(names, score.classes):
                _put(document, metric.path(name, other), value)
    return document


def mean_score(values: Array) -> Score:
    """Values by class and their unweighted mean, NaN left out."""
    known = values[~np.isnan(values)]
    return Score(known.sum() / len(known) if len(known) else None, values)


def _of_events() -> Iterator[Metric]:
    """Figures of detected events, of each map and under both thresholds."""
    for needs in EVENTS:
        of = " of Z_loc" if needs.startswith("localization") else ""
        thresholds = ", thresholds from tags" if needs.endswith("from_tags") else ""
        thresholds = ", plain thresholds" if needs == "plain" else thresholds
        for kind in ("segment", "event"):
            for average, figure in (
                ("micro", "F1"),
                ("macro", "F1"),
                ("micro", "precision"),
                ("micro", "recall"),
            ):
                yield _of_kind(
                    f"{kind} {figure}{of}, {average}{thresholds}",
                    (f"{kind}_based", f"{average}_{figure.lower()}"),
                    needs,
                )
            for errors in ("error", "substitution", "deletion", "insertion"):
                yield _of_kind(
                    f"{kind} {errors} rate{of}{thresholds}",
                    (f"{kind}_based", f"{errors}_rate"),
                    needs,
                    scale=1,
                    decimals=3,
                )
        for average in ("micro", "macro"):
            yield _of_kind(
                f"intersection F1{of}, {average}{thresholds}",
                ("intersection_based", f"{average}_f1"),
                needs,
            )
        if not of:
            for name, setting in (("PSDS1", psds.PSDS1), ("PSDS2", psds.PSDS2)):
                yield Metric(
                    f"{name}{thresholds}", _psds(setting), needs, key=("psds", name)
                )


def _of_kind(name: str, key: tuple[str, str], needs: str, **printed: Any) -> Metric:
    function = functools.partial(_figure, *key)
    return Metric(name, function, needs, key=key, **printed)


def _figure(kind: str, figure: str, events: DetectedEvents) -> Score:
    summary = getattr(events, kind)
    of_class = figure.removeprefix("micro_").removeprefix("macro_")
    rows = [row for row in summary["classes"] if of_class in row]
    return Score(summary[figure], [row[of_class] for row in rows])


def _psds(setting: psds.Setting) -> Callable[[DetectedEvents], Score]:
    def function(events: DetectedEvents) -> Score:
        return Score(*dataclasses.astuple(events.psds(setting)))

    return function


def _d_prime(clips: TaggedClips) -> Score:
    """Of the averaged AUC, as by Gemmeke et al. 2017 and Hershey et al. 2017."""
    area = mean_score(clips.areas).overall
    overall = None if area is None else tagging.d_prime(area)
    return Score(overall, list(map(tagging.d_prime, clips.areas)))


def _of_classes(function: Callable[[Array, Array], float]) -> Callable[..., Score]:
    return lambda clips: mean_score(clips.by_class(function))


def _of_epochs(choose: Callable[[list[float]], float]) -> Callable[..., Score]:
    """The mean over a trial's trainings of an epoch's validation mAP."""

    def function(histories: Sequence[Sequence[Mapping[str, float]]]) -> Score:
        values = [choose([row["val_mAP"] for row in rows]) for rows in histories]
        return Score(sum(values) / len(values))

    return function


# Averages over classes are unweighted means of those with positives, but for d', PSDS,
# and lwlrap, in which each positive label weighs the same. AUC, d' and EER need
# negatives of a class, too.
METRICS: Registry[Metric] = Registry(
    Metric,
    entries=[
        Metric("mAP", _of_classes(tagging.average_precision)),
        Metric("AUC", lambda clips: mean_score(clips.areas)),
        Metric("d_prime", _d_prime, scale=1, heading="d'"),
        Metric(
            "lwlrap", lambda clips: Score(*tagging.lwlrap(clips.labels, clips.scores))
        ),
        Metric("EER", _of_classes(tagging.equal_error_rate), scale=1, decimals=3),
        *_of_events(),
        Metric(
            "frame mAP",
            _of_classes(tagging.average_precision),
            FRAMES,
            key=("frame_based", "mAP"),
        ),
        Metric("frame d'", _d_prime, FRAMES, scale=1, key=("frame_based", "d_prime")),
        Metric("validation mAP", _of_epochs(max), HISTORY),
        # below the best where the training overfitted
        Metric("validation mAP, last epoch", _of_epochs(lambda e: e[-1]), HISTORY),
    ],
)


def at(document: Any, path: Sequence[str]) -> Any:
    """What stands at some keys of a document of `evaluate`; None if nothing."""
    for key in path:
        document = document.get(key)
        if document is None:
            return None
    return document


def _put(document: dict[str, Any], path: Sequence[str], value: float | None) -> None:
    *section, last = path
    for key in section:
        document = document.setdefault(key, {})
    if value is None or not math.isfinite(value):
        document[last] = None
    else:
        document[last] = value if isinstance(value, int) else float(value)
