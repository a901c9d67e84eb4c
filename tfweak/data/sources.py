"""Folders of shards opened as one data set: read once, checked, split by clip id."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import InputError
from ..labels import ClassList, Event, are_times
from ..payload import Payload, difference
from ..typing import Array, StrPath
from . import parsing, records, shard_files

OFFICIAL_NUM_CLASSES = 527
# A strong label as the shards hold it.
_EVENT = [("label", "i8"), ("onset_seconds", "f4"), ("offset_seconds", "f4")]
# Records that are handled in one go; to be kept, few of them, for they may be long.
_READ_TOGETHER, _KEPT_TOGETHER = 512, 64


@dataclasses.dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: row i is `values[splits[i]:splits[i + 1]]`.

    Attributes:
      values: (V,) those of all rows, one row after the other.
      splits: (N + 1,) int64.
    """

    values: Array
    splits: Array

    @classmethod
    def of_lengths(cls, values: Array, lengths: Array) -> Ragged:
        return cls(values, np.append(0, np.cumsum(lengths)))

    @property
    def lengths(self) -> Array:
        return np.diff(self.splits)

    @property
    def row_ids(self) -> Array:
        """(V,) the row of each value."""
        return np.repeat(np.arange(len(self.splits) - 1), self.lengths)

    def __getitem__(self, row: int) -> Array:
        return self.values[self.splits[row] : self.splits[row + 1]]

    def take(self, chosen: Array) -> Ragged:
        """The rows that an (N,) bool mask chooses."""
        kept = self.values[np.repeat(chosen, self.lengths)]
        return Ragged.of_lengths(kept, self.lengths[chosen])


