"""A run's answers to labelled data, and how good they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfweak import progress
from tfweak.data import pipelines, sources
from tfweak.evaluation import detection, events, metrics
from tfweak.evaluation.answers import DetectedEvents, TaggedClips
from tfweak.labels import Event
from tfweak.typing import Array, StrPath, Tensors

from . import run_folder

# of the output dict, and of its thresholds
LOCALIZATION = "localization"
# what a name of thresholds ends with that no strong label had a part in
FROM_TAGS = "_from_tags"


@dataclasses.dataclass(frozen=True)
class Answers:
    """A run's answers to labelled clips, beside the labels.

    Attributes:
      weak, clip_probs: (N, C) labels and scores.
      reference: clip id -> events, of the clips with strong labels.
      durations: clip id -> seconds, of the same clips.
      estimated: name of thresholds -> clip id -> events, of the same clips, from the
        segment predictions and, where the system has one, the localisation map.
    """

    weak: Array
    clip_probs: Array
    reference: dict[str, list[Event]] = dataclasses.field(default_factory=dict)
    durations: dict[str, float] = dataclasses.field(default_factory=dict)
    estimated: dict[str, dict[str, list[Event]]] = dataclasses.field(
        default_factory=dict
    )

    @classmethod
    def merged(cls, parts: Sequence[Answers]) -> Answers:
        """The answers to the parts of one data set, such as its folds."""
        whole = cls(
            np.concatenate([part.weak for part in parts]),
            np.concatenate([part.clip_probs for part in parts]),
        )
        for part in parts:
            whole.reference.update(part.reference)
            whole.durations.update(part.durations)
            for name, events_of in part.estimated.items():
                whole.estimated.setdefault(name, {}).update(events_of)
        return whole

    def score(self, class_names: Sequence[str]) -> dict[str, Any]:
        """All metrics of tags and, where there are strong labels, of events.

        Returns:
          What `metrics.evaluate` gives.
        """
        parts: dict[str, TaggedClips | DetectedEvents] = {
            metrics.CLIPS: TaggedClips(self.weak, self.clip_probs, class_names)
        }
        for name, found in self.estimated.items():
            parts[name] = DetectedEvents(
                self.reference, found, self.durations, class_names
            )
        return metrics.evaluate(parts)


def evaluate(
    run: run_folder.TrainedModel, data: sources.ClipData, batch_size: int = 64
) -> dict[str, Any]:
    """`collect` and `Answers.score` in one."""
    return collect(run, data, batch_size).score(run.classes.names)


def collect(
    run: run_folder.TrainedModel, data: sources.ClipData, batch_size: int = 64
) -> Answers:
    """A run's answers to data.

    Args:
      run: the trained model, its classes and thresholds.
      data: of the classes and the payload that the run was trained on.
      batch_size: clips a step.

    Raises:
      InputError: data of another form than the run's.
    """
    run.architecture.input.check_same(run.payload, data.payload, data.files[0])
    weak, scores = [], []
    found = Answers(np.array([]), np.array([]))
    for x, y, outputs in answers(run, data, batch_size):
        weak.append(y["weak"].numpy())
        scores.append(outputs["clip_probs"])
        for i in np.flatnonzero(y["has_strong"]):
            name = y["clip_id"][i].numpy().decode(errors="replace")
            count = int(outputs["mask"][i].sum())
            found.reference[name] = y["events"][i]
            found.durations[name] = run.architecture.input.seconds(
                int(x["num_frames"][i])
            )
            maps = {"segment": outputs["segment_probs"][i][:count]}
            if LOCALIZATION in outputs:
                maps[LOCALIZATION] = outputs[LOCALIZATION][i][:count]
            for kind, scores_of in maps.items():
                for key in (kind, kind + FROM_TAGS):
                    found.estimated.setdefault(key, {})[name] = decode(
                        run, scores_of, outputs["clip_probs"][i], key
                    )
    return dataclasses.replace(
        found, weak=np.concatenate(weak), clip_probs=np.concatenate(scores)
    )


def answers(
    run: run_folder.TrainedModel, data: sources.ClipData, batch_size: int
) -> Iterator[tuple[Tensors, Tensors, dict[str, Array]]]:
    """x, y and the network's outputs, batch by batch, with progress on a terminal.

    y has `has_strong`, an array, and `events`, a list of each clip's events, too.
    """
    config = pipelines.InputConfig(
        batch_size=batch_size, front_end=run.architecture.input.front_end
    )
    batches = pipelines.evaluation_batches(data, config)
    steps = -(-len(data) // batch_size)
    for x, y in progress.bar(batches, total=steps, unit="batch"):
        clips = y["clip"].numpy()
        y["has_strong"] = data.has_strong[clips]
        y["events"] = [data.events_of(clip) for clip in clips]
        outputs = run.network.predict_on_batch(
            {name: x[name] for name in ("features", "num_frames")}
        )
        yield x, y, {name: np.asarray(value) for name, value in outputs.items()}


def decode(
    run: run_folder.TrainedModel,
    segment_scores: Array,
    clip_probs: Array,
    thresholds: str = "segment",
) -> list[Event]:
    """A clip's events under the thresholds of the run.

    A class gives events only in a clip that it is found in; gaps shorter than a quarter
    of a second are closed.

    Args:
      run: whose answers these are.
      segment_scores: (T, C) of the valid segments.
      clip_probs: (C,).
      thresholds: which of the run's the scores are compared with.
    """
    return events.decode_events(
        segment_scores,
        run.architecture.grid,
        run.thresholds[thresholds],
        clip_probs=clip_probs,
        clip_thresholds=run.thresholds["clip"],
        max_gap_seconds=0.25,
    )


def open_for(
    run: run_folder.TrainedModel, folders: Sequence[StrPath]
) -> sources.ClipData:
    """Opens data with a run's classes; official shards get their names from it."""
    return sources.open_data(folders, run.classes)


