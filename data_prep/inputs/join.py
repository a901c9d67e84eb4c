"""Joins the clips of a label list, by id, with a folder of audio or with embeddings.

The source is a folder of audio files named by the clips' ids (see `_audio_names`), or
one below which lie shards of embeddings: AudioSet's own, or what tfweak-prepare wrote.
Which of the two is decided by what is found. What the list does not name is not taken.

A listed clip that is not found is in the manifest as `missing`. AudioSet and the lists
do not always mean the same ten seconds of a video: a clip whose source lies elsewhere
is in the manifest as `kept other segment`, since it is written all the same, or as
`other segment` where the options say `exclude`. With SL-DCASE-17's training list and
the released embeddings of balanced train and eval, up to a tenth are of this kind.

Embeddings are kept byte for byte. Ten seconds have ten rows of 0.96 s, so an event is
cut at the last row's end, and one that begins after it (9.7 to 10 s) stays only as tag.
In audio an event is cut at the clip's end, and one after it leaves out the clip.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.labels import ClassList, Event
from tfweak.payload import OFFICIAL_EMBEDDINGS, Payload

from ..dataset import Bad, BadFile, Item, Options, Plan, Split, source_folder
from . import audio_clips, audio_names, embedding_clips, label_lists
from .embedding_clips import ROW_SECONDS
from .label_rows import Place, Row, require_within

OPTIONS = audio_clips.OPTIONS | {"labels", "classes", "other_segment"}

_SOURCE = "a folder of audio named by clip ids, or of embedding shards"
# Two places of a video further apart than this are not the same clip.
_SAME_PLACE_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Context:
    """Where the source is, what is stored, and, for audio, what makes it."""

    source: str
    payload: Payload
    encoder: audio_clips.Encoder | None


def plan(
    options: Options,
    rows: Iterable[Row],
    known: ClassList | None,
    settings: Mapping[str, Any],
) -> Plan:
    """Reads the list and finds its clips in the source.

    Args:
      options: of the command.
      rows: of the list.
      known: the classes of the data set, or None where any mid may occur.
      settings: what else decides the result.

    Raises:
      InputError: no source, a source of both kinds or of none, a list of which no row
        can be used, or an option that does not fit the source or the list.
    """
    source = source_folder(options, _SOURCE)
    audio, unnamed, shards = _contents(source)
    classes = None if options.classes is None else ClassList.read_csv(options.classes)
    listed, bad = label_lists.gather(rows, known, classes)
    if options.inaudible and not any(c.events is not None for c in listed.values()):
        raise InputError(
            f"--inaudible={options.inaudible} is for strong labels, of which"
            f" {options.labels} has none"
        )
    classes = classes or known or label_lists.occurring(listed)
    targets, left_out = label_lists.targets(listed, classes, options.inaudible or "tag")
    keeps_others = options.other_segment != "exclude"
    encoder = None
    if shards:
        kind = embedding_clips.payload(source, shards)
        _require_as_they_are(options, source)
        items, problems = _join_shards(source, shards, kind, targets, keeps_others)
    else:
        encoder = audio_clips.encoder(options)
        kind = encoder.payload
        items, problems = _join_audio(source, audio, targets, keeps_others)
    assert options.labels is not None
    return Plan(
        classes,
        kind,
        {"": Split(tuple(items), (*bad, *left_out, *unnamed, *problems))},
        {
            "seed": options.seed,
            "labels": {
                "file": options.labels.name,
                "sha256": audio_clips.checksum(options.labels),
            },
            **settings,
        },
        Context(str(source), kind, encoder),
        options.seed,
    )


def load(item: Item, context: Context) -> Iterator[records.Clip]:
    """The clip of an audio file, or the listed clips of a shard."""
    if context.encoder is not None:
        yield _load_audio(item, context.source, context.encoder)
        return
    path = pathlib.Path(context.source, item.name)
    wanted = {number: spec for number, *spec in item.spec[1]}
    for number, record in enumerate(embedding_clips.read(path)):
        spec = wanted.pop(number, None)
        if spec is not None:
            clip_id, start, end, labels, events = spec
            found = records.parse_clip(record, context.payload)
            if found.clip_id != clip_id:
                break
            yield records.Clip(
                clip_id, labels, found.payload, _events(events), start, end
            )
        if not wanted:  # what follows may have been found broken while planning
            return
    raise InputError(f"{item.name}: changed while the data was being prepared")


def _load_audio(item: Item, source: str, encoder: audio_clips.Encoder) -> records.Clip:
    clip_id, _, start, labels, times = item.spec
    rate = encoder.sample_rate_hz
    waveform = audio_clips.read(source, item.name, rate)
    seconds = len(waveform) / rate
    events = _events(times)
    try:
        for event in events or ():
            require_within(event.onset_seconds, Place(0.0, seconds))
    except InputError as error:
        raise BadFile("label", str(error)) from error
    return records.Clip(
        clip_id,
        labels,
        encoder(waveform, rate),
        None if events is None else _cut(events, seconds),
        start,
        start + seconds,
    )


def _contents(source: pathlib.Path) -> tuple[dict[str, int], list[Bad], list[str]]:
    """Audio files with their sizes, those with unusable names, and shards."""
    audio, bad = audio_clips.find(source)
    shards = embedding_clips.find(source)
    if audio and shards:
        raise InputError(
            f"--source={source}: holds audio ({next(iter(audio))}) and shards"
            f" ({shards[0]}); name the folder of one of them"
        )
    if not audio and not shards:
        raise InputError(
            f"--source={source}: no audio and no shards; expected {_SOURCE}"
        )
    return audio, bad, shards


def _require_as_they_are(options: Options, source: pathlib.Path) -> None:
    """Refuses options that say how to encode audio."""
    for field in dataclasses.fields(Options):
        ours = field.name in audio_clips.OPTIONS - {"source", "seed"}
        if ours and getattr(options, field.name) != field.default:
            raise InputError(
                f"--{field.name} is for audio; {source} holds embeddings, which are"
                " kept as they are"
            )


def _join_audio(
    source: pathlib.Path,
    sizes: Mapping[str, int],
    targets: Mapping[str, label_lists.Target],
    keeps_others: bool,
) -> tuple[list[Item], list[Bad]]:
    places = {clip_id: target.place for clip_id, target in targets.items()}
    same, other = audio_names.by_clip(sizes, places)
    items, bad = [], []
    for clip_id, target in sorted(targets.items()):
        files = same.get(clip_id) or other.get(clip_id, [])
        if not files:
            bad.append(Bad(clip_id, "missing", "no audio file of this clip"))
            continue
        if len(files) > 1:
            names = ", ".join(files[:3])
            reason = f"{len(files)} files of this clip ({names}); keep one"
            bad.append(Bad(clip_id, "duplicate", reason))
            continue
        if clip_id not in same:
            where = f"the file is {files[0]}, the list means {target.place}"
            bad.append(_other_segment(clip_id, where, keeps_others))
            if not keeps_others:
                continue
        spec = [clip_id, sizes[files[0]], target.place.start_seconds, *target[1:]]
        items.append(Item(files[0], spec))
    return items, bad


def _join_shards(
    source: pathlib.Path,
    names: list[str],
    kind: Payload,
    targets: Mapping[str, label_lists.Target],
    keeps_others: bool,
) -> tuple[list[Item], list[Bad]]:
    shards, bad = embedding_clips.scan(source, names, kind, targets)
    files: dict[str, list[str]] = {}
    for shard in shards:
        for clip in shard.clips:
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
        for clip in shard.clips:
            if len(files[clip.clip_id]) > 1:
                continue
            target = targets[clip.clip_id]
            start, end = target.place
            # what was prepared from a folder of files does not know its place
            knows_place = kind == OFFICIAL_EMBEDDINGS or clip.start_seconds > 0
            if knows_place and abs(clip.start_seconds - start) > _SAME_PLACE_SECONDS:
                there = Place(clip.start_seconds, clip.end_seconds)
                where = f"the record is of {there}, the list means {target.place}"
                bad.append(_other_segment(clip.clip_id, where, keeps_others))
                if not keeps_others:
                    continue
                start, end = there
            rows_end = clip.num_rows * ROW_SECONDS
            if end is None:
                end = start + (clip.end_seconds - clip.start_seconds or rows_end)
            events = None if target.events is None else _cut(target.events, rows_end)
            wanted.append(
                [clip.number, clip.clip_id, start, end, target.labels, events]
            )
        if wanted:
            items.append(Item(shard.name, [shard.digest, wanted], len(wanted)))
    return items, bad


def _other_segment(clip_id: str, where: str, keeps: bool) -> Bad:
    return Bad(clip_id, "kept other segment" if keeps else "other segment", where)


def _events(times: Iterable[Iterable[Any]] | None) -> list[Event] | None:
    return None if times is None else [Event(*t) for t in times]


def _cut(events: Iterable[Event], seconds: float) -> list[Event]:
    """The events that begin before `seconds`, none of them longer."""
    return [
        Event(e.label, e.onset_seconds, min(e.offset_seconds, seconds))
        for e in events
        if e.onset_seconds < seconds
    ]