@dataclasses.dataclass(frozen=True, eq=False)
class ClipData:
    """Shards that belong together, and what the one pass over them told.

    A part of the clips is these arrays under a mask; the shards are not read for it.

    Attributes:
      files: the shards.
      num_bytes: the size of all shards together.
      starts: (S + 1,) how many records lie before each shard, and in all.
      payload: what they hold.
      classes: the vocabulary.
      positions: (N,) which records these clips are, in file order.
      clip_ids: (N,) bytes.
      labels: N rows of class indices, each class once.
      has_strong: (N,) bool, whether a clip has strong labels.
      events: N rows of strong labels; `events_of` gives them as `Event`s.
    """

    files: tuple[str, ...]
    num_bytes: int
    starts: Array
    payload: Payload
    classes: ClassList
    positions: Array
    clip_ids: Array
    labels: Ragged
    has_strong: Array
    events: Ragged

    def __len__(self) -> int:
        return len(self.clip_ids)

    @functools.cached_property
    def num_strong(self) -> int:
        """Clips with strong labels."""
        return int(self.has_strong.sum())

    @functools.cached_property
    def label_counts(self) -> Array:
        """(C,) clips of each class."""
        return np.bincount(self.labels.values, minlength=len(self.classes))

    def events_of(self, clip: int) -> list[Event]:
        """The strong labels of a clip, by its number here."""
        return [Event(*event) for event in self.events[clip].tolist()]

    def take(self, chosen: Array, why_empty: str = "no clip is chosen") -> ClipData:
        """The clips that an (N,) bool mask chooses; none are an `InputError`."""
        if not chosen.any():
            raise InputError(why_empty)
        return dataclasses.replace(
            self,
            positions=self.positions[chosen],
            clip_ids=self.clip_ids[chosen],
            labels=self.labels.take(chosen),
            has_strong=self.has_strong[chosen],
            events=self.events.take(chosen),
        )

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
        valid = uniform_hash(self.clip_ids, seed, -1) < valid_fraction
        why = f"a validation fraction of {valid_fraction} of {len(self)} clips"
        return (
            self.take(~valid, f"{why} leaves none for training"),
            self.take(valid, f"{why} leaves none for validation"),
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
        share = uniform_hash(self.clip_ids, seed, -1)
        out = []
        for i in range(count):
            inside = (share >= i / count) & (share < (i + 1) / count)
            out.append((self.take(~inside, why), self.take(inside, why)))
        return out

    def without(self, clip_ids: Sequence[bytes] | Array) -> ClipData:
        """The clips that are not in a list of ids.

        Raises:
          InputError: when none is left.
        """
        listed = set(clip_ids)
        return self.take(
            np.array([clip_id not in listed for clip_id in self.clip_ids]),
            f"all {len(self)} clips are excluded; none is left to train on",
        )

    def fingerprint(self) -> dict[str, Any]:
        """What a run notes of its data: counts, payload, vocabulary, clip ids."""
        return {
            "num_clips": len(self),
            "num_strong": self.num_strong,
            "clip_ids": f"{np.bitwise_xor.reduce(_hash_int(self.clip_ids)):016x}",
            "classes": self.classes.digest,
            "payload": dataclasses.asdict(self.payload),
        }

    def open_serialized(self) -> tf.data.Dataset:
        """The serialised records, file after file."""
        return self.open_numbered().map(lambda clip, serialized: serialized)

    def open_numbered(self) -> tf.data.Dataset:
        """Pairs of a clip's number here and its serialised record, file after file."""
        return self.select(tf.data.TFRecordDataset(list(self.files)).enumerate())

    def select(
        self, dataset: tf.data.Dataset, times: Array | int = 1
    ) -> tf.data.Dataset:
        """Of all records, in any order, those of these clips.

        Args:
          dataset: pairs of a record's position and the record.
          times: (N,) how often each clip is to come.

        Returns:
          Pairs of a clip's number here and its record.
        """
        number, count = np.zeros((2, self.starts[-1]), np.int64)
        number[self.positions] = np.arange(len(self))
        count[self.positions] = times
        if (count == 1).all():
            return dataset
        numbers, counts = tf.constant(number), tf.constant(count)

        def repeat(positions: tf.Tensor, serialized: tf.Tensor) -> Any:
            wanted = tf.gather(counts, positions)
            clips = tf.gather(numbers, positions)
            return tf.repeat(clips, wanted), tf.repeat(serialized, wanted)

        return (
            dataset.batch(_KEPT_TOGETHER)
            .map(repeat, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .unbatch()
        )


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
    whose = "the class list given"
    mended = "it again with that list, which a run has: tfweak-prepare"
    mended += " classes=RUN/classes.csv"
    for folder, info in zip(folders, infos):
        known = info.classes
        if known is None:
            continue
        if classes is None:
            classes, whose = known, str(folder)
            mended = "both again with one list: tfweak-prepare classes=CSV"
        elif classes.mids != known.mids:
            raise InputError(
                f"{folder}: its {len(known)} classes are not the {len(classes)} of"
                f" {whose}; prepare {mended}"
            )
    if classes is None:
        classes = ClassList.indices(OFFICIAL_NUM_CLASSES)
    files: list[tuple[str, shard_files.ShardSummary]] = []
    found = []
    for folder in folders:
        inside = [(path, shard_files.summary(path)) for path in records.shards(folder)]
        for path, shard in inside:
            if shard.problem:
                raise InputError(
                    f"{path}: broken or truncated ({shard.problem}); remove the file,"
                    " or prepare the data again"
                )
        found.append({os.path.basename(path): shard for path, shard in inside})
        files += inside
    data = _read(files, infos[0].payload, classes)
    for folder, info, shards in zip(folders, infos, found):
        info.require_shards(folder, shards)
    if data is None:
        raise InputError(f"{', '.join(map(str, folders))}: the shards hold no clips")
    unique, counts = np.unique(data.clip_ids, return_counts=True)
    if len(unique) < len(data):
        twice = unique[counts > 1][0].decode(errors="replace")
        raise InputError(
            f"clip {twice!r} stands {counts.max()} times in"
            f" {', '.join(map(str, folders))}"
        )
    return data


def uniform_hash(clip_ids: Array, seed: int, epoch: int) -> Array:
    """Uniform numbers in [0, 1) that follow from id, seed and epoch, (N,) float64."""
    return _hash_int(clip_ids, seed, epoch).astype(np.float64) / float(1 << 62)


def _hash_int(clip_ids: Array, seed: int = 0, epoch: int = 0) -> Array:
    key = [seed & 0x7FFFFFFF, epoch & 0x7FFFFFFF]
    ids = tf.constant(clip_ids, tf.string)
    return tf.strings.to_hash_bucket_strong(ids, 1 << 62, key).numpy()


def _read(
    shards: Sequence[tuple[str, shard_files.ShardSummary]],
    payload: Payload,
    classes: ClassList,
) -> ClipData | None:
    """One pass: what `ClipData` holds, and whether every record can be used."""
    files = tuple(path for path, _ in shards)
    starts = np.cumsum([0, *(shard.num_records for _, shard in shards)])
    dataset = tf.data.TFRecordDataset(list(files)).batch(_READ_TOGETHER)
    dataset = dataset.map(
        lambda batch: parsing.outline(batch, payload),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    try:
        batches = list(dataset.prefetch(2).as_numpy_iterator())
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise InputError(_blame(files, payload, error)) from error
    if not batches:
        return None
    found = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    labels, strong = (
        Ragged.of_lengths(found[name], found[f"{name}_lengths"])
        for name in ("labels", "strong_labels")
    )

    def refuse(broken: Array, why: str) -> None:
        """Names the first of some records that cannot be used."""
        for i in broken[:1]:
            name = found["video_id"][i].decode(errors="replace")
            shard = files[np.searchsorted(starts, i, side="right") - 1]
            raise InputError(f"clip {name!r} in {shard}: {why}")

    no_ids = [i for i, name in enumerate(found["video_id"]) if not records.is_id(name)]
    refuse(np.array(no_ids, np.int64), records.NO_ID)
    broken = np.flatnonzero(found["num_rows"] < 1)
    refuse(broken, f"no rows of {payload.kind}, or not all of them whole")
    odd_values = np.flatnonzero(~found["is_finite"])
    refuse(odd_values, f"the {payload.kind} holds NaN or infinity")
    size = len(classes)
    for rows in (labels, strong):
        outside = (rows.values < 0) | (rows.values >= size)
        refuse(
            rows.row_ids[outside],
            f"label {next(iter(rows.values[outside]), None)}, but there are {size}"
            f" classes, 0 to {size - 1}; give the class list that the data was made"
            " with",
        )
    lengths = np.stack([found[f"{name}_lengths"] for name in parsing.STRONG])
    uneven = np.flatnonzero(np.ptp(lengths, axis=0))
    refuse(uneven, records.UNEVEN)
    onsets, offsets = (found[name] for name in parsing.STRONG[1:])
    for i in np.flatnonzero(~are_times(onsets, offsets))[:1]:
        why = records.impossible_times(onsets[i], offsets[i])
        refuse(strong.row_ids[i : i + 1], why)
    # a label that a record lists twice still counts once
    pairs = np.unique(labels.row_ids * size + labels.values)
    count = len(found["video_id"])
    events = np.rec.fromarrays([found[name] for name in parsing.STRONG], dtype=_EVENT)
    return ClipData(
        files,
        sum(shard.num_bytes for _, shard in shards),
        starts,
        payload,
        classes,
        np.arange(count),
        found["video_id"],
        Ragged.of_lengths(pairs % size, np.bincount(pairs // size, minlength=count)),
        found["has_strong"],
        Ragged(events, strong.splits),
    )


def _blame(files: Sequence[str], payload: Payload, error: Exception) -> str:
    """Finds the broken shard and record behind an error of a whole-data pass."""
    advice = "; remove the file, or prepare the data again"
    for path in files:
        try:
            for number, item in enumerate(tf.data.TFRecordDataset(path)):
                try:
                    records.parse_clip(item.numpy(), payload)
                    parsing.outline(item[tf.newaxis], payload)
                except InputError as cause:
                    return f"{path}, record {number}: {cause}{advice}"
                except tf.errors.InvalidArgumentError as cause:
                    reason = cause.message.rpartition("}} ")[2].partition(" [Op:")[0]
                    return f"{path}, record {number}: {reason}{advice}"
        except tf.errors.DataLossError as cause:
            return f"{path}: broken or truncated ({cause.message}){advice}"
    return f"{error}"