def tune_thresholds(
    run: run_folder.TrainedModel, data: sources.ClipData, source: str = "strong"
) -> dict[str, list[float]]:
    """Decision thresholds a class with the best F1 on validation data.

    `clip` from the tags; `segment` from the strong labels where some clips have them,
    else the same as `clip`, for a clip's score is a weighted mean of its segments'.
    `localization`, for a localisation map: likewise, else 0.5, more than all other
    classes have together. `segment_from_tags` and `localization_from_tags` are what
    these are where there is no strong label.

    Args:
      run: the trained model.
      data: the validation clips.
      source: `tags` passes over the strong labels.
    """
    weak, scores, strong, segments, maps = [], [], [], [], []
    grid, classes = run.architecture.grid, len(run.classes)
    has_map = LOCALIZATION in run.network.output
    for _, y, outputs in answers(run, data, 64):
        weak.append(y["weak"].numpy())
        scores.append(outputs["clip_probs"])
        for i in np.flatnonzero(y["has_strong"]):
            count = int(outputs["mask"][i].sum())
            strong.append(grid.labels(y["events"][i], count, classes))
            segments.append(outputs["segment_probs"][i][:count])
            if has_map:
                maps.append(outputs[LOCALIZATION][i][:count])
    clip = detection.best_thresholds(np.concatenate(weak), np.concatenate(scores))
    found = {"clip": clip, f"segment{FROM_TAGS}": clip}
    if has_map:
        found[LOCALIZATION + FROM_TAGS] = np.full(classes, 0.5)
    for name in list(found):
        found[name.removesuffix(FROM_TAGS)] = found[name]
    if strong and source == "strong":
        truth = np.concatenate(strong)
        found["segment"] = detection.best_thresholds(truth, np.concatenate(segments))
        if has_map:
            found[LOCALIZATION] = detection.best_thresholds(truth, np.concatenate(maps))
    return {name: [round(float(t), 6) for t in ts] for name, ts in found.items()}
