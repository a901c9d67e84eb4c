"""What an output folder holds once it is prepared, and how that is said."""

from __future__ import annotations

import dataclasses
import pathlib

MANIFEST_NAME = "manifest.csv"

# Kinds of manifest entries that leave out no clip.
_NOTES = {"unused label", "kept other segment", "several rows", "damaged"}
# Kinds that are no failure: files that nobody listed, what the class list that was
# chosen has no class for, files that all their rows go to, and damaged ones that were
# asked for.
_NO_FAILURE = {"not listed", "unused label", "no label", "several rows", "damaged"}


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What one output folder holds.

    Attributes:
      folder: the folder.
      num_clips: clips in its shards.
      num_shards: its `*.tfrecord` files.
      left_out: how many entries of each kind its manifest has.
      already_complete: whether there was nothing to do.
      is_test: whether it is for testing alone.
    """

    folder: pathlib.Path
    num_clips: int
    num_shards: int
    left_out: dict[str, int]
    already_complete: bool
    is_test: bool

    @property
    def is_whole(self) -> bool:
        """Whether all files that were asked for could be used."""
        return set(self.left_out) <= _NO_FAILURE

    def summary(self) -> list[str]:
        """Lines that say what there is, and what was left out."""
        lines = []
        if self.num_clips:
            done = "already complete, " if self.already_complete else ""
            lines.append(
                f"{self.folder}: {done}{self.num_clips} clips,"
                f" {self.num_shards} shard{'s' * (self.num_shards != 1)}"
            )
        for title, wanted in (("LEFT OUT", False), ("NOTE", True)):
            counts = {
                kind: count
                for kind, count in sorted(self.left_out.items())
                if (kind in _NOTES) is wanted
            }
            if counts:
                text = ", ".join(f"{n} {kind}" for kind, n in counts.items())
                lines.append(
                    f"  {title} {sum(counts.values())} ({text}):"
                    f" {self.folder / MANIFEST_NAME} says why"
                )
        return lines
