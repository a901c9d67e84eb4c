"""The figures of an experiment: curves, and those of the papers."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tfweak.data import pipelines, sources
from tfweak.evaluation.metrics import METRICS
from tfweak.labels import ClassList, Event
from tfweak.plots import comparison, curves, kit, localization
from tfweak.plots.clip_view import ClipView
from tfweak.typing import Array

from ..runs import run_folder, seen_clips
from .results import Results
from .trials import Trial

PICTURES = 3
# Columns of a training's history -> what they are.
CURVES = {
    "val_mAP": "validation mAP",
    "pseudo_positive": "pseudo-positive share of segments",
}


class Example(NamedTuple):
    """A clip to be drawn.

    Attributes:
      clip_id: of the clip.
      x: what a model reads, a batch of one.
      events: the truth, None where it is not known.
      tags: class indices.
    """

    clip_id: str
    x: dict[str, Array]
    events: list[Event] | None
    tags: list[int]


def write(
    folder: pathlib.Path, results: Results, compared: tuple[str, ...]
) -> dict[str, pathlib.Path]:
    """Draws what the trials allow.

    Validation mAP and the pseudo-positive share over training; the class-wise gain of
    the second of two systems over the first against the duration of the events, where
    the test clips have strong labels; on some test clips, the attention of the two one
    under the other, where both learn one, and the localisation map of every system that
    has one.

    Args:
      folder: where the pictures go.
      results: of the trials.
      compared: the two rows, or none.

    Returns:
      The files, by what they show.
    """
    folder.mkdir(exist_ok=True)
    files = {}
    for name, what in CURVES.items():
        by_system = results.curves(name)
        if by_system:
            files[what] = folder / kit.file_name(name)
            kit.save(curves.plot_curves(by_system, what), files[what])
    for column in results.columns:
        first = {row: cells[column][0] for row, cells in results.trials.items()}
        kept = {row: trial for row, trial in first.items() if _is_kept(trial)}
        if kept:
            files.update(_of_column(folder, column, results, kept, compared))
    return files


def _is_kept(trial: Trial) -> bool:
    """Whether there is a model that was tested."""
    tested = trial.test_data or trial.is_cross_validated
    return bool(tested) and (trial.model_folder / "model.keras").exists()


def _of_column(
    folder: pathlib.Path,
    column: str,
    results: Results,
    kept: Mapping[str, Trial],
    compared: tuple[str, ...],
) -> dict[str, pathlib.Path]:
    """The pictures of test clips in one column, of the systems with a model."""
    files = {}
    data = _measured_clips(next(iter(kept.values())))
    both = bool(compared) and set(compared) <= set(kept)
    if both and data.num_strong:
        files.update(_gains(folder, column, data, results, compared))
    loaded = {row: run_folder.load(trial.model_folder) for row, trial in kept.items()}
    examples = {
        row: _examples(clips, run) if (clips := _unseen(data, kept[row])) else []
        for row, run in loaded.items()
    }
    if both and all(_has(loaded[row], "attention_logits") for row in compared):
        for shown in zip(*(examples[row] for row in compared)):
            name = shown[0].clip_id
            path = folder / kit.file_name(f"attention_{column}_{name}")
            systems = {row: (loaded[row], c) for row, c in zip(compared, shown)}
            kit.save(_attention(systems), path)
            files[f"attention on {name}, {column}"] = path
    for row, run in loaded.items():
        for clip in examples[row] if _has(run, "localization") else ():
            name = clip.clip_id
            path = folder / kit.file_name(f"localization_{row}_{column}_{name}")
            kit.save(_localization(run, clip), path)
            files[f"localisation by {row} on {name}, {column}"] = path
    return files


def _gains(
    folder: pathlib.Path,
    column: str,
    data: sources.ClipData,
    results: Results,
    compared: tuple[str, ...],
) -> dict[str, pathlib.Path]:
    durations = _mean_durations(data)
    found = results.gains(METRICS.get("mAP"), column, *compared)
    gains = {name: gain for name, gain in found.items() if name in durations}
    if len(gains) < 2:
        return {}
    path = folder / kit.file_name(f"improvement_by_duration_{column}")
    repeated = len(results.trials[compared[0]][column]) > 1
    figure = comparison.plot_improvement_by_duration(
        list(gains),
        [durations[name] for name in gains],
        [gain.mean for gain in gains.values()],
        [gain.standard_error or 0.0 for gain in gains.values()] if repeated else None,
        title=f"{compared[1]} against {compared[0]}, {column}",
    )
    kit.save(figure, path)
    return {f"class-wise gain by duration, {column}": path}


def _measured_clips(trial: Trial) -> sources.ClipData:
    """The clips that a trial was measured on, of all its folds."""
    classes = ClassList.read_csv(trial.model_folder / "classes.csv")
    return sources.open_data(trial.test_data or trial.config.data, classes)


def _mean_durations(data: sources.ClipData) -> dict[str, float]:
    """Class name -> mean seconds of its events in the clips with strong labels."""
    events = data.events.values
    seconds = events["offset_seconds"].astype(float) - events["onset_seconds"]
    return {
        data.classes.names[label]: float(seconds[events["label"] == label].mean())
        for label in np.unique(events["label"])
    }


def _unseen(data: sources.ClipData, trial: Trial) -> sources.ClipData | None:
    """The clips that the trial's kept model, of its first fold, has not seen."""
    seen = set().union(*seen_clips.read(trial.model_folder).values())
    return None if seen >= set(data.clip_ids) else data.without(sorted(seen))


