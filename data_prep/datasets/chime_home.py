"""CHiME-Home as DCASE 2016 task 4 used it: 4 s chunks with seven tags.

Foster et al. 2015; the unpacked archive holds, without headers, the lists

    development_chunks_refined.csv                     id, name
    development_chunks_refined_crossval_dcase2016.csv  id, name, fold (0 to 4)
    evaluation_chunks_refined.csv                      id, name

and below `chunks/` for each name `<name>.16kHz.wav` and `<name>.csv`, rows of a key and
a value, of which `majorityvote` is a string of letters: c m f v p b o are the classes.
S (silence) and U (unidentifiable) are no classes and are dropped, so a chunk of S or of
U alone is a clip of none of the classes. The source folder is the one that holds the
lists, or the one above it.

The development folds become the folders `fold1` to `fold5`, fold 0 of the list being
`fold1`; the evaluation chunks become `evaluation`, whichever folds were chosen. Chunks
that cannot be used are in the manifest of their folder, or, where that is unknown, in
the one above. Lists that contradict themselves are refused: they would mix the folds.
"""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tfweak.errors import InputError

from ..dataset import Bad, BadFile, Dataset, Item, Preparation, Split
from ..inputs import audio_clips, source_files
from ..options import Options
from ..scenes.domestic_sounds import CHIME_HOME_CLASSES

if TYPE_CHECKING:
    from tfweak.data import records

_NUM_FOLDS = 5
_NO_CLASS = frozenset("SU")
_DEVELOPMENT = "development_chunks_refined.csv"
_FOLDS = "development_chunks_refined_crossval_dcase2016.csv"
_EVALUATION = "evaluation_chunks_refined.csv"
_WHAT = f"the unpacked chime_home folder, with {_DEVELOPMENT} and chunks/"


class ChimeHome(Dataset):
    """A split per fold, and one of the evaluation chunks."""

    name = "chime_home"
    help = "CHiME-Home as in DCASE 2016 task 4; one output per fold"
    options = audio_clips.OPTIONS | {"folds"}

    def plan(self, options: Options) -> Preparation:
        """Reads all lists and annotations.

        Raises:
          InputError: no such folder, list or fold; or lists that contradict
            themselves: a fold outside 0 to 4, a chunk in two folds, or in development
            and evaluation.
        """
        root = _root(options.source_folder(_WHAT))
        top: list[Bad] = []
        lists = [_DEVELOPMENT, _FOLDS]
        development = _names(root / _DEVELOPMENT, top)
        folds = _read_folds(root / _FOLDS, top)
        present = {folds[n] for n in development if n in folds}
        parts: dict[str, list[str]] = {
            f"fold{fold + 1}": [n for n in development if folds.get(n) == fold]
            for fold in _chosen(options, present)
        }
        if (root / _EVALUATION).is_file():
            lists.append(_EVALUATION)
            parts["evaluation"] = _names(root / _EVALUATION, top)
            both = sorted(set(parts["evaluation"]) & {*development, *folds})
            if both:
                raise InputError(
                    f"{root}: chunk {both[0]!r} is in {_EVALUATION} and in a"
                    " development list; evaluation chunks must not be trained on: get"
                    " the lists anew"
                )
        else:
            reason = "no such list, so no evaluation set"
            top.append(Bad(_EVALUATION, "missing", reason))
        top += [
            Bad(name, "fold", f"{_FOLDS} does not list this development chunk")
            for name in development
            if name not in folds
        ]
        top += [
            Bad(name, "not listed", f"has a fold, but {_DEVELOPMENT} does not list it")
            for name in sorted(set(folds) - set(development))
        ]
        chunks = root / "chunks"
        splits = {
            key: _split(chunks, names, key == "evaluation")
            for key, names in parts.items()
        }
        if top:
            splits[""] = Split((), tuple(top))
        context = audio_clips.AudioFolder(str(chunks), audio_clips.encoder(options))
        sums = {name: source_files.checksum(root / name) for name in lists}
        return Preparation(
            CHIME_HOME_CLASSES,
            context.encoder.payload,
            splits,
            {"seed": options.seed, "lists": sums},
            context,
            options.seed,
        )

    def load(
        self, item: Item, context: audio_clips.AudioFolder
    ) -> Iterator[records.Clip]:
        """The clip of one chunk; its id is the chunk's name."""
        yield context.clip(_audio_name(item.name), item.spec[0], clip_id=item.name)


def _audio_name(chunk: str) -> str:
    return f"{chunk}.16kHz.wav"


