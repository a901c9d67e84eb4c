"""Folders of shards opened as one data set: checked, counted, split by clip id."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from ..errors import InputError
from ..labels import ClassList
from ..payload import Payload, difference
from ..typing import Array, StrPath
from . import parsing, records

OFFICIAL_NUM_CLASSES = 527


class Part(Protocol):
    """A part of the clips, chosen by id, whatever the order of files and clips."""

    def keep(self, clip_ids: Any) -> Any:
        """(B,) bool for (B,) string clip ids."""


@dataclasses.dataclass(frozen=True)
class HashRange:
    """The clips whose hash lies in [start, stop) of the unit interval, or the rest."""

    start: float
    stop: float
    inside: bool
    seed: int

    def keep(self, clip_ids: Any) -> Any:
        share = uniform_hash(clip_ids, self.seed, -1)
        return ((share >= self.start) & (share < self.stop)) == self.inside


@dataclasses.dataclass(frozen=True, eq=False)
class Without:
    """The clips whose ids (by their hashes, sorted) are not in a list."""

    hashes: Array

    def keep(self, clip_ids: Any) -> Any:
        if not len(self.hashes):
            return tf.ones_like(clip_ids, tf.bool)
        found = _hash_int(clip_ids)
        table = tf.constant(self.hashes)
        place = tf.minimum(tf.searchsorted(table, found), len(self.hashes) - 1)
        return tf.gather(table, place) != found


@dataclasses.dataclass(frozen=True, eq=False)
class ClipData:
    """Shards that belong together, and what one pass over them told.

    Attributes:
      files: the shards.
      payload: what they hold.
      classes: the vocabulary.
      clip_ids: (N,) the ids of the clips (of this part).
      label_counts: (C,) clips a class.
      num_strong: clips with strong labels.
      parts: what chose these clips; a clip is in all of them.
    """

    files: tuple[str, ...]
    payload: Payload
    classes: ClassList
    clip_ids: Array
    label_counts: Array
    num_strong: int
    parts: tuple[Part, ...] = ()

    def __len__(self) -> int:
        return len(self.clip_ids)

    def split(self, valid_fraction: float, seed: int = 0) -> tuple[ClipData, ClipData]:
        """Training and validation parts, disjoint by clip id.

        Raises:
          InputError: when the fraction leaves one of them empty.
        """
        if not 0 < valid_fraction < 1:
            raise InputError(
                f"validation fraction {valid_fraction}: a number between 0"
                " and 1 is needed"
            )
        training = HashRange(0.0, valid_fraction, False, seed)
        validation = HashRange(0.0, valid_fraction, True, seed)
        why = f"a validation fraction of {valid_fraction} of {len(self)} clips"
        return (
            self._take(training, f"{why} leaves none for training"),
            self._take(validation, f"{why} leaves none for validation"),
        )

    def folds(self, count: int, seed: int = 0) -> list[tuple[ClipData, ClipData]]:
        """Cross-validation by clip id: pairs of the other clips and the fold's own.

        The folds are disjoint and hold every clip once. A fold is a range of the ids'
        hashes, so that their sizes differ a little.

        Raises:
          InputError: fewer than 2 folds, or so many that one stays empty.
        """
        if count < 2:
            raise InputError(f"{count} folds: 2 at least are needed")
        why = f"{count} folds of {len(self)} clips: one stays empty; take fewer"
        out = []
        for i in range(count):
            limits = i / count, (i + 1) / count
            out.append(
                (
                    self._take(HashRange(*limits, False, seed), why),
                    self._take(HashRange(*limits, True, seed), why),
                )
            )
        return out

    def without(self, clip_ids: Sequence[bytes] | Array) -> ClipData:
        """The clips that are not in a list of ids.

        Raises:
          InputError: when none is left.
        """
        ids = tf.constant(np.asarray(clip_ids, object), tf.string)
        return self._take(
            Without(np.unique(_hash_int(ids).numpy())),
            f"all {len(self)} clips are excluded; none is left to train on",
        )

    def _take(self, part: Part, why_empty: str) -> ClipData:
        parts = (*self.parts, part)
        taken = _scan(self.files, self.payload, self.classes, parts)
        if not len(taken):
            raise InputError(why_empty)
        return taken

    def fingerprint(self) -> dict[str, Any]:
        """What a run notes of its data: counts, payload, vocabulary, clip ids."""
        digest = np.bitwise_xor.reduce(_hash_int(tf.constant(self.clip_ids)).numpy())
        return {
            "num_clips": len(self),
            "num_strong": self.num_strong,
            "clip_ids": f"{int(digest):016x}",
            "classes": self.classes.digest,
            "payload": dataclasses.asdict(self.payload),
        }

    def open_serialized(self) -> tf.data.Dataset:
        """The serialised records, file after file."""
        dataset = tf.data.TFRecordDataset(list(self.files))
        return keep_parts(dataset, self.parts)


def open_data(folders: Sequence[StrPath], classes: ClassList | None = None) -> ClipData:
    """Opens prepared records or official shards; reads them once to check and count.

    Args:
      folders: each with shards; all must hold the same payload and classes.
      classes: names for official shards, which carry none; for data that has its own
        it must be the same list.

    Raises:
      InputError: a missing or unfinished folder, a broken shard or record, folders
        that do not go together, a clip that stands twice, a label out of range.
    """
    if not folders:
        raise InputError("no data folder given")
    infos = [records.DatasetInfo.read(folder) for folder in folders]
    for folder, info in zip(folders[1:], infos[1:]):
        if info.payload != infos[0].payload:
            raise InputError(
                f"{folder} and {folders[0]} cannot be read together:"
                f" {difference(info.payload, infos[0].payload)}"
            )
    for folder, info in zip(folders, infos):
        known = info.classes
        if known is None:
            continue
        if classes is None:
            classes = known
        elif classes.mids != known.mids:
            raise InputError(
                f"{folder}: its {len(known)} classes are not the"
                f" {len(classes)} of the list given or of the other data"
            )
    if classes is None:
        classes = ClassList.indices(OFFICIAL_NUM_CLASSES)
    files = tuple(path for folder in folders for path in records.shards(folder))
    data = _scan(files, infos[0].payload, classes)
    if not len(data):
        raise InputError(f"{', '.join(map(str, folders))}: the shards hold no clips")
    unique, counts = np.unique(data.clip_ids, return_counts=True)
    if len(unique) < len(data):
        twice = unique[counts > 1][0].decode(errors="replace")
        raise InputError(
            f"clip {twice!r} stands {counts.max()} times in"
            f" {', '.join(map(str, folders))}"
        )
    return data


def keep_parts(dataset: tf.data.Dataset, parts: Sequence[Part]) -> tf.data.Dataset:
    """The serialised clips that are in every part."""
    if not parts:
        return dataset

    def keep(serialized: tf.Tensor) -> tf.Tensor:
        return tf.boolean_mask(serialized, _keep(parsing.clip_ids(serialized), parts))

    return (
        dataset.batch(256)
        .map(keep, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .unbatch()
    )


def _keep(clip_ids: Any, parts: Sequence[Part]) -> Any:
    kept = tf.ones_like(clip_ids, tf.bool)
    for part in parts:
        kept &= part.keep(clip_ids)
    return kept


def _hash_int(clip_ids: Any, seed: int = 0, epoch: int = 0) -> Any:
    key = [seed & 0x7FFFFFFF, epoch & 0x7FFFFFFF]
    return tf.strings.to_hash_bucket_strong(clip_ids, (1 << 62), key)


def uniform_hash(clip_ids: Any, seed: int, epoch: int) -> Any:
    """Uniform numbers in [0, 1) that follow from id, seed and epoch."""
    return tf.cast(_hash_int(clip_ids, seed, epoch), tf.float64) / float(1 << 62)


def _scan(
    files: Sequence[str],
    payload: Payload,
    classes: ClassList,
    parts: tuple[Part, ...] = (),
) -> ClipData:
    """One pass: ids, label counts, and whether every record can be used."""
    counts = np.zeros(len(classes), np.int64)
    ids, num_strong = [], 0
    dataset = tf.data.TFRecordDataset(list(files)).batch(512)
    dataset = dataset.map(
        lambda batch: parsing.check(batch, payload),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    try:
        for clip_ids, labels, has_strong, num_frames in dataset.prefetch(2):
            if np.any(num_frames < 1):
                name = clip_ids[int(np.argmin(num_frames))].numpy().decode()
                raise InputError(
                    f"clip {name!r} in {_shard_of(files, name)}: no rows of"
                    f" {payload.kind}"
                )
            values = labels.flat_values.numpy()
            rows = labels.value_rowids().numpy()
            outside = np.flatnonzero((values < 0) | (values >= len(classes)))
            if len(outside):
                name = clip_ids[rows[outside[0]]].numpy().decode()
                raise InputError(
                    f"clip {name!r} in {_shard_of(files, name)}: label"
                    f" {values[outside[0]]}, but there are {len(classes)} classes, 0 to"
                    f" {len(classes) - 1}; give the class list that the data was made"
                    " with"
                )
            keep = _keep(clip_ids, parts).numpy()
            pairs = np.unique(np.stack([rows, values])[:, keep[rows]], axis=1)
            counts += np.bincount(pairs[1], minlength=len(classes))
            ids.append(clip_ids.numpy()[keep])
            num_strong += int(has_strong.numpy()[keep].sum())
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise InputError(_blame(files, payload, error)) from error
    return ClipData(
        tuple(files),
        payload,
        classes,
        np.concatenate(ids) if ids else np.array([], object),
        counts,
        num_strong,
        parts,
    )


def _blame(files: Sequence[str], payload: Payload, error: Exception) -> str:
    """Finds the broken shard and record behind an error of a whole-data pass."""
    advice = "; remove the file, or prepare the data again"
    for path in files:
        try:
            for number, item in enumerate(tf.data.TFRecordDataset(path)):
                try:
                    records.parse_clip(item.numpy(), payload)
                except InputError as cause:
                    return f"{path}, record {number}: {cause}{advice}"
        except tf.errors.DataLossError as cause:
            return f"{path}: broken or truncated ({cause.message}){advice}"
    return f"{error}"


def _shard_of(files: Sequence[str], clip_id: str) -> str:
    for path in files:
        for item in tf.data.TFRecordDataset(path).batch(512):
            if clip_id.encode() in parsing.clip_ids(item).numpy():
                return path
    return "the data"
