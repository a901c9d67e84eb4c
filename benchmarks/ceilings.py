"""How much better a trained run could be, and what would bring it.

    python benchmarks/ceilings.py RUN DATA [DATA ...]

DATA has strong labels and the run's classes. Micro F1 of events (200 ms) and of
seconds: of the run as it is; of every source of its scores under thresholds chosen on
these very clips; of the run if it knew the tags; of the truth on the run's grid of
segments, which is all that the grid allows. Then mAP of the tags as they are, and with
an oracle as attention: where a clip has a class, y is the mean of X^a over its true
segments, which is all that a loss on the attention alone could bring.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import dataclasses

import numpy as np
from absl import flags

import tfweak
from tfweak.cli import console
from tfweak.decoding.decoder import create_decoder
from tfweak.decoding.decoding import CLIP_SCORES, Decoding, Rows
from tfweak.decoding.scores import SOURCES
from tfweak.errors import InputError
from tfweak.evaluation import detection, metrics
from tfweak.evaluation.answers import DetectedEvents, TaggedClips
from tfweak.models.runs import scoring

_FLAGS = flags.FlagValues()


@dataclasses.dataclass
class Clips:
    """Strongly labelled clips beside a run's answers to them."""

    tags: list
    outputs: list
    marks: list
    truth: dict
    seconds: dict


def collect(run, folders) -> Clips:
    data, found = scoring.open_for(run, folders), Clips([], [], [], {}, {})
    for x, y, outputs in scoring.answers(run, data, 64):
        for i in np.flatnonzero(y["has_strong"]):
            name, count = str(len(found.tags)), int(outputs["mask"][i].sum())
            tracks = {name: outputs[name][i][:count] for name in scoring.tracks(run)}
            clip_probs = outputs["clip_probs"][i]
            found.outputs.append({**tracks, CLIP_SCORES: clip_probs[np.newaxis]})
            found.tags.append(y["weak"][i].numpy() >= 0.5)
            found.truth[name] = y["events"][i]
            rows = int(x["num_frames"][i])
            found.seconds[name] = run.architecture.input.seconds(rows)
            found.marks.append(
                run.architecture.grid.labels(y["events"][i], count, len(run.classes))
            )
    if not found.tags:
        raise InputError(f"{folders[0]}: no clip has strong labels")
    return found


def decodings(run, clips: Clips) -> dict[str, tuple[Decoding, list]]:
    """What is decoded, and of which outputs."""
    tags = [{CLIP_SCORES: np.float32(one)[np.newaxis]} for one in clips.tags]
    known = [{**one, **tag} for one, tag in zip(clips.outputs, tags)]
    true = [{**tag, "segment_probs": marks} for tag, marks in zip(tags, clips.marks)]
    half = np.full(len(run.classes), 0.5)
    chosen = run.decodings["segment"]
    found = {"as it is": (chosen, clips.outputs)}
    joins = create_decoder("threshold", {"max_gap_seconds": 0.25})
    for name in SOURCES.names():
        source = SOURCES.get(name)
        if set(source.outputs) <= set(clips.outputs[0]):
            scores = np.concatenate([source.of(one, np) for one in clips.outputs])
            best = detection.best_thresholds(np.concatenate(clips.marks), scores)
            decoding = Decoding(joins, np.clip(best, 1e-6, 1), 0 * half, name)
            found[f"{name}, best plain thresholds"] = (decoding, clips.outputs)
    gated = dataclasses.replace(chosen, clip_thresholds=half)
    found["with the true tags"] = (gated, known)
    name = f"truth in segments of {run.architecture.grid.hop_seconds:g} s"
    found[name] = (Decoding(create_decoder("threshold", {}), half, half), true)
    return found


def tagging(run, clips: Clips) -> tuple[float, float]:
    """mAP as it is and with an oracle as attention."""
    own = np.concatenate([one[CLIP_SCORES] for one in clips.outputs])
    oracle = own.copy()
    for clip, (one, marks) in enumerate(zip(clips.outputs, clips.marks)):
        has, probs = marks.any(axis=0), one["segment_probs"]
        oracle[clip, has] = ((probs * marks).sum(0) / np.maximum(marks.sum(0), 1))[has]
    labels, names = np.float32(clips.tags), run.classes.names
    both = [{metrics.CLIPS: TaggedClips(labels, p, names)} for p in (own, oracle)]
    return tuple(metrics.evaluate(parts)["mAP"] for parts in both)


def _main(arguments: list[str]) -> None:
    if len(arguments) < 2:
        raise InputError("name a run and one folder of data or more")
    run = tfweak.load(arguments[0], "float32")
    clips = collect(run, arguments[1:])
    print(f"{len(clips.tags)} clips\nevent F1  segment F1")
    for name, (decoding, outputs) in decodings(run, clips).items():
        scores = [decoding.segment_scores(one) for one in outputs]
        rows = Rows.of(scores, list(clips.seconds.values()), run.architecture.grid)
        pairs = rows.events(rows.decode(decoding.decoder, decoding.thresholds))
        found = {
            clip: [event for event, _ in one] for clip, one in zip(clips.truth, pairs)
        }
        events = DetectedEvents(clips.truth, found, clips.seconds, run.classes.names)
        scored = (events.event_based["micro_f1"], events.segment_based["micro_f1"])
        print(f"{100 * scored[0]:8.1f}  {100 * scored[1]:10.1f}  {name}")
    own, oracle = tagging(run, clips)
    print(f"mAP {100 * own:.1f}, with an oracle as attention {100 * oracle:.1f}")


def main(argv: list[str] | None = None) -> int:
    return console.run(
        _FLAGS, __doc__, _main, argv, program="ceilings.py", positional="RUN DATA"
    )


if __name__ == "__main__":
    sys.exit(main())
