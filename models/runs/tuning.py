"""How a run's answers become events, chosen on validation clips.

With strong labels these are the truth. Without any, mixtures of the validation clips
are, whose times are known; see `tfweak.decoding.mixtures`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfweak.data import sources
from tfweak.decoding import mixtures
from tfweak.decoding.decoder import create_decoder
from tfweak.decoding.decoding import CLIP_SCORES, Decoding
from tfweak.decoding.tuning import Tuned, TuningClips, tune
from tfweak.errors import InputError
from tfweak.evaluation import detection
from tfweak.evaluation.event_arrays import EventArrays
from tfweak.labels import Event
from tfweak.typing import Array

from . import packaged, run_folder, scoring

# Of these the best is taken where nothing else is asked for; change points take much
# longer, and one event a clip is none for long recordings.
DECODERS = ("threshold", "median_filter", "double_threshold", "triple_threshold")
SOURCES = ("segment", "product", "localization")
# The decoder before there was any choice, as a baseline.
_PLAIN = {"max_gap_seconds": 0.25}
_MOST_MIXTURES = 300
_BATCH_SIZE = 64
_MOST_BYTES = 1 << 28
# fewer cuts tell nothing
_FEWEST_CUTS = 5


@dataclasses.dataclass(frozen=True)
class Found:
    """What tuning found.

    Attributes:
      decodings: name -> how events are found; `segment` is the run's own, `plain` the
        baseline, those of Z_loc are there where the system has one. What ends with
        `_from_tags` had no strong label, the rest the same where there are none.
      tried: name of the truth (`strong`, `mixtures`) -> the best with each decoder and
        source, the best first.
      durations: name of the truth -> (25, 50, 75) % quantiles of its events' seconds.
    """

    decodings: dict[str, Decoding]
    tried: dict[str, list[Tuned]]
    durations: dict[str, list[float]]

    def document(self) -> dict[str, Any]:
        """decoding.json."""
        return {
            "decodings": {k: v.to_dict() for k, v in self.decodings.items()},
            "tried": {
                truth: [
                    {
                        **one.decoding.to_dict(),
                        "event_f1": round(one.event_f1, 4),
                        "segment_f1": round(one.segment_f1, 4),
                    }
                    for one in found
                ]
                for truth, found in self.tried.items()
            },
            "durations": self.durations,
        }


@dataclasses.dataclass
class _Validation:
    """Answers to the validation clips; `strong` says which have the `events`."""

    weak: list[Array]
    clip_probs: list[Array]
    outputs: list[dict[str, Array]]
    rows: list[Array]
    seconds: list[float]
    strong: list[int]
    events: list[Sequence[Event]]


def tune_run(
    run: run_folder.TrainedModel,
    data: sources.ClipData,
    source: str = "strong",
    decoders: Sequence[str] = DECODERS,
    score_sources: Sequence[str] = SOURCES,
) -> Found:
    """Chooses how a run's answers become events.

    Args:
      run: the trained model.
      data: the validation clips.
      source: `tags` passes over the strong labels.
      decoders, score_sources: to choose among.
    """
    seen = _answers(run, data)
    weak, probs = np.stack(seen.weak), np.stack(seen.clip_probs)
    clip = np.clip(detection.best_thresholds(weak, probs), 1e-6, 1.0)
    ways = (decoders, score_sources)
    tried: dict[str, list[Tuned]] = {}
    durations = {}
    found = {"plain": _plain(clip, clip)}
    mixed = _mixtures(run, seen, clip)
    if mixed is not None:
        tried["mixtures"] = tune(mixed, *ways)
        durations["mixtures"] = _durations(mixed.reference)
        found["segment_from_tags"] = tried["mixtures"][0].decoding
    else:
        found["segment_from_tags"] = found["plain"]
    found["segment"] = found["segment_from_tags"]
    has_map = "localization" in run.network.output
    if has_map:
        half = np.full(len(clip), 0.5)
        found["localization_from_tags"] = _plain(half, clip, "localization")
        found["localization"] = found["localization_from_tags"]
    if seen.strong and source == "strong":
        truth = _strong(run, seen, clip)
        tried["strong"] = tune(truth, *ways)
        durations["strong"] = _durations(truth.reference)
        found["segment"] = tried["strong"][0].decoding
        labels = _labels(run, seen)
        found["plain"] = _plain(_best(seen, labels, "segment_probs"), clip)
        if has_map:
            best = _best(seen, labels, "localization")
            found["localization"] = _plain(best, clip, "localization")
    return Found(found, tried, durations)


def _answers(run: run_folder.TrainedModel, data: sources.ClipData) -> _Validation:
    """The network's answers, valid segments only, with the rows as long as they fit."""
    found = _Validation([], [], [], [], [], [], [])
    wanted = scoring.tracks(run)
    size = 0
    for x, y, outputs in scoring.answers(run, data, 64):
        weak = y["weak"].numpy()
        for i, probs in enumerate(outputs["clip_probs"]):
            count, rows = int(outputs["mask"][i].sum()), int(x["num_frames"][i])
            if y["has_strong"][i]:
                found.strong.append(len(found.weak))
                found.events.append(y["events"][i])
            found.weak.append(weak[i])
            found.clip_probs.append(probs)
            found.seconds.append(run.architecture.input.seconds(rows))
            of_clip = {name: outputs[name][i][:count] for name in wanted}
            found.outputs.append({**of_clip, CLIP_SCORES: probs[np.newaxis]})
            if size < _MOST_BYTES:
                found.rows.append(np.asarray(x["features"][i][:rows]))
                size += found.rows[-1].nbytes
    return found


