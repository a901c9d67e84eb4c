"""Joins the clips of a label list with embedding shards; see `join`."""

from __future__ import annotations

import pathlib
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf
from google.protobuf import message as protobuf_message

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.extractors.vggish import HOP_SECONDS, RELEASED_EMBEDDINGS
from tfweak.labels import Event
from tfweak.payload import Payload

from ..dataset import Bad, Item
from . import embedding_shards
from .audio_clips import events_before
from .label_lists import Target, other_segment
from .label_rows import Place

# Each row of AudioSet's embeddings stands for this long.
# Two places of a video further apart than this are not the same clip.
_SAME_PLACE_SECONDS = 0.5


class _Found(NamedTuple):
    """A clip of a shard: the record's number in it from 0, its rows and its place."""

    clip_id: str
    number: int
    num_rows: int
    start_seconds: float
    end_seconds: float


def payload_of(source: pathlib.Path, names: list[str]) -> Payload:
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
                f" {dict(kinds[folder].parameters)}), which cannot be mixed; take"
                " one of them as source"
            )
    return next(iter(kinds.values()))


def find_records(
    source: pathlib.Path,
    names: list[str],
    payload: Payload,
    targets: Mapping[str, Target],
    keeps_others: bool,
) -> tuple[list[Item], list[Bad]]:
    """An item for each shard that holds clips of the list.

    Args:
      source: the folder.
      names: its shards.
      payload: of their records.
      targets: the clips of the list.
      keeps_others: whether a clip of another part of its video is written.

    Returns:
      The items; and the clips that are missing or not usable, and broken records.
    """
    shards, bad = embedding_shards.scan(
        source, names, lambda record, number: _look(record, number, payload, targets)
    )
    files: dict[str, list[str]] = {}
    for shard in shards:
        for clip in shard.found:
            files.setdefault(clip.clip_id, []).append(f"{shard.name}#{clip.number + 1}")
    for clip_id in sorted(targets):
        found = files.get(clip_id, [])
        if not found:
            bad.append(Bad(clip_id, "missing", "no record of this clip in the shards"))
        elif len(found) > 1:
            reason = f"{len(found)} records of this clip ({', '.join(found[:3])})"
            bad.append(Bad(clip_id, "duplicate", reason))
    items = []
    for shard in shards:
        wanted = []
        for clip in shard.found:
            if len(files[clip.clip_id]) > 1:
                continue
            target = targets[clip.clip_id]
            start, end = target.place
            # what was prepared from a folder of files does not know its place
            knows_place = payload == RELEASED_EMBEDDINGS or clip.start_seconds > 0
            if knows_place and abs(clip.start_seconds - start) > _SAME_PLACE_SECONDS:
                there = Place(clip.start_seconds, clip.end_seconds)
                where = f"the record is of {there}, the list means {target.place}"
                bad.append(other_segment(clip.clip_id, where, keeps_others))
                if not keeps_others:
                    continue
                start, end = there
            seconds = clip.num_rows * HOP_SECONDS
            if end is None:
                end = start + (clip.end_seconds - clip.start_seconds or seconds)
            events = target.events and events_before(target.events, seconds)
            wanted.append(
                [clip.number, clip.clip_id, start, end, target.labels, events]
            )
        if wanted:
            items.append(Item(shard.name, [shard.digest, wanted], len(wanted)))
    return items, bad


def load_records(
    path: pathlib.Path, item: Item, payload: Payload
) -> Iterator[records.Clip]:
    """The clips of an item of `find_records`.

    Raises:
      InputError: the shard is another one by now.
    """
    wanted = {number: spec for number, *spec in item.spec[1]}
    for number, record in enumerate(embedding_shards.read_records(path)):
        spec = wanted.pop(number, None)
        if spec is not None:
            clip_id, start, end, labels, times = spec
            found = records.parse_clip(record, payload)
            if found.clip_id != clip_id:
                break
            events = None if times is None else [Event(*t) for t in times]
            yield records.Clip(clip_id, labels, found.payload, events, start, end)
        if not wanted:  # what follows may have been found broken while planning
            return
    raise InputError(f"{item.name}: changed while the data was being prepared")


def _look(
    record: bytes, number: int, payload: Payload, wanted: Container[str]
) -> _Found | None:
    try:
        context = tf.train.SequenceExample.FromString(record).context.feature
        values = context["video_id"].bytes_list.value
    except protobuf_message.DecodeError as error:
        raise InputError(f"not a clip record ({error})") from error
    if not values:
        raise InputError("not a clip record (no video_id)")
    if values[0].decode(errors="replace") not in wanted:
        return None
    clip = records.parse_clip(record, payload)
    return _Found(
        clip.clip_id, number, len(clip.payload), clip.start_seconds, clip.end_seconds
    )
