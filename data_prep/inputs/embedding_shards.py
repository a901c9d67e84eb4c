"""Reading embedding shards record by record, and finding what is broken in them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import tensorflow as tf

from tfweak import progress
from tfweak.data import records, shard_files
from tfweak.errors import InputError

from ..dataset import Bad
from .source_files import walk

T = TypeVar("T")


@dataclasses.dataclass
class ScannedShard(Generic[T]):
    """What was found in a shard.

    Attributes:
      name: path below the source.
      digest: of the records up to the last whole one.
      num_records: how many these are.
      wrong: the numbers, from 0, of those that were refused.
      found: what the others gave.
    """

    name: str
    digest: str = ""
    num_records: int = 0
    wrong: list[int] = dataclasses.field(default_factory=list)
    found: list[T] = dataclasses.field(default_factory=list)


def shard_names(source: pathlib.Path) -> list[str]:
    """The shards below a folder, at any depth and through links: sorted paths."""
    return sorted(
        path.relative_to(source).as_posix()
        for path in walk(source)
        if path.name.endswith(records.SHARD_SUFFIX)
    )


def scan(
    source: pathlib.Path, names: list[str], look: Callable[[bytes, int], T | None]
) -> tuple[list[ScannedShard[T]], list[Bad]]:
    """Looks at all records of some shards.

    Args:
      source: the folder.
      names: its shards.
      look: is given a record and its number, and gives what is wanted of it, if
        anything; raises `InputError` where the record is broken.

    Returns:
      The shards; and the files and records that are broken.
    """
    shards: list[ScannedShard[T]] = []
    bad: list[Bad] = []
    for name in progress.bar(names, len(names), "file", "checking"):
        shard: ScannedShard[T] = ScannedShard(name)
        digest = hashlib.sha256()
        try:
            for number, record in enumerate(read_records(source / name)):
                digest.update(record)
                shard.num_records += 1
                try:
                    found = look(record, number)
                except InputError as error:
                    shard.wrong.append(number)
                    bad.append(Bad(f"{name}#{number + 1}", "record", str(error)))
                else:
                    shard.found += [] if found is None else [found]
        except InputError as error:
            reason = f"{error}; {shard.num_records} whole records before it"
            bad.append(Bad(name, "corrupt", reason))
        else:
            if not shard.num_records:
                bad.append(Bad(name, "empty", "the file holds no records"))
        shard.digest = digest.hexdigest()[:16]
        shards.append(shard)
    return shards, bad


def read_records(path: pathlib.Path) -> Iterator[bytes]:
    """The records of a shard, checksums verified.

    Raises:
      InputError: at the first record that is not whole, or a file that cannot be read.
    """
    shard = shard_files.summary(path)
    # a TFRecordDataset costs 20 ms a file, this reader 0.1 ms
    logger = tf.get_logger()
    level = logger.level
    try:
        with contextlib.ExitStack() as stack:  # without its deprecation notice
            stack.callback(logger.setLevel, level)
            logger.setLevel(logging.ERROR)
            reader = tf.compat.v1.io.tf_record_iterator(str(path))
        yield from itertools.islice(reader, shard.num_records)
    except (tf.errors.OpError, OSError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise InputError(f"not a whole TFRecord file ({reason})") from error
    if shard.problem:
        raise InputError(f"not a whole TFRecord file ({shard.problem})")
