"""The figures of an experiment: curves, and the paper's Figures 4 and 5."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfweak import (
    comparison_plots,
    front_ends,
    parsing,
    pipelines,
    plotting,
    sources,
)
from tfweak.labels import ClassList, Event
from tfweak.models import provenance, runs
from tfweak.models.trials import Trial

# The systems that the figures compare, where a table has both.
COMPARED = ("unsupervised", "self")
PICTURES = 3


def write(
    folder: pathlib.Path,
    trials: Mapping[str, Mapping[str, Sequence[Trial]]],
    results: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
) -> dict[str, pathlib.Path]:
    """Draws what the trials allow.

    The pseudo-positive share over training; the class-wise gain against the duration of
    the events, where the test clips have strong labels; the attention of two models on
    some test clips, one under the other.

    Args:
      folder: where the pictures go.
      trials, results: by row and column.

    Returns:
      The files, by what they show.
    """
    folder.mkdir(exist_ok=True)
    files = {}
    curves = {
        row if len(cells) == 1 else f"{row}, {column}": shares
        for row, cells in results.items()
        for column, cell in cells.items()
        if (shares := curve(cell, "pseudo_positive")) is not None
    }
    if curves:
        files["pseudo-positive share"] = folder / "pseudo_positive.png"
        figure = plotting.plot_curves(curves, "pseudo-positive share of segments")
        plotting.save(figure, files["pseudo-positive share"])
    for column in results.get(COMPARED[0], {}):
        kept = [trials[row][column][0] for row in COMPARED if row in trials]
        usable = [
            trial
            for trial in kept
            if (trial.test_data or trial.folds)
            and (trial.model_folder / "model.keras").exists()
        ]
        if len(usable) == len(COMPARED):
            files.update(_compared(folder, column, usable, results))
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


def _compared(
    folder: pathlib.Path,
    column: str,
    kept: Sequence[Trial],
    results: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
) -> dict[str, pathlib.Path]:
    files = {}
    data = _measured_clips(kept[0])
    durations = _mean_durations(data) if data.num_strong else {}
    gains = _class_gains(*(results[row][column] for row in COMPARED))
    repeated = len(results[COMPARED[0]][column]) > 1
    names = [name for name in gains if name in durations]
    if len(names) >= 2:
        path = folder / f"improvement_by_duration_{column}.png"
        figure = comparison_plots.plot_improvement_by_duration(
            names,
            [durations[name] for name in names],
            [gains[name][0] for name in names],
            [gains[name][1] for name in names] if repeated else None,
            title=f"{COMPARED[1]} against {COMPARED[0]}, {column}",
        )
        plotting.save(figure, path)
        files[f"class-wise gain by duration, {column}"] = path
    loaded = {row: runs.load(t.model_folder) for row, t in zip(COMPARED, kept)}
    front_end = loaded[COMPARED[0]].architecture.front_end
    for x, events, tags, clip_id in _examples(_unseen(data, kept[0]), front_end):
        path = folder / f"attention_{column}_{clip_id}.png"
        plotting.save(_attention(loaded, x, events, tags, clip_id), path)
        files[f"attention on {clip_id}, {column}"] = path
    return files


def _measured_clips(trial: Trial) -> sources.ClipData:
    """The clips that a trial was measured on, of all its folds."""
    classes = ClassList.read_csv(trial.model_folder / "classes.csv")
    return sources.open_data(trial.test_data or trial.config.data, classes)


def _unseen(data: sources.ClipData, trial: Trial) -> sources.ClipData:
    """The clips that the trial's kept model, of its first fold, has not seen."""
    seen = set().union(*provenance.read(trial.model_folder).values())
    return data.without(sorted(seen))


def _mean_durations(data: sources.ClipData) -> dict[str, float]:
    """Class name -> mean seconds of its events in the clips with strong labels."""
    lengths: dict[int, list[float]] = {}
    for batch in data.open_serialized().batch(256):
        for events in parsing.strong_events(batch)["events"]:
            for event in events:
                length = event.offset_seconds - event.onset_seconds
                lengths.setdefault(event.label, []).append(length)
    return {data.classes.names[c]: float(np.mean(v)) for c, v in lengths.items()}


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


def _examples(
    data: sources.ClipData, front_end: front_ends.FrontEnd | None
) -> list[tuple[dict[str, np.ndarray], list[Event] | None, list[int], str]]:
    """The clips with the most classes among the first ones: input, truth, tags, id."""
    batch = next(iter(data.open_serialized().batch(256)))
    config = pipelines.InputConfig(batch_size=256, front_end=front_end)
    x, y = next(iter(pipelines.evaluation_batches(data, config)))
    weak = y["weak"].numpy()
    strong = parsing.strong_events(batch)
    has_strong = strong["has_strong"].numpy()
    # clips with strong labels first, then those with more classes
    order = np.lexsort((np.arange(len(weak)), -weak.sum(1), ~has_strong))
    return [
        (
            {name: x[name].numpy()[i : i + 1] for name in ("features", "num_frames")},
            strong["events"][i] if has_strong[i] else None,
            np.flatnonzero(weak[i]).tolist(),
            y["clip_id"][i].numpy().decode(errors="replace"),
        )
        for i in order[:PICTURES]
    ]


def _attention(
    loaded: Mapping[str, runs.Run],
    x: dict[str, np.ndarray],
    events: list[Event] | None,
    tags: list[int],
    clip_id: str,
) -> Any:
    run = next(iter(loaded.values()))
    answers = {row: of.network.predict_on_batch(x) for row, of in loaded.items()}
    frames = int(x["num_frames"][0])
    front_end = run.architecture.front_end
    hop = (front_end or run.architecture.grid).hop_seconds
    first = next(iter(answers.values()))
    return comparison_plots.plot_attention_comparison(
        x["features"][0, :frames],
        hop,
        run.architecture.grid,
        run.classes.names,
        {row: np.asarray(of["attention"])[0] for row, of in answers.items()},
        events,
        tags=tags,
        scores=np.mean([np.asarray(a["clip_probs"])[0] for a in answers.values()], 0),
        num_valid_segments=int(np.asarray(first["mask"])[0].sum()),
        feature_kind="embedding" if front_end is None else front_end.kind,
        title=clip_id,
    )
