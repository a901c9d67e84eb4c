"""A run's answers to labelled data, and how good they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfweak import detection, events, metrics, parsing, pipelines, progress, sources
from tfweak.labels import Event, SegmentGrid
from tfweak.models import compatibility, runs

SEGMENT_SECONDS = 1.0


def evaluate(
    run: runs.Run, data: sources.ClipData, batch_size: int = 64
) -> dict[str, Any]:
    """Tagging metrics and, where the data has strong labels, localisation metrics.

    Args:
      run: the trained model, its classes and thresholds.
      data: of the classes and the payload that the run was trained on.
      batch_size: clips a step.

    Returns:
      What `metrics.evaluate` gives and, for clips with strong labels, `localisation`:
      `segment_based` (F1 in segments of one second) and `event_based` (collars of
      200 ms) of the events that the thresholds of the run make.

    Raises:
      InputError: data of another form than the run's.
    """
    compatibility.check_data(run.payload, data.payload, data.files[0])
    weak, scores = [], []
    reference: dict[str, list[Event]] = {}
    estimated: dict[str, list[Event]] = {}
    durations: dict[str, float] = {}
    grid = run.architecture.grid
    for x, y, outputs in answers(run, data, batch_size):
        weak.append(y["weak"].numpy())
        scores.append(outputs["clip_probs"])
        if not data.num_strong:
            continue
        for i in np.flatnonzero(y["has_strong"].numpy()):
            name = y["clip_id"][i].numpy().decode(errors="replace")
            reference[name] = y["events"][i]
            count = int(outputs["mask"][i].sum())
            durations[name] = clip_seconds(run, int(x["num_frames"][i]))
            estimated[name] = decode(
                run, grid, outputs["segment_probs"][i][:count], outputs["clip_probs"][i]
            )
    result = metrics.evaluate(
        np.concatenate(weak), np.concatenate(scores), run.classes.names
    )
    if reference:
        names, count = run.classes.names, len(run.classes)
        tables = {
            "segment_based": detection.segment_f1(
                reference, estimated, durations, count, SEGMENT_SECONDS
            ),
            "event_based": detection.event_f1(reference, estimated, count),
        }
        for table in tables.values():
            table["classes"] = dict(zip(names, table["classes"]))
        result["localisation"] = {"num_clips": len(reference), **tables}
    return result


def answers(
    run: runs.Run, data: sources.ClipData, batch_size: int
) -> Iterator[tuple[dict, dict, dict[str, np.ndarray]]]:
    """x, y and the network's outputs, batch by batch, with progress on a terminal.

    Where the data has strong labels, y has `has_strong` and `events`, a list of each
    clip's events.
    """
    config = pipelines.InputConfig(batch_size=batch_size)
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
    grid = run.architecture.grid
    if run.architecture.payload_kind == "audio_embedding":
        return num_frames * grid.hop_seconds
    parameters = compatibility.front_end(run.payload).parameters
    return (num_frames - 1) * parameters["hop_seconds"] + parameters["window_seconds"]


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