def _examples(data: sources.ClipData, run: run_folder.TrainedModel) -> list[Example]:
    """The clips with the most classes among the first ones, as a model reads them."""
    counts = data.labels.lengths[:256]
    # clips with strong labels first, then those with more classes
    order = np.lexsort((np.arange(len(counts)), -counts, ~data.has_strong[:256]))
    chosen = order[:PICTURES]
    shown = data.take(np.isin(np.arange(len(data)), chosen))
    config = pipelines.InputConfig(1, front_end=run.architecture.input.front_end)
    examples = [
        Example(
            shown.clip_ids[clip].decode(errors="replace"),
            {name: value.numpy() for name, value in x.items()},
            shown.events_of(clip) if shown.has_strong[clip] else None,
            shown.labels[clip].tolist(),
        )
        for clip, (x, _) in enumerate(pipelines.evaluation_batches(shown, config))
    ]
    return [examples[rank] for rank in np.argsort(np.argsort(chosen))]


def _has(run: run_folder.TrainedModel, output: str) -> bool:
    return output in run.network.output


def _answer(run: run_folder.TrainedModel, clip: Example) -> dict[str, Array]:
    answer = run.network.predict_on_batch(clip.x)
    return {name: np.asarray(value)[0] for name, value in answer.items()}


def _view(
    run: run_folder.TrainedModel, clip: Example, answer: dict[str, Array]
) -> ClipView:
    front_end = run.architecture.input.front_end
    return ClipView(
        features=clip.x["features"][0, : int(clip.x["num_frames"][0])],
        frame_hop_seconds=run.architecture.input.hop_seconds,
        grid=run.architecture.grid,
        class_names=run.classes.names,
        events=clip.events,
        tags=clip.tags,
        feature_kind="embedding" if front_end is None else front_end.kind,
        title=clip.clip_id,
        num_valid_segments=int(answer["mask"].sum()),
    )


def _attention(systems: Mapping[str, tuple[run_folder.TrainedModel, Example]]) -> Any:
    answers = {row: _answer(run, clip) for row, (run, clip) in systems.items()}
    first = next(iter(systems))
    return comparison.plot_attention_comparison(
        _view(*systems[first], answers[first]),
        {row: answer["attention"] for row, answer in answers.items()},
        np.mean([answer["clip_probs"] for answer in answers.values()], 0),
    )


def _localization(run: run_folder.TrainedModel, clip: Example) -> Any:
    answer = _answer(run, clip)
    return localization.plot_localization(
        _view(run, clip, answer),
        answer["localization"],
        answer.get("global_attention"),
        answer["clip_probs"],
        background=run.architecture.has_background,
    )
