"""From files to windows: audio decoded in threads, or shards of embeddings."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfweak.audio import reading
from tfweak.data import records, shard_files
from tfweak.data.input_spec import InputSpec
from tfweak.errors import InputError
from tfweak.extractor import Extractor
from tfweak.payload import Payload
from tfweak.typing import Array, StrPath

from .ahead import in_threads
from .rows import Reader, block_rows, rows_in_blocks
from .windows import Window, WindowPlan

# Windows of a file that are made ahead of the network, and bytes of all that is.
_AHEAD_WINDOWS = 4
_AHEAD_BYTES = 256 << 20
_MOST_THREADS = 8
_WANTS_EMBEDDINGS = (
    "the model reads embeddings, and no extractor was loaded: give shards (*.tfrecord)"
)


@dataclasses.dataclass(frozen=True)
class Unusable:
    """A file, or a clip of a shard, that cannot be answered.

    Attributes:
      filename: what an answer would have.
      reason: why.
    """

    filename: str
    reason: str


def are_shards(paths: Sequence[StrPath]) -> bool:
    """Whether files or folders are of records; audio if not."""
    return all(
        _has_shards(path) if path.is_dir() else path.name.endswith(records.SHARD_SUFFIX)
        for path in map(pathlib.Path, paths)
    )


def expand(paths: Sequence[StrPath], shards: bool) -> list[tuple[str, str]]:
    """(name, path) of each file: relative to the folder given, or the file's own name.

    Where two would have the same name, both go by their path, as pipes always do.

    Args:
      paths: files, folders, pipes, or `-` for standard input.
      shards: whether of records; of audio if not.

    Raises:
      InputError: a path that is not there, a pipe given twice, or a folder without
        usable files.
    """
    found: list[tuple[str, str]] = []
    for path in map(pathlib.Path, paths):
        if not shards and reading.is_stream(path):
            if (str(path), str(path)) in found:
                raise InputError(f"{path}: appears twice, but can be read just once")
            found.append((str(path), str(path)))
        elif path.is_dir():
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


def windows_of_audio(
    files: Sequence[tuple[str, str]],
    reader: Reader,
    plan: WindowPlan,
    batch_size: int,
) -> Iterator[Window | Unusable]:
    """The windows of each file; of one that cannot be read, that at its end.

    Args:
      files: of `expand`.
      reader: what makes rows of the audio, decoded at its rate.
      plan: of the windows.
      batch_size: windows that are answered at once.
    """

    def windows(name: str, pieces: Iterator[Array]) -> Iterator[Window | Unusable]:
        try:
            yield from plan.cut(name, rows_in_blocks(reader, pieces, plan.rows))
        except InputError as error:
            yield Unusable(name, str(error))

    # a pipe is read here, in the caller's thread, which Ctrl-C ends
    sources = (
        windows(name, reading.audio_blocks(path, reader.sample_rate_hz))
        for name, path in files
    )
    workers = min(os.cpu_count() or 1, _MOST_THREADS)
    block = block_rows(reader, plan.rows)
    bytes_a_file = 4 * block * reader.hop_samples + 4 * _row_size(reader) * (
        block + (1 + _AHEAD_WINDOWS) * plan.rows
    )
    ahead = min(workers + batch_size, max(workers, _AHEAD_BYTES // bytes_a_file))
    return in_threads(sources, workers, ahead, _AHEAD_WINDOWS)


def windows_of_shards(
    files: Sequence[tuple[str, str]],
    spec: InputSpec,
    trained_on: Payload,
    plan: WindowPlan,
    skip: int = 0,
) -> Iterator[Window | Unusable]:
    """The windows of each clip in shards.

    Args:
      files: of `expand`.
      spec, trained_on: of the model, and the payload of its training data.
      plan: of the windows.
      skip: so many clips, or what else there is a result of, are left out.

    Raises:
      InputError: shards of other data than the model was trained on.
    """
    clips = _clips_of_shards(files, spec, trained_on)
    for clip in itertools.islice(clips, skip, None):
        if isinstance(clip, Unusable):
            yield clip
        else:
            name, rows = clip
            yield from plan.cut(name, [rows])


def _row_size(reader: Reader) -> int:
    return reader.embedding_size if isinstance(reader, Extractor) else reader.num_bins


def _clips_of_shards(
    files: Sequence[tuple[str, str]], spec: InputSpec, trained_on: Payload
) -> Iterator[tuple[str, Array] | Unusable]:
    for _, path in files:
        if not path.endswith(records.SHARD_SUFFIX):
            yield Unusable(path, _WANTS_EMBEDDINGS)
            continue
        payload = records.DatasetInfo.read(pathlib.Path(path).parent).payload
        spec.check_same(trained_on, payload, path)
        try:
            shard = shard_files.summary(path)
            whole = tf.data.TFRecordDataset(path).take(shard.num_records)
            for number, item in enumerate(whole):
                try:
                    clip = records.parse_clip(item.numpy(), payload)
                except InputError as error:
                    yield Unusable(f"{path}, record {number}", str(error))
                    continue
                yield clip.clip_id, clip.payload.astype(np.float32)
            if shard.problem:
                yield Unusable(path, f"broken or truncated ({shard.problem})")
        except (InputError, tf.errors.OpError) as error:
            yield Unusable(path, getattr(error, "message", None) or str(error))
