"""From files to tags and events; what `tfweak-predict` does."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tfweak.audio import reading
from tfweak.extractor import Extractor
from tfweak.labels import Event
from tfweak.progress import Progress
from tfweak.typing import Array, StrPath

from ..streaming import files as sources
from ..streaming.batches import Batches, Whole
from ..streaming.files import Unusable
from ..streaming.stitching import CLIP_PROBS, CLIP_SCORES
from ..streaming.windows import Window, WindowOptions, WindowPlan
from . import run_folder, scoring


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model says of one clip, or of a recording of any length.

    A recording longer than a window is answered in several, see `stitching.Stitcher`.

    Attributes:
      filename: the file's name within what was given, or the clip id in a shard.
      clip_probs: (C,), the largest of the windows'.
      segment_probs, attention: (T, C).
      clip_scores: (T, C), the windows' clip_probs over time.
      events: as the run was tuned to find them, by onset.
      confidences: of each event, 0 to 1.
      seconds: length of the clip, as far as segments cover it.
      sure: (C,) bool, clip_probs at or above the run's thresholds.
    """

    filename: str
    clip_probs: Array
    segment_probs: Array
    attention: Array
    clip_scores: Array
    events: list[Event]
    confidences: list[float]
    seconds: float
    sure: Array


def answer_files(
    run: run_folder.TrainedModel,
    files: Sequence[tuple[str, str]],
    batch_size: int = 16,
    extractor: Extractor | None = None,
    options: WindowOptions | None = None,
    skip: int = 0,
) -> Iterator[list[Answer | Unusable]]:
    """What a model says of files, as they are done, in bounded memory.

    A batch holds windows of several files, and a file is in a batch with others as a
    whole or not at all. The answers do not depend on the others but for rounding
    (about 1e-6 in float32): on the batch's size and on the padding to its longest.

    Args:
      run: a trained model.
      files: of `expand`.
      batch_size: windows a step.
      extractor: for a model on embeddings, makes them of audio; see
        `extraction.extractor_of`. Without, files are shards.
      options: how long recordings are cut.
      skip: the first so many results were there before: the sum of the lengths of the
        lists of an earlier call.

    Yields:
      The results in the order of the files, all that were done by one batch in a list.
      Calls that skip the lists of an earlier one give, to the bit, what is missing.
    """
    plan, spec = WindowPlan.of(run.architecture, options), run.architecture.input
    reader = extractor or spec.front_end
    if reader is None:
        items = sources.windows_of_shards(files, spec, run.payload, plan, skip)
        total = None
    else:
        items = sources.windows_of_audio(files[skip:], reader, plan, batch_size)
        total = len(files)
    with Progress(total, "clip", done=skip) as progress:
        for results in _answered(run, items, plan, batch_size, progress):
            yield results
            progress.add(len(results))


def expand(
    run: run_folder.TrainedModel,
    paths: Sequence[StrPath],
    extractor: Extractor | None = None,
) -> list[tuple[str, str]]:
    """The files that `answer_files` takes: audio, or shards for a model on embeddings.

    Raises:
      InputError: see `streaming.files.expand`.
    """
    shards = extractor is None and run.architecture.input.front_end is None
    return sources.expand(paths, shards)


def fingerprint(
    run: run_folder.TrainedModel, files: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What the answers depend on besides settings, as JSON types.

    Args:
      run: its weights count by the file's size and time, its decoding by value.
      files: of `expand`; each counts by name, size and time, so that the digest of a
        pipe is never the same again.
    """
    model = (run.folder / "model.keras").stat()
    digest = hashlib.sha256()
    for name, path in files:
        if reading.is_stream(path):
            state = [time.time_ns()]
        elif not os.path.exists(path):  # a link that leads nowhere
            state = []
        else:
            state = [os.path.getsize(path), os.stat(path).st_mtime_ns]
        text = json.dumps([name, path, *state])  # ASCII, whatever the name is
        digest.update(text.encode())
    return {
        "run": str(run.folder.resolve()),
        "model": [model.st_size, model.st_mtime_ns],
        "decoding": run.decodings["segment"].to_dict(),
        "files": digest.hexdigest(),
    }


def iter_files(
    run: run_folder.TrainedModel,
    paths: Sequence[StrPath],
    batch_size: int = 16,
    extractor: Extractor | None = None,
    options: WindowOptions | None = None,
) -> Iterator[Answer | Unusable]:
    """What a model says of files and the contents of folders, one after the other.

    Args:
      paths: audio files or folders of them, pipes, `-` for standard input; for a model
        on embeddings, without an extractor, shards.
      run, batch_size, extractor, options: as for `answer_files`.

    Raises:
      InputError: a path that is not there, or a folder without usable files.
    """
    files = expand(run, paths, extractor)
    groups = answer_files(run, files, batch_size, extractor, options)
    return itertools.chain.from_iterable(groups)


def predict_files(
    run: run_folder.TrainedModel,
    paths: Sequence[StrPath],
    batch_size: int = 16,
    extractor: Extractor | None = None,
    options: WindowOptions | None = None,
) -> tuple[list[Answer], list[tuple[str, str]]]:
    """`iter_files`, gathered.

    Returns:
      The answers in the order of the paths, and (file, reason) for those that could not
      be used.
    """
    found: list[Answer] = []
    bad: list[tuple[str, str]] = []
    for result in iter_files(run, paths, batch_size, extractor, options):
        if isinstance(result, Answer):
            found.append(result)
        else:
            bad.append((result.filename, result.reason))
    return found, bad


def answer_rows(
    run: run_folder.TrainedModel,
    blocks: Iterable[Array],
    batch_size: int = 16,
    options: WindowOptions | None = None,
) -> Answer:
    """The answer for rows of features or embeddings, (rows, F) each."""
    plan = WindowPlan.of(run.architecture, options)
    ((answer,),) = _answered(run, plan.cut("", blocks), plan, batch_size)
    assert isinstance(answer, Answer)
    return answer


def _answered(
    run: run_folder.TrainedModel,
    items: Iterable[Window | Unusable],
    plan: WindowPlan,
    batch_size: int,
    progress: Progress | None = None,
) -> Iterator[list[Answer | Unusable]]:
    """The results, in order, all that a batch completed in a list."""
    spec, outputs = run.architecture.input, run.network.output.items()
    # what has a value for each segment: its second axis is open
    tracks = {name for name, o in outputs if o.shape[1] is None} - {"mask"}

    def note(name: str, num_rows: int) -> None:
        if progress is not None:
            progress.note(f"{name} {spec.seconds(num_rows) / 60:.0f} min")

    def answer(whole: Whole) -> Answer:
        seconds = spec.seconds(whole.num_rows)
        found = scoring.decode(run, whole.outputs, seconds)
        return Answer(
            whole.name,
            whole.outputs[CLIP_PROBS],
            whole.outputs["segment_probs"],
            whole.outputs["attention"],
            whole.outputs[CLIP_SCORES],
            [event for event, _ in found],
            [confidence for _, confidence in found],
            seconds,
            whole.outputs[CLIP_PROBS] >= run.clip_thresholds,
        )

    def compute(windows: Sequence[Window]) -> list[dict[str, Array]]:
        clips = [window.rows for window in windows]
        return scoring.network_outputs(run, clips, tracks)

    batches = Batches(compute, tracks, plan, batch_size, note)
    for group in batches.results(items):
        yield [r if isinstance(r, Unusable) else answer(r) for r in group]
