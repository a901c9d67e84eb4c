"""What a dataset is told and what it answers: the options, the plan, its items."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.payload import Payload


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line can say about a dataset; each module reads some of it.

    Attributes:
      source: the folder of source files.
      seed: decides the order of the clips, and every random draw.
      features: what is stored of a clip: `log_mel`, `waveform` or `embeddings`.
      payload_dtype: how log-mel values are stored, `float16` or `uint8`; a waveform is
        always int16.
      front_end: of `front_ends.FRONT_ENDS`, what makes `log_mel`; None is `vggish`.
      vggish, pca: what extracts embeddings, see `vggish.Extractor.load`; without `pca`
        they are stored raw.
      tags, events: tables of weak and of strong labels.
      classes: `index,mid,display_name` CSV; None takes the classes that occur.
      folds: the folds to use; empty for all.
      profile: which built-in world scenes are from, see `profiles`; None is `street`.
      num_clips, clip_seconds: how many scenes to mix, and of which length; None is the
        length of the profile's.
      weak_only_fraction: the share of scenes that are stored without strong labels.
      labels: a label list by clip id.
      label_kind: `weak` or `strong`, for lists that do not tell by themselves.
      inaudible: what a class that a strong list gives to a clip only with the times
        0 0 (labelled in AudioSet, but not audible) leads to. `tag`: the clip keeps it
        as tag, and its strong labels say that it sounds nowhere. `weak`: it keeps the
        tag and counts as having no strong labels at all. `drop`: the tag goes away; a
        clip may be left without any, and then holds none of the classes. `exclude`: the
        clip is left out, in the manifest as `inaudible`. None is `tag`.
      other_segment: `keep` or `exclude` clips whose source is of another part of the
        video than the list means; they are in the manifest as `kept other segment` or
        `other segment`. None is `keep`.
    """

    source: pathlib.Path | None = None
    seed: int = 0
    features: str = "log_mel"
    payload_dtype: str | None = None
    front_end: str | None = None
    vggish: str = "hub"
    pca: pathlib.Path | None = None
    tags: pathlib.Path | None = None
    events: pathlib.Path | None = None
    classes: pathlib.Path | None = None
    folds: tuple[int, ...] = ()
    profile: str | None = None
    num_clips: int = 1000
    clip_seconds: float | None = None
    weak_only_fraction: float = 0.0
    labels: pathlib.Path | None = None
    label_kind: str | None = None
    inaudible: str | None = None
    other_segment: str | None = None


@dataclasses.dataclass(frozen=True)
class Item:
    """One unit of work: usually one source file.

    Attributes:
      name: what the manifest calls it.
      spec: all that `load` needs to know of it and all that decides the result; simple
        values only (it is pickled, and its JSON is part of the plan's fingerprint).
      num_clips: how many examples it is expected to give.
    """

    name: str
    spec: Any = None
    num_clips: int = 1


@dataclasses.dataclass(frozen=True)
class Bad:
    """A line of the manifest: a source file (or record) that was left out, and why."""

    file: str
    kind: str
    reason: str


class BadFile(InputError):
    """An input error whose kind (`missing`, `empty`, `label`, ...) is known."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind, self.reason = kind, reason

    def __str__(self) -> str:
        return self.reason


@dataclasses.dataclass(frozen=True)
class Split:
    """The work for one output folder, and what planning already found unusable.

    A split without items gets a manifest only.

    Attributes:
      items: a clip each.
      bad: what was left out.
      is_test: whether its publishers keep it for testing alone.
    """

    items: tuple[Item, ...]
    bad: tuple[Bad, ...] = ()
    is_test: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that has to be done.

    Attributes:
      classes: the vocabulary, or None where the data has no class names.
      payload: what is stored for a clip.
      splits: sub-folder of the output ("" is the output folder itself) -> its work.
      settings: what decides the result beside the items: seed, label file checksums,
        mixing parameters; simple values only. It is kept in `dataset_info.json`, and
        a run is resumed only with equal settings.
      context: passed to `load` with every item; must be picklable.
      shuffle_seed: shuffles the items of a split before they go to the shards, and the
        clips of a shard where an item holds many; None keeps the order.
    """

    classes: ClassList | None
    payload: Payload
    splits: Mapping[str, Split]
    settings: Mapping[str, Any]
    context: Any = None
    shuffle_seed: int | None = None


def source_folder(options: Options, what: str) -> pathlib.Path:
    """The source folder, which must be there.

    Raises:
      InputError: not given, or no such folder.
    """
    if options.source is None:
        raise InputError(f"--source is needed: {what}")
    if not options.source.is_dir():
        raise InputError(f"--source={options.source}: no such folder; expected {what}")
    return options.source


def walk(source: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files below a folder, at any depth and through links; hidden ones are not."""
    seen: set[str] = set()  # a link may lead to a folder above
    for folder, folders, files in os.walk(source, followlinks=True):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        if os.path.realpath(folder) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        for file in sorted(files):
            if not file.startswith("."):
                yield pathlib.Path(folder, file)
