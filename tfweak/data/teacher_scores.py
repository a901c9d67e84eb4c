"""What teachers say of training clips: kept in a folder, read clip by clip.

FOLDER/fingerprint.json   what was asked, of whom
FOLDER/clip_probs         (N, C) float16
FOLDER/num_segments       (N,) int32, segments of each clip
FOLDER/segment_probs      float16, clip after clip, (its classes, its segments) each

Scores of segments are there for the classes that a clip is tagged with alone: one value
for each label and segment, and not C. All files are mapped into memory, so that a set
may be larger than that.

A folder is written as FOLDER.partial and gets its name when it is whole. What a killed
process has written is gone on with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic
from ..typing import Array, StrPath
from .sources import ClipData, Ragged

_FINGERPRINT = "fingerprint.json"
_CLIPS, _COUNTS, _SEGMENTS = "clip_probs", "num_segments", "segment_probs"


@dataclasses.dataclass(frozen=True, eq=False)
class TeacherScores:
    """The answers to N clips, by their numbers in a `ClipData`.

    Attributes:
      clip_probs: (N, C) float16.
      labels: the clips' classes.
      num_segments: (N,) segments of each clip; None where none were stored.
      segment_probs: float16, as the module's docstring has it; None likewise.
      starts: (N,) where each clip's begin.
    """

    clip_probs: Array
    labels: Ragged
    num_segments: Array | None = None
    segment_probs: Array | None = None
    starts: Array | None = None

    def of_clips(self, clips: Array) -> Array:
        """(B,) numbers of clips -> (B, C) float32."""
        return self.clip_probs[clips].astype(np.float32)

    def of_segments(self, clips: Array, num_segments: int) -> Array:
        """(B,) numbers of clips -> (B, T, C) float32, 0 where nothing is stored.

        Args:
          clips: their numbers.
          num_segments: T; what a clip has beyond is left out.
        """
        assert self.num_segments is not None and self.segment_probs is not None
        assert self.starts is not None
        first, counts = self.labels.splits[clips], self.num_segments[clips]
        sizes = (self.labels.splits[clips + 1] - first) * counts
        row = np.repeat(np.arange(len(clips)), sizes)
        place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        label, segment = place // counts[row], place % counts[row]
        values = self.segment_probs[self.starts[clips][row] + place]
        out = np.zeros((len(clips), num_segments, self.clip_probs.shape[1]), np.float32)
        inside = segment < num_segments
        columns = self.labels.values[first[row] + label]
        out[row[inside], segment[inside], columns[inside]] = values[inside]
        return out


def digest(data: ClipData) -> str:
    """A fingerprint of clips, their order and their classes."""
    found = hashlib.sha256("\n".join(data.classes.mids).encode())
    found.update(b"\n".join(data.clip_ids))
    found.update(data.labels.values.astype(np.int64).tobytes())
    found.update(data.labels.splits.astype(np.int64).tobytes())
    return found.hexdigest()[:16]


def read(
    folder: StrPath, data: ClipData, fingerprint: dict[str, Any]
) -> TeacherScores | None:
    """What a folder holds of some clips; None where it is not there, or of others."""
    folder = pathlib.Path(folder)
    if _stored(folder) != fingerprint:
        return None
    size = len(data)
    clips = _mapped(folder / _CLIPS, "float16").reshape(size, len(data.classes))
    if not (folder / _SEGMENTS).exists():
        return TeacherScores(clips, data.labels)
    counts = _mapped(folder / _COUNTS, "int32")
    ends = np.cumsum(data.labels.lengths * counts.astype(np.int64))
    starts = np.append(0, ends)[:-1]
    probs = _mapped(folder / _SEGMENTS, "float16")
    if len(counts) != size or len(probs) != ends[-1]:
        raise InputError(f"{folder}: broken; remove the folder to have it made anew")
    return TeacherScores(clips, data.labels, counts, probs, starts)


class Writer:
    """Writes the answers to clips in their order; see the module's docstring.

    Args:
      folder: to be made; another one of the name is replaced at the end.
      data: the clips.
      fingerprint: what `read` compares.
      has_segments: whether scores of segments are stored.
      together: so many clips are written in one go; what a killed process has left
        is cut to a multiple of it.

    Attributes:
      done: how many clips are there.
    """

    def __init__(
        self,
        folder: StrPath,
        data: ClipData,
        fingerprint: dict[str, Any],
        has_segments: bool,
        together: int,
    ) -> None:
        self._folder = pathlib.Path(folder)
        self._partial = self._folder.with_name(f"{self._folder.name}.partial")
        self._labels = data.labels
        if _stored(self._partial) != fingerprint:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(parents=True)
            text = json.dumps(fingerprint)
            atomic.write_text(self._partial / _FINGERPRINT, text)
        # clips last: what is in there is in the others
        names = [*([_SEGMENTS, _COUNTS] if has_segments else []), _CLIPS]
        self._files = {
            name: open(self._partial / name, "ab", buffering=0) for name in names
        }
        row_bytes = 2 * len(data.classes)
        whole = os.path.getsize(self._partial / _CLIPS) // row_bytes
        self.done = whole if whole == len(data) else whole // together * together
        self._files[_CLIPS].truncate(self.done * row_bytes)
        if has_segments:
            counts = _mapped(self._partial / _COUNTS, "int32")[: self.done]
            values = int((data.labels.lengths[: self.done] * counts.astype(int)).sum())
            self._files[_COUNTS].truncate(self.done * 4)
            self._files[_SEGMENTS].truncate(values * 2)

    def __enter__(self) -> Writer:
        return self

    def add(
        self,
        clip_probs: Array,
        segment_probs: Array | None = None,
        num_segments: Array | None = None,
    ) -> None:
        """The answers to the next clips.

        Args:
          clip_probs: (B, C).
          segment_probs: (B, T, C), of which those of the clips' own classes are kept.
          num_segments: (B,) how many of T are valid.
        """
        if segment_probs is not None and num_segments is not None:
            parts = [
                segment_probs[i, :count, self._labels[self.done + i]]
                for i, count in enumerate(num_segments.tolist())
            ]
            # the index of an array comes first: (classes, segments)
            flat = np.concatenate([part.ravel() for part in parts])
            self._write(_SEGMENTS, flat.astype(np.float16))
            self._write(_COUNTS, num_segments.astype(np.int32))
        self._write(_CLIPS, clip_probs.astype(np.float16))
        self.done += len(clip_probs)

    def _write(self, name: str, values: Array) -> None:
        view = memoryview(values.tobytes())
        while view:  # a signal may cut a call short
            view = view[self._files[name].write(view) :]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        if error is None:
            atomic.remove_folder(self._folder)
            os.replace(self._partial, self._folder)


def _stored(folder: pathlib.Path) -> Any:
    try:
        return json.loads((folder / _FINGERPRINT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _mapped(path: pathlib.Path, dtype: str) -> Array:
    if not path.stat().st_size:  # nothing cannot be mapped
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r")
