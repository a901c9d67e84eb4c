"""Joins the clips of a label list, by id, with a folder of audio or with embeddings.

The source is a folder of audio files named by the clips' ids (see `audio_names`), or
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

import abc
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from tfweak.errors import InputError
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

from ..dataset import Bad, Dataset, Item, Preparation, Split
from ..options import Options
from . import audio_clips, audio_names, label_lists, source_files
from .label_rows import LabelRow

if TYPE_CHECKING:
    from tfweak.data import records

_SOURCE = "a folder of audio named by clip ids, or of embedding shards"


@dataclasses.dataclass(frozen=True)
class _Context:
    """What is stored, and where it is from: audio, or shards where that is None."""

    source: str
    payload: Payload
    audio: audio_clips.AudioFolder | None


class LabelListDataset(Dataset):
    """A dataset whose labels are a list by clip id; a subclass reads the list.

    Attributes:
      what: says which file `labels` has to name.
      known: the classes of the dataset, or None where any mid may occur.
    """

    options = audio_clips.OPTIONS | {"labels", "classes", "other_segment"}
    what: ClassVar[str]
    known: ClassVar[ClassList | None] = None

    @abc.abstractmethod
    def rows(self, path: pathlib.Path, options: Options) -> Iterator[LabelRow]:
        """The rows of a list.

        Raises:
          InputError: the file is of another format.
        """

    def plan(self, options: Options) -> Preparation:
        """Reads the list and finds its clips in the source.

        Raises:
          InputError: no source, a source of both kinds or of none, no list or one of
            which no row can be used, or an option that does not fit source or list.
        """
        # these load TensorFlow, which --help does not need
        from . import embedding_shards, join_shards

        path = options.label_list(self.what)
        rows = self.rows(path, options)
        source = options.source_folder(_SOURCE)
        sizes, unnamed = source_files.audio_files(source)
        shards = embedding_shards.shard_names(source)
        _require_one_kind(source, sizes, shards)
        classes = options.class_list()
        listed, bad = label_lists.gather(rows, self.known, classes)
        if options.inaudible and not any(c.events is not None for c in listed.values()):
            raise InputError(
                f"inaudible={options.inaudible} is for strong labels, of which {path}"
                " has none"
            )
        classes = classes or self.known or label_lists.occurring(listed)
        targets, left_out = label_lists.targets(
            listed, classes, options.inaudible or "tag"
        )
        keeps_others = options.other_segment != "exclude"
        folder = None
        if shards:
            payload = join_shards.payload_of(source, shards)
            _require_as_they_are(options, source)
            items, problems = join_shards.find_records(
                source, shards, payload, targets, keeps_others
            )
        else:
            folder = audio_clips.AudioFolder(str(source), audio_clips.encoder(options))
            payload = folder.encoder.payload
            items, problems = _find_files(sizes, targets, keeps_others)
        readings = sorted({"inaudible", "label_kind"} & self.options)
        return Preparation(
            classes,
            payload,
            {"": Split(tuple(items), (*bad, *left_out, *unnamed, *problems))},
            {
                "seed": options.seed,
                "labels": {"file": path.name, "sha256": source_files.checksum(path)},
                **{name: getattr(options, name) for name in readings},
            },
            _Context(str(source), payload, folder),
            options.seed,
        )

    def load(self, item: Item, context: _Context) -> Iterator[records.Clip]:
        """The clip of an audio file, or the listed clips of a shard."""
        if context.audio is None:
            from . import join_shards

            path = pathlib.Path(context.source, item.name)
            yield from join_shards.load_records(path, item, context.payload)
            return
        clip_id, _, start, labels, times = item.spec
        events = None if times is None else [Event(*t) for t in times]
        yield context.audio.clip(item.name, labels, events, clip_id, start)


def _require_one_kind(
    source: pathlib.Path, audio: Mapping[str, int], shards: list[str]
) -> None:
    if audio and shards:
        raise InputError(
            f"source={source}: holds audio ({next(iter(audio))}) and shards"
            f" ({shards[0]}); name the folder of one of them"
        )
    if not audio and not shards:
        raise InputError(f"source={source}: no audio and no shards; expected {_SOURCE}")


def _require_as_they_are(options: Options, source: pathlib.Path) -> None:
    """Refuses options that say how to encode audio."""
    for field in dataclasses.fields(Options):
        ours = field.name in audio_clips.OPTIONS - {"source", "seed"}
        if ours and getattr(options, field.name) != field.default:
            raise InputError(
                f"{field.name} is for audio; {source} holds embeddings, which are"
                " kept as they are"
            )


def _find_files(
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
            bad.append(label_lists.other_segment(clip_id, where, keeps_others))
            if not keeps_others:
                continue
        spec = [clip_id, sizes[files[0]], target.place.start_seconds, *target[1:]]
        items.append(Item(files[0], spec))
    return items, bad
