"""A run's answers to labelled data, and how good they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfweak import progress
from tfweak.data import pipelines, sources
from tfweak.decoding.decoding import CLIP_SCORES, Decoding, Rows
from tfweak.decoding.scores import SOURCES
from tfweak.evaluation import metrics
from tfweak.evaluation.answers import (
    DetectedEvents,
    Part,
    SegmentScores,
    TaggedClips,
)
from tfweak.evaluation.events import join_pauses
from tfweak.labels import Event
from tfweak.typing import Array, StrPath, Tensors

from . import run_folder

# Decodings whose operating points are not measured.
_WITHOUT_POINTS = ("localization", "localization_from_tags")


@dataclasses.dataclass(frozen=True)
class Answers:
    """A run's answers to labelled clips, beside the labels.

    Attributes:
      weak, clip_probs: (N, C) labels and scores.
      reference: clip id -> events, of the clips with strong labels.
      durations: clip id -> seconds, of the same clips.
      segment_labels, segment_scores: (M, C) of the segments of the same clips.
      found: name of a decoding -> clip id -> events of the same clips.
      points: name of a decoding -> what it finds at each of its operating points.
    """

    weak: Array
    clip_probs: Array
    reference: dict[str, list[Event]] = dataclasses.field(default_factory=dict)
    durations: dict[str, float] = dataclasses.field(default_factory=dict)
    segment_labels: Array | None = None
    segment_scores: Array | None = None
    found: dict[str, dict[str, list[Event]]] = dataclasses.field(default_factory=dict)
    points: dict[str, list[dict[str, list[Event]]]] = dataclasses.field(
        default_factory=dict
    )

    @classmethod
    def merged(cls, parts: Sequence[Answers]) -> Answers:
        """The answers to the parts of one data set, such as its folds."""
        whole = cls(
            np.concatenate([part.weak for part in parts]),
            np.concatenate([part.clip_probs for part in parts]),
            segment_labels=_joined([part.segment_labels for part in parts]),
            segment_scores=_joined([part.segment_scores for part in parts]),
        )
        for part in parts:
            whole.reference.update(part.reference)
            whole.durations.update(part.durations)
            for name, events_of in part.found.items():
                whole.found.setdefault(name, {}).update(events_of)
            for name, tables in part.points.items():
                merged = whole.points.setdefault(name, [{} for _ in tables])
                for table, more in zip(merged, tables):
                    table.update(more)
        return whole

    def with_joined_pauses(self, pause_seconds: float) -> Answers:
        """The same with pauses joined in truth and answer alike, see `join_pauses`."""

        def joined(table: Mapping[str, Sequence[Event]]) -> dict[str, list[Event]]:
            return {name: join_pauses(e, pause_seconds) for name, e in table.items()}

        return dataclasses.replace(
            self,
            reference=joined(self.reference),
            found={name: joined(table) for name, table in self.found.items()},
            points={name: list(map(joined, of)) for name, of in self.points.items()},
        )

    def score(self, class_names: Sequence[str]) -> dict[str, Any]:
        """All metrics of tags and, where there are strong labels, of events.

        Returns:
          What `metrics.evaluate` gives.
        """
        parts: dict[str, Part] = {
            metrics.CLIPS: TaggedClips(self.weak, self.clip_probs, class_names)
        }
        if self.segment_labels is not None and self.segment_scores is not None:
            parts[metrics.FRAMES] = SegmentScores(
                self.segment_labels, self.segment_scores, class_names
            )
        for name, found in self.found.items():
            parts[name] = DetectedEvents(
                self.reference,
                found,
                self.durations,
                class_names,
                self.points.get(name, ()),
            )
        return metrics.evaluate(parts)


def _joined(parts: Sequence[Array | None]) -> Array | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def evaluate(
    run: run_folder.TrainedModel,
    data: sources.ClipData,
    batch_size: int = 64,
    pause_seconds: float | None = None,
) -> dict[str, Any]:
    """`collect` and `Answers.score` in one.

    Args:
      run, data, batch_size: see `collect`.
      pause_seconds: of `Answers.with_joined_pauses`; None joins nothing.
    """
    answers = collect(run, data, batch_size)
    if pause_seconds is not None:
        answers = answers.with_joined_pauses(pause_seconds)
    return answers.score(run.classes.names)


def collect(
    run: run_folder.TrainedModel, data: sources.ClipData, batch_size: int = 64
) -> Answers:
    """A run's answers to data.

    Args:
      run: the trained model, its classes and decodings.
      data: of the classes and the payload that the run was trained on.
      batch_size: clips a step.

    Raises:
      InputError: data of another form than the run's.
    """
    run.architecture.input.check_same(run.payload, data.payload, data.files[0])
    weak, probs, names, marks = [], [], [], []
    seconds: list[float] = []
    outputs_of: list[dict[str, Array]] = []
    found = Answers(np.array([]), np.array([]))
    wanted = tracks(run)
    for x, y, outputs in answers(run, data, batch_size):
        weak.append(y["weak"].numpy())
        probs.append(outputs["clip_probs"])
        for i in np.flatnonzero(y["has_strong"]):
            names.append(y["clip_id"][i].numpy().decode(errors="replace"))
            seconds.append(run.architecture.input.seconds(int(x["num_frames"][i])))
            found.reference[names[-1]] = y["events"][i]
            found.durations[names[-1]] = seconds[-1]
            count = int(outputs["mask"][i].sum())
            of_clip = {name: outputs[name][i][:count] for name in wanted}
            outputs_of.append({**of_clip, CLIP_SCORES: outputs["clip_probs"][i][None]})
            labels = run.architecture.grid.labels(
                y["events"][i], count, len(run.classes)
            )
            marks.append(labels)
    for name, decoding in run.decodings.items() if names else ():
        rows = _rows(run, decoding, outputs_of, seconds)
        found.found[name] = _by_clip(names, rows, decoding, decoding.thresholds)
        if name not in _WITHOUT_POINTS:
            rows = _rows(run, decoding.without_gate(), outputs_of, seconds)
            found.points[name] = [
                _by_clip(names, rows, decoding, thresholds)
                for thresholds in decoding.operating_points(rows)
            ]
    return dataclasses.replace(
        found,
        weak=np.concatenate(weak),
        clip_probs=np.concatenate(probs),
        segment_labels=_joined(marks),
        segment_scores=_joined([one["segment_probs"] for one in outputs_of]),
    )


def tracks(run: run_folder.TrainedModel) -> list[str]:
    """The network's outputs that scores of segments may be made of."""
    needed = {name for s in map(SOURCES.get, SOURCES.names()) for name in s.outputs}
    return sorted(needed & set(run.network.output))


