"""Which clips a run has learnt from, through transfer steps too, and overlaps.

A score on clips that a model was trained on, or on clips that chose its best epoch,
says nothing. Every run keeps the ids of both in `clips.txt.gz`, a line each: the role,
a tab, the id. A run that starts from another one takes that run's clips along under
the role `transferred`.
"""

from __future__ import annotations

import gzip
import pathlib
import zlib
from collections.abc import Collection

from tfweak.errors import InputError
from tfweak.files import atomic
from tfweak.typing import Array, StrPath

from . import packaged

FILE_NAME = "clips.txt.gz"
ROLES = {
    "train": "it was trained on",
    "valid": "its best epoch was chosen on",
    "transferred": "the run that its weights come from had seen",
}
# what is in its weights; clips that only chose an epoch are not
LEARNT = ("train", "transferred")


def write(
    folder: StrPath,
    train: Array,
    valid: Array,
    source: StrPath | None = None,
) -> None:
    """Writes the clip ids of a run.

    Args:
      folder: of the run.
      train, valid: (N,) bytes, ids trained on and validated on.
      source: the run that the weights come from, if any.
    """
    clips: dict[str, set[bytes]] = {role: set() for role in ROLES}
    clips |= {"train": set(train), "valid": set(valid)}
    if source is not None:
        earlier = read(source)
        clips["transferred"] = set().union(*earlier.values())
    lines = [
        role.encode() + b"\t" + clip_id
        for role, ids in clips.items()
        for clip_id in sorted(ids)
    ]
    path = pathlib.Path(folder, FILE_NAME)
    atomic.write_bytes(path, gzip.compress(b"\n".join(lines) + b"\n", mtime=0))


def read(folder: StrPath) -> dict[str, set[bytes]]:
    """Role -> clip ids of a run.

    Raises:
      InputError: when the file is missing or broken.
    """
    path = packaged.resolve(folder) / FILE_NAME
    clips: dict[str, set[bytes]] = {role: set() for role in ROLES}
    try:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            role, _, clip_id = line.partition(b"\t")
            clips[role.decode()].add(clip_id)
        if not clips["train"]:
            raise ValueError("no clips in it")
    except (OSError, EOFError, KeyError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {error}), so nobody knows"
            " which clips this run has seen; train it again"
        ) from error
    return clips


def check_unseen(
    folder: StrPath,
    clip_ids: Array,
    what: str,
    allow_overlap: bool = False,
    roles: Collection[str] = tuple(ROLES),
) -> int:
    """Refuses clips that a run has learnt from.

    Args:
      folder: of the run.
      clip_ids: (N,) bytes, to be evaluated on or validated on.
      what: how messages call them, such as `data`.
      allow_overlap: count them only.
      roles: the clips of these roles are refused.

    Returns:
      How many of the clips the run has seen.

    Raises:
      InputError: when there are any and that was not allowed.
    """
    clips = set(clip_ids)
    parts = []
    seen: set[bytes] = set()
    for role, ids in read(folder).items():
        shared = clips & ids if role in roles else set()
        seen |= shared
        if shared:
            parts.append(f"{len(shared)} that {ROLES[role]} (such as {_first(shared)})")
    if seen and not allow_overlap:
        raise InputError(
            f"{what}: {len(seen)} of its {len(clips)} clips are known to the run"
            f" {folder}: {'; '.join(parts)}. A score on them says nothing: give other"
            " clips, train with exclude_data, or say allow_overlap=true"
        )
    return len(seen)


def check_apart(clip_ids: Array, what: str, train_ids: Array, trained_on: str) -> None:
    """Refuses clips that a run would learn from.

    Args:
      clip_ids: (N,) bytes, to be evaluated or validated on.
      what: how messages call them, such as `test_data`.
      train_ids: (M,) bytes, to be trained on.
      trained_on: how messages call these.

    Raises:
      InputError: when the two share any.
    """
    shared = set(clip_ids) & set(train_ids)
    if shared:
        raise InputError(
            f"{what}: {len(shared)} of its {len(clip_ids)} clips are in {trained_on}"
            f" too (such as {_first(shared)}). A score on them says nothing: leave them"
            " out of one of the two"
        )


def _first(clips: set[bytes]) -> str:
    return repr(min(clips).decode(errors="replace"))
