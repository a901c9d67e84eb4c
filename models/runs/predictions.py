"""From files to tags and events; what `tfweak-predict` does."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import itertools
import logging
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfweak import atomic, progress
from tfweak.audio import front_ends, reading
from tfweak.data import records
from tfweak.data.input_spec import NOT_THE_SAME
from tfweak.errors import InputError
from tfweak.evaluation import event_formats
from tfweak.extractor import Extractor, create_extractor
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.extractors.vggish.pca import PUBLISHED
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload, difference
from tfweak.typing import Array, StrPath

from . import run_folder, scoring

# Files decoded ahead of the network, in batches.
_AHEAD = 2
_WANTS_EMBEDDINGS = (
    "the model reads embeddings, and no extractor was loaded: give shards (*.tfrecord)"
)
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model says of one clip.

    Attributes:
      filename: the file's name within what was given, or the clip id in a shard.
      clip_probs: (C,).
      segment_probs, attention: (T, C).
      events: under the run's thresholds, by onset.
      confidences: of each event, see `events.confidences`.
      seconds: length of the clip, as far as segments cover it.
      sure: (C,) bool, clip_probs at or above the run's thresholds.
    """

    filename: str
    clip_probs: Array
    segment_probs: Array
    attention: Array
    events: list[Event]
    confidences: list[float]
    seconds: float
    sure: Array


def predict_files(
    run: run_folder.TrainedModel,
    paths: Sequence[StrPath],
    batch_size: int = 16,
    extractor: Extractor | None = None,
) -> tuple[list[Answer], list[tuple[str, str]]]:
    """Answers for files and the contents of folders, several a batch.

    Args:
      run: a trained model.
      paths: audio files or folders of them; for a model on embeddings, without an
        extractor, shards.
      batch_size: clips a step.
      extractor: for a model on embeddings, makes them of audio, see `extractor_of`.

    Returns:
      The answers in the order of the paths, and (file, reason) for those that could not
      be used.

    Raises:
      InputError: a path that is not there, or a folder without usable files.
    """
    reader = extractor or run.architecture.input.front_end
    shards = reader is None
    files = _expand(paths, shards)
    bad: list[tuple[str, str]] = []
    clips = (
        _clips_of_shards(files, run, bad)
        if reader is None
        else _clips_of_audio(files, bad, reader)
    )
    found = []
    total = None if shards else len(files)
    for batch in _batched(progress.bar(clips, total=total, unit="clip"), batch_size):
        found += predict_features(run, batch)
    return found, bad


def predict_features(
    run: run_folder.TrainedModel, clips: Sequence[tuple[str, Array]]
) -> list[Answer]:
    """Answers for (name, (rows, F) features) pairs, padded to one batch."""
    lengths = np.array([len(rows) for _, rows in clips], np.int32)
    shape = (len(clips), lengths.max(), clips[0][1].shape[1])
    padded = np.zeros(shape, np.float32)
    for i, (_, rows) in enumerate(clips):
        padded[i, : len(rows)] = rows
    outputs = run.network.predict_on_batch({"features": padded, "num_frames": lengths})
    outputs = {name: np.asarray(value, np.float32) for name, value in outputs.items()}
    answers = []
    for i, (name, _) in enumerate(clips):
        count = int(outputs["mask"][i].sum())
        clip_probs = outputs["clip_probs"][i]
        segment_probs = outputs["segment_probs"][i, :count]
        seconds = run.architecture.input.seconds(int(lengths[i]))
        of_clip = {name: outputs[name][i, :count] for name in scoring.tracks(run)}
        pairs = scoring.decode(
            run, {**of_clip, "clip_scores": clip_probs[np.newaxis]}, seconds
        )
        answers.append(
            Answer(
                name,
                clip_probs,
                segment_probs,
                outputs["attention"][i, :count],
                [event for event, _ in pairs],
                [confidence for _, confidence in pairs],
                seconds,
                clip_probs >= run.clip_thresholds,
            )
        )
    return answers


def extractor_of(
    run: run_folder.TrainedModel, asked_for: Extractor | None = None
) -> Extractor:
    """What makes the embeddings of audio that a run reads.

    Args:
      run: a trained model on embeddings.
      asked_for: another extractor than the one of the training data.

    Raises:
      InputError: the run does not read embeddings, the extractor cannot be loaded, or
        the run was not trained on its embeddings.
    """
    spec, made_by = run.architecture.input, run.payload.made_by
    if not spec.are_embeddings:
        raise InputError(
            f"extractor: is for a model on embeddings; that of {run.folder} reads"
            f" {spec.payload_kind}, leave it out"
        )
    if asked_for is not None:
        extractor = asked_for
    elif _is_released(run.payload):
        extractor = create_extractor("vggish", {"pca": PUBLISHED})
    elif made_by:
        extractor = create_extractor(made_by["extractor"], made_by["settings"])
    else:
        raise InputError(
            f"{run.folder}: its data does not tell what made the embeddings; give the"
            " extractor"
        )
    check_extractor(run.payload, extractor.payload)
    return extractor


def check_extractor(trained_on: Payload, extracted: Payload) -> None:
    """Whether a model can read the embeddings that an extractor makes today.

    AudioSet's released embeddings were made by weights that nobody has any more; those
    of VGGish and its PCA come near, and are read with a note.

    Args:
      trained_on: the payload of the model's training data.
      extracted: the extractor's.

    Raises:
      InputError: saying what differs, or what to add.
    """
    if trained_on == extracted:
        return
    if not _is_released(trained_on) or extracted.parameters["extractor"] != "vggish":
        differs = difference(extracted, trained_on)
        raise InputError(
            f"not the extractor of the training data: {differs}; give the one that the"
            " data was prepared with"
        )
    if extracted.dtype != trained_on.dtype:
        raise InputError(
            "the run was trained on AudioSet's released embeddings, which went through"
            " a PCA and are bytes: add pca=vggish_pca_params.npz"
        )
    _log.info(
        "note: the run was trained on AudioSet's released embeddings. %s; how much of"
        " its accuracy is left on those was never measured",
        NOT_THE_SAME,
    )


