"""A run's answers to labelled data, and how good they are."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfweak import detection, events, metrics, parsing, pipelines, progress, sources
from tfweak.labels import Event, SegmentGrid
from tfweak.models import compatibility, runs

SEGMENT_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Answers:
    """A run's answers to labelled clips, beside the labels.

    Attributes:
      weak, clip_probs: (N, C) labels and scores.
      reference, estimated: clip id -> events, of the clips with strong labels.
      durations: clip id -> seconds, of the same clips.
    """

    weak: np.ndarray
    clip_probs: np.ndarray
    reference: dict[str, list[Event]]
    estimated: dict[str, list[Event]]
    durations: dict[str, float]

    @classmethod
    def merged(cls, parts: Sequence[Answers]) -> Answers:
        """The answers to the parts of one data set, such as its folds."""
        whole = cls(
            np.concatenate([part.weak for part in parts]),
            np.concatenate([part.clip_probs for part in parts]),
            {},
            {},
            {},
        )
        for part in parts:
            whole.reference.update(part.reference)
            whole.estimated.update(part.estimated)
            whole.durations.update(part.durations)
        return whole

    def score(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Tagging metrics and, where there are strong labels, localisation metrics.

        Returns:
          What `metrics.evaluate` gives and, for clips with strong labels,
          `localisation`: `segment_based` (F1 in segments of one second) and
          `event_based` (collars of 200 ms).
        """
        result = metrics.evaluate(self.weak, self.clip_probs, class_names)
        if self.reference:
            count = len(class_names)
            tables = {
                "segment_based": detection.segment_f1(
                    self.reference,
                    self.estimated,
                    self.durations,
                    count,
                    SEGMENT_SECONDS,
                ),
                "event_based": detection.event_f1(
                    self.reference, self.estimated, count
                ),
            }
            for table in tables.values():
                table["classes"] = dict(zip(class_names, table["classes"]))
            result["localisation"] = {"num_clips": len(self.reference), **tables}
        return result


def evaluate(
    run: runs.Run, data: sources.ClipData, batch_size: int = 64
) -> dict[str, Any]:
    """`collect` and `Answers.score` in one."""
    return collect(run, data, batch_size).score(run.classes.names)


def collect(run: runs.Run, data: sources.ClipData, batch_size: int = 64) -> Answers:
    """A run's answers to data.

    Args:
      run: the trained model, its classes and thresholds.
      data: of the classes and the payload that the run was trained on.
      batch_size: clips a step.

    Raises:
      InputError: data of another form than the run's.
    """
    compatibility.check_data(
        run.payload, data.payload, data.files[0], run.architecture.front_end
    )
    weak, scores = [], []
    found = Answers(np.array([]), np.array([]), {}, {}, {})
    grid = run.architecture.grid
    for x, y, outputs in answers(run, data, batch_size):
        weak.append(y["weak"].numpy())
        scores.append(outputs["clip_probs"])
        if not data.num_strong:
            continue
        for i in np.flatnonzero(y["has_strong"].numpy()):
            name = y["clip_id"][i].numpy().decode(errors="replace")
            count = int(outputs["mask"][i].sum())
            found.reference[name] = y["events"][i]
            found.durations[name] = clip_seconds(run, int(x["num_frames"][i]))
            found.estimated[name] = decode(
                run, grid, outputs["segment_probs"][i][:count], outputs["clip_probs"][i]
            )
    return dataclasses.replace(
        found, weak=np.concatenate(weak), clip_probs=np.concatenate(scores)
    )


def answers(
    run: runs.Run, data: sources.ClipData, batch_size: int
) -> Iterator[tuple[dict, dict, dict[str, np.ndarray]]]:
    """x, y and the network's outputs, batch by batch, with progress on a terminal.

    Where the data has strong labels, y has `has_strong` and `events`, a list of each
    clip's events.
    """
    config = pipelines.InputConfig(
        batch_size=batch_size, front_end=run.architecture.front_end
    )
    batches = pipelines.evaluation_batches(data, config)
    serialized = data.open_serialized().batch(batch_size).prefetch(2)
    steps = -(-len(data) // batch_size)
    pairs = (
        zip(batches, serialized) if data.num_strong else ((b, None) for b in batches)
    )
    for (x, y), raw in progress.bar(pairs, total=steps, unit="batch"):
        if raw is not None:
            y = {**y, **parsing.strong_events(raw)}
        outputs = run.network.predict_on_batch(
            {name: x[name] for name in ("features", "num_frames")}
        )
        yield x, y, {name: np.asarray(value) for name, value in outputs.items()}


def decode(
    run: runs.Run, grid: SegmentGrid, segment_probs: np.ndarray, clip_probs: np.ndarray
) -> list[Event]:
    """A clip's events under the thresholds of the run.

    A class gives events only in a clip that it is found in; gaps shorter than a quarter
    of a second are closed.
    """
    return events.decode_events(
        segment_probs,
        grid,
        run.thresholds["segment"],
        clip_probs=clip_probs,
        clip_thresholds=run.thresholds["clip"],
        max_gap_seconds=0.25,
    )


def clip_seconds(run: runs.Run, num_frames: int) -> float:
    """How long a clip of so many rows of features is."""
    front_end = run.architecture.front_end
    if front_end is None:
        return num_frames * run.architecture.grid.hop_seconds
    return (num_frames - 1) * front_end.hop_seconds + front_end.window_seconds


def open_for(run: runs.Run, folders: list[str | os.PathLike]) -> sources.ClipData:
    """Opens data with a run's classes; official shards get their names from it."""
    return sources.open_data(folders, run.classes)


def tune_thresholds(run: runs.Run, data: sources.ClipData) -> dict[str, list[float]]:
    """Decision thresholds a class with the best F1 on validation data.

    `clip` from the tags; `segment` from the strong labels where some clips have them,
    else the same as `clip`, for a clip's score is a weighted mean of its segments'.
    """
    weak, scores, strong, segments = [], [], [], []
    grid, classes = run.architecture.grid, len(run.classes)
    for _, y, outputs in answers(run, data, 64):
        weak.append(y["weak"].numpy())
        scores.append(outputs["clip_probs"])
        if data.num_strong:
            for i in np.flatnonzero(y["has_strong"].numpy()):
                count = int(outputs["mask"][i].sum())
                strong.append(grid.labels(y["events"][i], count, classes))
                segments.append(outputs["segment_probs"][i][:count])
    clip = detection.best_thresholds(np.concatenate(weak), np.concatenate(scores))
    segment = clip
    if strong:
        segment = detection.best_thresholds(
            np.concatenate(strong), np.concatenate(segments)
        )
    return {
        "clip": [round(float(t), 6) for t in clip],
        "segment": [round(float(t), 6) for t in segment],
    }
