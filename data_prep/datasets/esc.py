"""ESC-10 and ESC-50 as folders of classes: `NNN - Class name/FOLD-ID-TAKE.ogg`.

The folds are kept: each becomes a sub-folder (`fold1`, ...) that is a dataset of its
own, with the class list of all. Each clip has its one class as weak label.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from tfweak.errors import InputError
from tfweak.labels import ClassList

from ..dataset import Bad, Dataset, Item, Preparation, Split
from ..inputs import audio_clips, source_files
from ..options import Options

if TYPE_CHECKING:
    from tfweak.data import records

_LAYOUT = "folders named 'NNN - Class name' with files FOLD-ID-TAKE.ogg"
_FOLDER = re.compile(r"(\d+) - (.+)")
_FILE = re.compile(r"(\d+)-.+-[A-Z]+\.\w+")


class Esc(Dataset):
    """One split per fold; files outside the layout are listed in the top manifest."""

    name = "esc"
    help = "ESC-10 and ESC-50 as folders of classes; one output per fold"
    options = audio_clips.OPTIONS | {"folds"}

    def plan(self, options: Options) -> Preparation:
        """Lists the recordings.

        Raises:
          InputError: no such folder, not this layout, or no such fold.
        """
        source = options.source_folder(_LAYOUT)
        classes, found, bad = recordings(source, options.folds)
        splits = {}
        for fold in sorted({r.fold for r in found}):
            items = [Item(r.name, [r.label, r.size]) for r in found if r.fold == fold]
            splits[f"fold{fold}"] = Split(tuple(items))
        if bad:
            splits[""] = Split((), tuple(bad))
        context = audio_clips.AudioFolder(str(source), audio_clips.encoder(options))
        return Preparation(
            classes,
            context.encoder.payload,
            splits,
            {"seed": options.seed},
            context,
            options.seed,
        )

    def load(
        self, item: Item, context: audio_clips.AudioFolder
    ) -> Iterator[records.Clip]:
        """The clip of one file."""
        yield context.clip(item.name, [item.spec[0]])


class Recording(NamedTuple):
    """A file of the layout: path below the source, class index, fold, bytes."""

    name: str
    label: int
    fold: int
    size: int


def is_layout(source: pathlib.Path) -> bool:
    """Whether a folder holds folders named `NNN - Class name`."""
    return bool(_class_folders(source))


def recordings(
    source: pathlib.Path, folds: tuple[int, ...]
) -> tuple[ClassList, list[Recording], list[Bad]]:
    """Lists a source folder in this layout.

    Args:
      source: the folder.
      folds: the folds that are wanted; empty for all.

    Returns:
      The classes by their numbers, the recordings of the wanted folds sorted by path,
      and the audio files that are not in the layout.

    Raises:
      InputError: not this layout, or no such fold.
    """
    numbered = _class_folders(source)
    if not numbered:
        raise InputError(f"source={source}: expected {_LAYOUT}, found none")
    classes = ClassList(tuple(name for _, name, _ in numbered))
    label_of = {folder: i for i, (_, _, folder) in enumerate(numbered)}
    listed: list[Recording] = []
    sizes, bad = source_files.audio_files(source)
    for name, size in sizes.items():
        folder, _, file = name.rpartition("/")
        match = _FILE.fullmatch(file)
        if folder not in label_of:
            bad.append(Bad(name, "label", "not in a folder named 'NNN - Class name'"))
        elif not match:
            reason = "the name is not FOLD-ID-TAKE, so its fold is unknown"
            bad.append(Bad(name, "label", reason))
        else:
            listed.append(Recording(name, label_of[folder], int(match[1]), size))
    present = {r.fold for r in listed}
    absent = sorted(set(folds) - present)
    if absent:
        raise InputError(
            f"folds: no fold {absent[0]} in {source}; it has"
            f" {', '.join(map(str, sorted(present)))}"
        )
    return classes, [r for r in listed if not folds or r.fold in folds], bad


def _class_folders(source: pathlib.Path) -> list[tuple[int, str, str]]:
    """Number, class name and folder name, by number."""
    return sorted(
        (int(match[1]), match[2], entry.name)
        for entry in source.iterdir()
        if entry.is_dir() and (match := _FOLDER.fullmatch(entry.name))
    )
