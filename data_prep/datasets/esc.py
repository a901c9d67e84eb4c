"""ESC-10 and ESC-50 as folders of classes: `NNN - Class name/FOLD-ID-TAKE.ogg`.

The folds are kept: each becomes a sub-folder (`fold1`, ...) that is a dataset of its
own, with the class list of all. Each clip has its one class as weak label.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterator

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.labels import ClassList

from ..dataset import Bad, Item, Options, Plan, Split, source_folder
from ..inputs import audio_clips

OPTIONS = audio_clips.OPTIONS | {"folds"}

_LAYOUT = "folders named 'NNN - Class name' with files FOLD-ID-TAKE.ogg"
_FOLDER = re.compile(r"(\d+) - (.+)")
_FILE = re.compile(r"(\d+)-.+-[A-Z]+\.\w+")


@dataclasses.dataclass(frozen=True)
class Context:
    """Where the files are and what to make of them."""

    source: str
    encoder: audio_clips.Encoder


@dataclasses.dataclass(frozen=True)
class Recording:
    """A file of the layout: path below the source, class index, fold, bytes."""

    name: str
    label: int
    fold: int
    size: int


def plan(options: Options) -> Plan:
    """One split a fold; files outside the layout are listed in the top manifest.

    Raises:
      InputError: no such folder, not this layout, or no such fold.
    """
    source = source_folder(options, _LAYOUT)
    classes, recordings, bad = scan(options)
    splits = {}
    for fold in sorted({r.fold for r in recordings}):
        items = tuple(
            Item(r.name, [r.label, r.size]) for r in recordings if r.fold == fold
        )
        splits[f"fold{fold}"] = Split(items)
    if bad:
        splits[""] = Split((), tuple(bad))
    encoder = audio_clips.encoder(options)
    return Plan(
        classes,
        encoder.payload,
        splits,
        {"seed": options.seed},
        Context(str(source), encoder),
        options.seed,
    )


def load(item: Item, context: Context) -> Iterator[records.Clip]:
    """The clip of one file."""
    rate = context.encoder.sample_rate_hz
    waveform = audio_clips.read(context.source, item.name, rate)
    yield records.Clip(
        item.name,
        [item.spec[0]],
        context.encoder(waveform, rate),
        end_seconds=len(waveform) / rate,
    )


def is_layout(source: pathlib.Path) -> bool:
    """Whether a folder holds folders named `NNN - Class name`."""
    return bool(_class_folders(source))


def scan(options: Options) -> tuple[ClassList, list[Recording], list[Bad]]:
    """Lists a source folder in this layout.

    Returns:
      The classes by their numbers, the recordings of the wanted folds sorted by path,
      and the audio files that are not in the layout.

    Raises:
      InputError: not this layout, or no such fold.
    """
    source = source_folder(options, _LAYOUT)
    numbered = _class_folders(source)
    if not numbered:
        raise InputError(f"--source={source}: expected {_LAYOUT}, found none")
    classes = ClassList(tuple(name for _, name, _ in numbered))
    label_of = {folder: i for i, (_, _, folder) in enumerate(numbered)}
    recordings: list[Recording] = []
    found, bad = audio_clips.find(source)
    for name, size in found.items():
        folder, _, file = name.rpartition("/")
        match = _FILE.fullmatch(file)
        if folder not in label_of:
            bad.append(Bad(name, "label", "not in a folder named 'NNN - Class name'"))
        elif not match:
            bad.append(
                Bad(
                    name,
                    "label",
                    "the name is not FOLD-ID-TAKE, so its fold is unknown",
                )
            )
        else:
            recordings.append(Recording(name, label_of[folder], int(match[1]), size))
    folds = {r.fold for r in recordings}
    absent = sorted(set(options.folds) - folds)
    if absent:
        raise InputError(
            f"--folds: no fold {absent[0]} in {source}; it has"
            f" {', '.join(map(str, sorted(folds)))}"
        )
    if options.folds:
        recordings = [r for r in recordings if r.fold in options.folds]
    return classes, recordings, bad


def _class_folders(source: pathlib.Path) -> list[tuple[int, str, str]]:
    """Number, class name and folder name, by number."""
    return sorted(
        (int(match[1]), match[2], entry.name)
        for entry in source.iterdir()
        if entry.is_dir() and (match := _FOLDER.fullmatch(entry.name))
    )
