"""One shard: the items that go into it, and the report of a finished one."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfweak import atomic
from tfweak.data import documents, records, shard_files
from tfweak.errors import InputError
from tfweak.payload import Payload

from .dataset import Bad, Item
from .datasets import DATASETS


class Stopped(Exception):
    """The run is ending; the shard is left to the next one."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file to write and all that a worker needs for it; a task of the pool.

    Attributes:
      dataset: the name of the dataset.
      folder: where the shard goes.
      index: the shard's number.
      items: its items in order.
      payload: what is stored.
      context: passed to the dataset's `load`.
      shuffle_seed: shuffles the clips of items that hold many; None keeps the order.
    """

    dataset: str
    folder: pathlib.Path
    index: int
    items: tuple[Item, ...]
    payload: Payload
    context: Any
    shuffle_seed: int | None

    @property
    def path(self) -> pathlib.Path:
        """The shard."""
        return self.folder / f"{self.dataset}-{self.index:05d}{records.SHARD_SUFFIX}"

    @property
    def num_clips(self) -> int:
        """The clips that the items are expected to give."""
        return sum(item.num_clips for item in self.items)

    def report(self) -> dict[str, Any] | None:
        """What the finished shard holds, or None while it is not finished.

        A report has `clips` (how many), `has_strong` and `bad` (manifest rows). A
        shard in which nothing was usable has a report and no file. One that does not
        hold what its report says is made again.
        """
        try:
            report = documents.unsealed(self._report_path.read_bytes())
            clips = int(report["clips"])
            bad = [Bad(*row) for row in report["bad"]]
            found = {**report, "bad": [dataclasses.astuple(row) for row in bad]}
            found["has_strong"] = bool(report["has_strong"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if clips:
            if not self.path.is_file():
                return None
            shard = shard_files.summary(self.path)
            if shard.problem or shard.num_records != clips:
                return None
        return found

    def run(self, done: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Writes the shard and its report.

        Args:
          done: told the number of clips of each item behind us.
          stopped: asked before each item whether to give up.

        Raises:
          InputError: when the files cannot be written.
          Stopped: when `stopped` says so.
          RuntimeError: when loading an item fails in a way that is not the input's.
        """
        report: dict[str, Any] = {"clips": 0, "has_strong": False, "bad": []}
        examples = self._examples(report, done, stopped)
        if self.shuffle_seed is not None and any(i.num_clips > 1 for i in self.items):
            gathered = list(examples)
            order = np.random.default_rng([self.shuffle_seed, self.index])
            examples = (gathered[i] for i in order.permutation(len(gathered)))
        first = next(examples, None)
        try:
            if first is None:
                self._write_report(report)
                return
            records.write_shard(
                self.path, self._reported(itertools.chain([first], examples), report)
            )
        except (OSError, tf.errors.OpError) as error:
            raise unwritable(self.path, error) from error

    @property
    def _report_path(self) -> pathlib.Path:
        return self.folder / records.PROGRESS_NAME / f"{self.index:05d}.json"

    def _reported(
        self, examples: Iterator[bytes], report: dict[str, Any]
    ) -> Iterator[bytes]:
        """Passes the examples on; the report is written before the shard is renamed."""
        yield from examples
        self._write_report(report)

    def _write_report(self, report: dict[str, Any]) -> None:
        atomic.write_bytes(self._report_path, documents.sealed(report))

    def _examples(
        self,
        report: dict[str, Any],
        done: Callable[[int], None],
        stopped: Callable[[], bool],
    ) -> Iterator[bytes]:
        load = DATASETS.get(self.dataset)().load
        for item in self.items:
            if stopped():
                raise Stopped
            try:
                for example in load(item, self.context):
                    if isinstance(example, records.Clip):
                        report["has_strong"] |= example.events is not None
                        if example.note:
                            bad = Bad(item.name, "damaged", example.note)
                            report["bad"].append(dataclasses.astuple(bad))
                        example = records.encode(example, self.payload)
                    report["clips"] += 1
                    yield example
            except InputError as error:
                kind = getattr(error, "kind", "unusable")
                report["bad"].append(
                    dataclasses.astuple(Bad(item.name, kind, str(error)))
                )
            except Exception as error:
                raise RuntimeError(
                    f"dataset {self.dataset}: item {item.name!r}:"
                    f" {type(error).__name__}: {error}"
                ) from error
            done(item.num_clips)


def unwritable(path: pathlib.Path, error: Exception) -> InputError:
    """The error for a file that cannot be written: no space, no permission."""
    reason = getattr(error, "message", None) or error
    return InputError(
        f"{path}: cannot be written ({reason}); free some space, or"
        " choose another folder. The same command goes on from here"
    )