def _rows(
    run: run_folder.TrainedModel,
    decoding: Decoding,
    outputs: Sequence[Mapping[str, Array]],
    seconds: Sequence[float],
) -> Rows:
    scores = [decoding.segment_scores(of_clip) for of_clip in outputs]
    return Rows.of(scores, seconds, run.architecture.grid)


def _by_clip(
    names: Sequence[str], rows: Rows, decoding: Decoding, thresholds: Array
) -> dict[str, list[Event]]:
    found = rows.events(rows.decode(decoding.decoder, thresholds))
    return {name: [event for event, _ in events] for name, events in zip(names, found)}


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
    run: run_folder.TrainedModel, outputs: Mapping[str, Array], seconds: float
) -> list[tuple[Event, float]]:
    """A recording's events, each with its confidence, as the run was tuned.

    Args:
      run: whose answers these are.
      outputs: of the network, (T, C) of the valid segments, and `clip_scores`.
      seconds: length of the recording.
    """
    return run.decodings["segment"].decode(outputs, run.architecture.grid, seconds)


def network_outputs(
    run: run_folder.TrainedModel, clips: Sequence[Array], tracks: Collection[str]
) -> list[dict[str, Array]]:
    """What the network answers to each of some clips, padded to one batch.

    Args:
      run: whose network it is.
      clips: (rows, F) each.
      tracks: outputs that have a value for each segment, of which padded ones go.
    """
    lengths = np.array([len(rows) for rows in clips], np.int32)
    padded = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), np.float32)
    for i, rows in enumerate(clips):
        padded[i, : len(rows)] = rows
    outputs = run.network.predict_on_batch({"features": padded, "num_frames": lengths})
    arrays = {name: np.asarray(value, np.float32) for name, value in outputs.items()}
    counts = arrays.pop("mask").sum(axis=1).astype(int)
    return [
        {
            name: values[i][:count] if name in tracks else values[i]
            for name, values in arrays.items()
        }
        for i, count in enumerate(counts.tolist())
    ]


def open_for(
    run: run_folder.TrainedModel, folders: Sequence[StrPath]
) -> sources.ClipData:
    """Opens data with a run's classes; official shards get their names from it."""
    return sources.open_data(folders, run.classes)
