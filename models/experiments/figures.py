"""The figures of an experiment: curves, and those of the papers."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfweak.data import pipelines, sources
from tfweak.labels import ClassList, Event
from tfweak.plots import comparison, localization, plotting
from tfweak.typing import Array

from ..runs import run_folder, seen_clips
from .trials import Trial

PICTURES = 3
# Columns of a training's history -> what they are.
CURVES = {
    "val_mAP": "validation mAP",
    "pseudo_positive": "pseudo-positive share of segments",
}

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]


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
    folder: pathlib.Path,
    trials: Mapping[str, Mapping[str, Sequence[Trial]]],
    results: Results,
    compared: tuple[str, str],
) -> dict[str, pathlib.Path]:
    """Draws what the trials allow.

    Validation mAP and the pseudo-positive share over training; the class-wise gain of
    the second of two systems over the first against the duration of the events, where
    the test clips have strong labels; on some test clips, the attention of the two one
    under the other, where both learn one, and the localisation map of every system that
    has one.

    Args:
      folder: where the pictures go.
      trials, results: by row and column.
      compared: the two rows.

    Returns:
      The files, by what they show.
    """
    folder.mkdir(exist_ok=True)
    files = {}
    for name, what in CURVES.items():
        curves = {
            row if len(cells) == 1 else f"{row}, {column}": values
            for row, cells in results.items()
            for column, cell in cells.items()
            if (values := curve(cell, name)) is not None
        }
        if curves:
            files[what] = folder / f"{name}.png"
            plotting.save(plotting.plot_curves(curves, what), files[what])
    for column in next(iter(results.values())):
        kept = {
            row: cells[column][0]
            for row, cells in trials.items()
            if (cells[column][0].test_data or cells[column][0].is_cross_validated)
            and (cells[column][0].model_folder / "model.keras").exists()
        }
        if not kept:
            continue
        data = _measured_clips(next(iter(kept.values())))
        both = set(compared) <= set(kept)
        if both and data.num_strong:
            files.update(_gains(folder, column, data, results, compared))
        loaded = {
            row: run_folder.load(trial.model_folder) for row, trial in kept.items()
        }
        examples = {
            row: _examples(clips, run) if (clips := _unseen(data, kept[row])) else []
            for row, run in loaded.items()
        }
        attentive = [
            row for row in compared if both and _has(loaded[row], "attention_logits")
        ]
        if len(attentive) == len(compared):
            for shown in zip(*(examples[row] for row in compared)):
                name = shown[0].clip_id
                path = folder / f"attention_{column}_{name}.png"
                systems = {row: (loaded[row], c) for row, c in zip(compared, shown)}
                plotting.save(_attention(systems), path)
                files[f"attention on {name}, {column}"] = path
        for row, run in loaded.items():
            for clip in examples[row] if _has(run, "localization") else ():
                path = folder / f"localization_{row}_{column}_{clip.clip_id}.png"
                plotting.save(_localization(run, clip), path)
                files[f"localisation by {row} on {clip.clip_id}, {column}"] = path
    return files


def curve(cell: Sequence[Mapping[str, Any]], name: str) -> list[float] | None:
    """Mean over trials and folds of a column of the history, (epochs,), or None."""
    curves = [
        [row[name] for row in history]
        for result in cell
        for history in result.get("history", ())
        if history and name in history[0]
    ]
    if not curves:
        return None
    shortest = min(map(len, curves))
    return np.mean([values[:shortest] for values in curves], axis=0).tolist()


def _gains(
    folder: pathlib.Path,
    column: str,
    data: sources.ClipData,
    results: Results,
    compared: tuple[str, str],
) -> dict[str, pathlib.Path]:
    durations = _mean_durations(data)
    gains = _class_gains(*(results[row][column] for row in compared))
    repeated = len(results[compared[0]][column]) > 1
    names = [name for name in gains if name in durations]
    if len(names) < 2:
        return {}
    path = folder / f"improvement_by_duration_{column}.png"
    figure = comparison.plot_improvement_by_duration(
        names,
        [durations[name] for name in names],
        [gains[name][0] for name in names],
        [gains[name][1] for name in names] if repeated else None,
        title=f"{compared[1]} against {compared[0]}, {column}",
    )
    plotting.save(figure, path)
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


def _class_gains(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[float, float]]:
    """Class name -> mean and standard error over trials of the gain in AP."""
    gains: dict[str, list[float]] = {}
    for a, b in zip(one, other):
        if "metrics" not in a or "metrics" not in b:
            continue
        theirs = b["metrics"]["classes"]
        for name, values in a["metrics"]["classes"].items():
            before, after = values["mAP"], theirs[name]["mAP"]
            if before is not None and after is not None:
                gains.setdefault(name, []).append(after - before)
    return {
        name: (
            float(np.mean(values)),
            float(np.std(values, ddof=1) / len(values) ** 0.5) if values[1:] else 0.0,
        )
        for name, values in gains.items()
    }


def _unseen(data: sources.ClipData, trial: Trial) -> sources.ClipData | None:
    """The clips that the trial's kept model, of its first fold, has not seen."""
    seen = set().union(*seen_clips.read(trial.model_folder).values())
    return None if seen >= set(data.clip_ids) else data.without(sorted(seen))


def _examples(data: sources.ClipData, run: run_folder.Run) -> list[Example]:
    """The clips with the most classes among the first ones, as a model reads them."""
    counts = data.labels.lengths[:256]
    # clips with strong labels first, then those with more classes
    order = np.lexsort((np.arange(len(counts)), -counts, ~data.has_strong[:256]))
    chosen = order[:PICTURES]
    shown = data.take(np.isin(np.arange(len(data)), chosen))
    config = pipelines.InputConfig(1, front_end=run.architecture.front_end)
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


def _has(run: run_folder.Run, output: str) -> bool:
    return output in run.network.output


def _answer(run: run_folder.Run, clip: Example) -> dict[str, Array]:
    answer = run.network.predict_on_batch(clip.x)
    return {name: np.asarray(value)[0] for name, value in answer.items()}


def _view(run: run_folder.Run, clip: Example) -> dict[str, Any]:
    """What both pictures of a clip are told of it."""
    front_end = run.architecture.front_end
    return {
        "features": clip.x["features"][0, : int(clip.x["num_frames"][0])],
        "frame_hop_seconds": (front_end or run.architecture.grid).hop_seconds,
        "grid": run.architecture.grid,
        "class_names": run.classes.names,
        "events": clip.events,
        "tags": clip.tags,
        "feature_kind": "embedding" if front_end is None else front_end.kind,
        "title": clip.clip_id,
    }


def _attention(systems: Mapping[str, tuple[run_folder.Run, Example]]) -> Any:
    answers = {row: _answer(run, clip) for row, (run, clip) in systems.items()}
    run, clip = next(iter(systems.values()))
    first = next(iter(answers.values()))
    return comparison.plot_attention_comparison(
        **_view(run, clip),
        matrices={row: answer["attention"] for row, answer in answers.items()},
        scores=np.mean([answer["clip_probs"] for answer in answers.values()], 0),
        num_valid_segments=int(first["mask"].sum()),
    )


def _localization(run: run_folder.Run, clip: Example) -> Any:
    answer = _answer(run, clip)
    config = run.architecture.config
    return localization.plot_localization(
        **_view(run, clip),
        localization=answer["localization"],
        global_attention=answer.get("global_attention"),
        scores=answer["clip_probs"],
        num_valid_segments=int(answer["mask"].sum()),
        background=getattr(config, "background", False),
    )