def _root(source: pathlib.Path) -> pathlib.Path:
    """The folder with the lists: the source, or the only such folder just below."""
    if (source / _DEVELOPMENT).is_file():
        return source
    below = sorted(p.parent for p in source.glob(f"*/{_DEVELOPMENT}") if p.is_file())
    if len(below) != 1:
        found = ", ".join(p.name for p in below) or "none"
        raise InputError(
            f"source={source}: expected {_WHAT}, there or in one folder below; found"
            f" {found}"
        )
    return below[0]


def _chosen(options: Options, present: set[int]) -> list[int]:
    """The folds to write, counted from 0."""
    wanted = {fold - 1 for fold in options.folds}
    if wanted - present:
        there = ", ".join(str(fold + 1) for fold in sorted(present)) or "none"
        raise InputError(
            f"folds: no fold {min(wanted - present) + 1} in {_FOLDS}; it has {there},"
            " counted from 1"
        )
    return sorted(wanted or present)


def _rows(path: pathlib.Path, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The line number and the last fields of each row; an id before them is ignored."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            lines = [(reader.line_num, [f.strip() for f in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"list {path}: cannot be read ({error}); expected {_WHAT}"
        ) from error
    for number, row in lines:
        if not any(row):
            continue
        fields = row[-len(columns) :]
        if len(row) - len(columns) not in (0, 1) or not all(fields):
            raise InputError(
                f"list {path}, line {number}: expected id,{','.join(columns)} without a"
                f" header, found {','.join(row)}"
            )
        yield (str(number), *fields)


def _names(path: pathlib.Path, bad: list[Bad]) -> list[str]:
    """The chunks of a list in its order; repeated lines are appended to `bad`."""
    first: dict[str, str] = {}
    for number, name in _rows(path, ("name",)):
        if name in first:
            bad.append(_repeated(path, number, name, first[name]))
        else:
            first[name] = number
    return list(first)


def _read_folds(path: pathlib.Path, bad: list[Bad]) -> dict[str, int]:
    """Chunk -> fold from 0; repeated lines are appended to `bad`."""
    folds: dict[str, int] = {}
    first: dict[str, str] = {}
    for number, name, text in _rows(path, ("name", "fold")):
        if text not in map(str, range(_NUM_FOLDS)):
            raise InputError(
                f"list {path}, line {number}: fold {text!r} of {name!r}; expected 0 to"
                f" {_NUM_FOLDS - 1}"
            )
        if name not in folds:
            folds[name], first[name] = int(text), number
        elif folds[name] == int(text):
            bad.append(_repeated(path, number, name, first[name]))
        else:
            raise InputError(
                f"list {path}, line {number}: {name!r} is in fold {text}, and in fold"
                f" {folds[name]} by line {first[name]}; a chunk belongs to one fold"
            )
    return folds


def _repeated(path: pathlib.Path, number: str, name: str, first: str) -> Bad:
    return Bad(f"{path.name}, line {number}", "duplicate", f"{name} as in line {first}")


def _split(chunks: pathlib.Path, names: list[str], is_test: bool) -> Split:
    """The chunks that have audio and an annotation, and those that have not."""
    items, bad = [], []
    for name in names:
        try:
            labels = _labels(chunks, name)
            size = source_files.size(chunks / _audio_name(name))
            if size < 0:
                raise BadFile("missing", f"no file chunks/{_audio_name(name)}")
            items.append(Item(name, [labels, size]))
        except BadFile as error:
            bad.append(Bad(name, error.kind, error.reason))
    return Split(tuple(items), tuple(bad), is_test)


def _labels(chunks: pathlib.Path, name: str) -> list[int]:
    """The class indices of a chunk, ascending.

    Raises:
      BadFile: no annotation, none that can be read, or not one majority vote in it of
        known letters. No letters at all are refused too: nobody said silence.
    """
    path = chunks / f"{name}.csv"
    if not path.is_file():
        raise BadFile("missing", f"no annotation chunks/{path.name}")
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = f"chunks/{path.name} cannot be read ({error})"
        raise BadFile("label", reason) from error
    fields = [[field.strip() for field in row] for row in rows]
    votes = sorted({",".join(row[1:]) for row in fields if row[:1] == ["majorityvote"]})
    known = {*CHIME_HOME_CLASSES.mids, *_NO_CLASS}
    if len(votes) != 1 or not votes[0] or not set(votes[0]) <= known:
        found = " and ".join(repr(vote) for vote in votes) or "none"
        raise BadFile(
            "label",
            f"chunks/{path.name}: expected one majorityvote of the letters"
            f" {''.join(CHIME_HOME_CLASSES.mids)}, S and U, found {found}",
        )
    return sorted(
        CHIME_HOME_CLASSES.index(letter) for letter in set(votes[0]) - _NO_CLASS
    )