def _is_released(payload: Payload) -> bool:
    name = RELEASED_EMBEDDINGS.parameters["extractor"]
    return payload.parameters.get("extractor") == name


def are_shards(paths: Sequence[StrPath]) -> bool:
    """Whether files or folders are of records; audio if not."""
    return all(
        _has_shards(path) if path.is_dir() else path.name.endswith(records.SHARD_SUFFIX)
        for path in map(pathlib.Path, paths)
    )


def top_tags(
    answer: Answer, classes: ClassList, count: int
) -> list[tuple[str, float, bool]]:
    """(class, probability, at or above its threshold), the most probable first."""
    order = np.argsort(-answer.clip_probs, kind="stable")[:count]
    return [
        (classes.names[i], float(answer.clip_probs[i]), bool(answer.sure[i]))
        for i in order
    ]


def write_side_tables(
    out: pathlib.Path,
    classes: ClassList,
    found: Sequence[Answer],
    bad: Sequence[tuple[str, str]],
    tags: int,
) -> list[pathlib.Path]:
    """Writes OUT's stem .tags.tsv and, where needed, .bad.tsv."""
    lines = ["filename\tevent_label\tprobability\tdetected"]
    for answer in found:
        for name, prob, sure in top_tags(answer, classes, tags):
            lines.append(f"{answer.filename}\t{name}\t{prob:.6f}\t{int(sure)}")
    written = [out.with_suffix(".tags.tsv")]
    atomic.write_text(written[0], "\n".join(lines) + "\n")
    bad_path = out.with_suffix(".bad.tsv")
    if bad:
        rows = ["filename\treason", *(f"{path}\t{reason}" for path, reason in bad)]
        atomic.write_text(bad_path, "\n".join(rows) + "\n")
        written.append(bad_path)
    else:
        bad_path.unlink(missing_ok=True)  # of an earlier call
    return written


def file_events(
    answer: Answer, only: Collection[int] | None = None, min_confidence: float = 0.0
) -> event_formats.FileEvents:
    """What is to be written of an answer.

    Args:
      answer: of a clip.
      only: classes, by index; all where None.
      min_confidence: of an event.
    """
    kept = [
        (event, confidence)
        for event, confidence in zip(answer.events, answer.confidences)
        if confidence >= min_confidence and (only is None or event.label in only)
    ]
    return event_formats.FileEvents(
        answer.filename, answer.seconds, [e for e, _ in kept], [c for _, c in kept]
    )


def _expand(paths: Sequence[StrPath], shards: bool) -> list[tuple[str, str]]:
    """(name, path) of each file: relative to the folder given, or the file's own name.

    Where two would have the same name, both go by their path.
    """
    found: list[tuple[str, str]] = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            if shards and reading.find_audio(path) and not _has_shards(path):
                raise InputError(f"{path}: {_WANTS_EMBEDDINGS}")
            inside = records.shards(path) if shards else reading.find_audio(path)
            if not inside:
                raise InputError(f"{path}: no audio files in this folder")
            found += [
                (pathlib.Path(p).relative_to(path).as_posix(), str(p)) for p in inside
            ]
        elif path.exists():
            found.append((path.name, str(path)))
        else:
            raise InputError(f"{path}: no such file or folder")
    count = collections.Counter(name for name, _ in found)
    return [(path if count[name] > 1 else name, path) for name, path in found]


def _has_shards(folder: pathlib.Path) -> bool:
    return any(p.name.endswith(records.SHARD_SUFFIX) for p in folder.iterdir())


def _clips_of_audio(
    files: Sequence[tuple[str, str]],
    bad: list[tuple[str, str]],
    reader: Extractor | front_ends.FrontEnd,
) -> Iterator[tuple[str, Array]]:
    """(name, (rows, F)) of each file, decoded at the rate of what reads it."""
    features_of = reader.embed if isinstance(reader, Extractor) else reader.compute
    rate = reader.sample_rate_hz

    def load(file: tuple[str, str]) -> Any:
        try:
            return features_of(reading.read_audio(file[1], rate))
        except InputError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for group in _batched(files, 32 * _AHEAD):
            for (name, _), result in zip(group, pool.map(load, group)):
                if isinstance(result, InputError):
                    bad.append((name, str(result)))
                else:
                    yield name, result


def _clips_of_shards(
    files: Sequence[tuple[str, str]],
    run: run_folder.TrainedModel,
    bad: list[tuple[str, str]],
) -> Iterator[tuple[str, Array]]:
    for _, path in files:
        if not path.endswith(records.SHARD_SUFFIX):
            bad.append((path, _WANTS_EMBEDDINGS))
            continue
        payload = records.DatasetInfo.read(pathlib.Path(path).parent).payload
        run.architecture.input.check_same(run.payload, payload, path)
        try:
            for item in tf.data.TFRecordDataset(path):
                clip = records.parse_clip(item.numpy(), payload)
                if len(clip.payload):
                    yield clip.clip_id, clip.payload.astype(np.float32)
                else:
                    bad.append((f"{path}: {clip.clip_id}", "no embedding rows"))
        except (InputError, tf.errors.DataLossError) as error:
            bad.append((path, str(error)))


def _batched(items: Any, size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
