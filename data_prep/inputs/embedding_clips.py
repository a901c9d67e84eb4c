"""Finding clips by id in embedding shards: official ones, or a prepared folder's."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import pathlib
from collections.abc import Container, Iterator
from typing import NamedTuple

import tensorflow as tf
import tqdm
from google.protobuf import message as protobuf_message

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.payload import Payload

from ..dataset import Bad, walk

# Each row of AudioSet's embeddings stands for this long.
ROW_SECONDS = 0.96


class Found(NamedTuple):
    """A clip of a shard: the record's number in it from 0, its rows and its place."""

    clip_id: str
    number: int
    num_rows: int
    start_seconds: float
    end_seconds: float


class Shard(NamedTuple):
    """What a shard has of the clips that are looked for.

    Attributes:
      name: path below the source.
      digest: of the records up to the last whole one.
      clips: the clips found, in the order of the file.
    """

    name: str
    digest: str
    clips: list[Found]


def find(source: pathlib.Path) -> list[str]:
    """The shards below a folder, at any depth and through links: sorted paths."""
    return sorted(
        path.relative_to(source).as_posix()
        for path in walk(source)
        if path.name.endswith(records.SHARD_SUFFIX)
    )


def payload(source: pathlib.Path, names: list[str]) -> Payload:
    """The one payload of all shards.

    Raises:
      InputError: they are no embeddings, an unfinished preparation, or of several
        kinds, which must never be mixed.
    """
    kinds: dict[pathlib.Path, Payload] = {}
    for folder in sorted({(source / name).parent for name in names}):
        kinds[folder] = records.DatasetInfo.read(folder).payload
        if kinds[folder].kind != "audio_embedding":
            raise InputError(
                f"{folder}: holds {kinds[folder].kind}; a label list is joined with a"
                " folder of audio, or with shards of embeddings"
            )
        first = next(iter(kinds))
        if kinds[folder] != kinds[first]:
            raise InputError(
                f"{first} and {folder} hold embeddings of different kinds"
                f" ({dict(kinds[first].parameters)} and"
                f" {dict(kinds[folder].parameters)}), which cannot be mixed; name one"
                " of them with --source"
            )
    return next(iter(kinds.values()))


def scan(
    source: pathlib.Path,
    names: list[str],
    kind: Payload,
    wanted: Container[str],
) -> tuple[list[Shard], list[Bad]]:
    """Looks for clips in shards. Records of other clips are not checked further.

    Returns:
      The shards that have some of them; and the files and records that are broken.
    """
    shards, bad = [], []
    for name in tqdm.tqdm(names, desc="looking", unit="file", disable=None):
        clips: list[Found] = []
        digest = hashlib.sha256()
        number = -1
        try:
            for number, record in enumerate(read(source / name)):
                digest.update(record)
                try:
                    found = _look(record, number, kind, wanted)
                except InputError as error:
                    bad.append(Bad(f"{name}#{number + 1}", "record", str(error)))
                else:
                    clips += found
        except InputError as error:
            reason = f"{error}; {number + 1} whole records before it"
            bad.append(Bad(name, "corrupt", reason))
        if clips:
            shards.append(Shard(name, digest.hexdigest()[:16], clips))
    return shards, bad


def read(path: pathlib.Path) -> Iterator[bytes]:
    """The records of a shard, checksums verified.

    Raises:
      InputError: at the first record that is not whole, or a file that cannot be read.
    """
    # a TFRecordDataset costs 20 ms a file, this reader 0.1 ms
    logger = tf.get_logger()
    level = logger.level
    try:
        with contextlib.ExitStack() as stack:  # without its deprecation notice
            stack.callback(logger.setLevel, level)
            logger.setLevel(logging.ERROR)
            reader = tf.compat.v1.io.tf_record_iterator(str(path))
        yield from reader
    except (tf.errors.OpError, OSError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise InputError(f"not a whole TFRecord file ({reason})") from error


def _look(
    record: bytes, number: int, kind: Payload, wanted: Container[str]
) -> list[Found]:
    try:
        context = tf.train.SequenceExample.FromString(record).context.feature
        values = context["video_id"].bytes_list.value
    except protobuf_message.DecodeError as error:
        raise InputError(f"not a clip record ({error})") from error
    if not values:
        raise InputError("not a clip record (no video_id)")
    if values[0].decode(errors="replace") not in wanted:
        return []
    clip = records.parse_clip(record, kind)
    if not len(clip.payload):
        raise InputError(f"clip {clip.clip_id!r}: no embedding rows")
    return [
        Found(
            clip.clip_id,
            number,
            len(clip.payload),
            clip.start_seconds,
            clip.end_seconds,
        )
    ]