def _strong(
    run: run_folder.TrainedModel, seen: _Validation, clip: Array
) -> TuningClips:
    return TuningClips(
        [seen.outputs[i] for i in seen.strong],
        [seen.seconds[i] for i in seen.strong],
        EventArrays.of_rows(
            list(map(str, seen.strong)),
            dict(zip(map(str, seen.strong), seen.events)),
            len(clip),
        ),
        run.architecture.grid,
        clip,
    )


def _mixtures(
    run: run_folder.TrainedModel, seen: _Validation, clip: Array
) -> TuningClips | None:
    """Mixtures and the run's answers to them; None where too few could be made."""
    spec, grid = run.architecture.input, run.architecture.grid
    has_energy = not spec.are_embeddings
    tags = np.stack(seen.weak[: len(seen.rows)]) >= 0.5
    per_segment = max(1, round(grid.hop_seconds / spec.hop_seconds))
    elsewhere = _elsewhere(seen, tags)
    cuts = [
        cut
        for i, label in np.argwhere(tags).tolist()
        if seen.clip_probs[i][label] >= clip[label]
        and (
            cut := mixtures.find_cut(
                i,
                seen.rows[i],
                seen.outputs[i]["segment_probs"][:, label],
                label,
                grid,
                per_segment,
                has_energy,
                elsewhere[label],
            )
        )
    ]
    if len(cuts) < _FEWEST_CUTS:
        return None
    rng = np.random.default_rng(0)
    cuts = [cuts[i] for i in rng.permutation(len(cuts))]
    made = mixtures.make(
        rng, cuts, seen.rows, tags, spec.hop_seconds, has_energy, _MOST_MIXTURES
    )
    if not made:
        return None
    tracks, outputs = scoring.tracks(run), []
    for first in range(0, len(made), _BATCH_SIZE):
        rows = [mixture.rows for mixture in made[first : first + _BATCH_SIZE]]
        for answer in scoring.network_outputs(run, rows, tracks):
            answer[CLIP_SCORES] = answer["clip_probs"][np.newaxis]
            outputs.append(answer)
    judged = np.stack([mixture.absent for mixture in made])
    labels = np.array([mixture.label for mixture in made])
    judged[np.arange(len(made)), labels] = True
    reference = EventArrays(
        np.arange(len(made)),
        labels,
        np.array([mixture.onset_seconds for mixture in made]),
        np.array([mixture.offset_seconds for mixture in made]),
    )
    seconds = [spec.seconds(len(mixture.rows)) for mixture in made]
    return TuningClips(outputs, seconds, reference, grid, clip, judged)


def _elsewhere(seen: _Validation, tags: Array) -> list[float]:
    """What each class usually scores in clips without its tag; 0 where all have it."""
    usual = []
    for label, has in enumerate(tags.T):
        clips = [seen.outputs[i]["segment_probs"] for i in np.flatnonzero(~has)]
        scores = np.concatenate([clip[:, label] for clip in clips] or [np.zeros(1)])
        usual.append(float(np.median(scores)))
    return usual


def _plain(thresholds: Array, clip: Array, scores: str = "segment") -> Decoding:
    return Decoding(create_decoder("threshold", _PLAIN), thresholds, clip, scores)


def _labels(run: run_folder.TrainedModel, seen: _Validation) -> Array:
    """(segments of all strongly labelled clips, C)."""
    classes = seen.weak[0].shape[0]
    return np.concatenate(
        [
            run.architecture.grid.labels(
                events, len(seen.outputs[i]["segment_probs"]), classes
            )
            for i, events in zip(seen.strong, seen.events)
        ]
    )


def _best(seen: _Validation, labels: Array, name: str) -> Array:
    scores = np.concatenate([seen.outputs[i][name] for i in seen.strong])
    return np.clip(detection.best_thresholds(labels, scores), 1e-6, 1.0)


def _durations(events: EventArrays) -> list[float]:
    seconds = events.offsets - events.onsets
    if not len(seconds):
        return []
    return [round(float(q), 3) for q in np.quantile(seconds, (0.25, 0.5, 0.75))]


def retune(
    run: run_folder.TrainedModel,
    data: sources.ClipData,
    source: str = "strong",
    decoders: Sequence[str] = DECODERS,
    score_sources: Sequence[str] = SOURCES,
) -> dict[str, Any]:
    """`tune_run`, stored in the run.

    Returns:
      What decoding.json holds now.

    Raises:
      InputError: a run that travels with the package.
    """
    if packaged.FOLDER in run.folder.parents:
        raise InputError(
            f"{run.folder}: travels with the package and is left as it is; tune a copy"
            f" (tfweak-export run={run.folder.name} form=run out=COPY)"
        )
    document = tune_run(run, data, source, decoders, score_sources).document()
    run_folder.write_decoding(run.folder, document)
    return document


def table(found: Mapping[str, Any]) -> str:
    """What was tried, as text: each decoder and source, by the truth it was tried on.

    Args:
      found: `Found.document`.
    """
    lines = []
    for truth, tried in found["tried"].items():
        of = {"strong": "strong labels", "mixtures": "mixtures of known times"}[truth]
        quantiles = found["durations"][truth]
        events = "without any event"
        if quantiles:
            events = "events of {1:g} s; half of them {0:g} to {2:g} s".format(
                *quantiles
            )
        lines.append(f"on {of} ({events})")
        lines.append("  event F1  segment F1  decoder, scores, settings")
        for one in tried:
            settings = ", ".join(
                f"{name}={value:g}"
                for name, value in one["decoder"]["settings"].items()
                if value
            )
            lines.append(
                f"  {one['event_f1']:8.4f}  {one['segment_f1']:10.4f} "
                f" {one['decoder']['name']}, {one['scores']},"
                f" clip_power={one['clip_power']:g}, {settings}"
            )
    return "\n".join(lines)
