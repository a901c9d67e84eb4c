"""Writes a dataset's plan as shards: in parallel, resumable, the same bytes every time.

A split's folder, while it is being written, holds `_progress/` with `plan.json` (the
fingerprint of settings and items) and one report a finished shard. A report is written
just before its shard gets its final name, so a shard with both is never made again,
and a killed run loses at most the shards it was working on. `manifest.csv` and then
`dataset_info.json` are written last.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

import numpy as np
import threadpoolctl

from tfweak import pool, processes
from tfweak.data import records, shard_files
from tfweak.errors import InputError
from tfweak.files import atomic, documents
from tfweak.progress import Progress
from tfweak.typing import StrPath

from .dataset import Bad, Item, Preparation, Split
from .datasets import DATASETS
from .options import Options
from .prepared import MANIFEST_NAME, Prepared
from .shards import Shard, unwritable

_PLAN_NAME = "plan.json"
_MANIFEST = ["file", "kind", "reason"]

# Payload kind -> clips a shard: 2 to 20 MB, small enough to share out among many
# workers and to lose little in a kill, large enough to be read quickly.
_CLIPS_PER_SHARD = {"audio_embedding": 1024}
_AUDIO_CLIPS_PER_SHARD = 64


def prepare(
    name: str,
    out: StrPath,
    options: Options,
    *,
    workers: int | None = None,
    clips_per_shard: int | None = None,
) -> list[Prepared]:
    """Writes a dataset as TFRecords, or goes on where an earlier call stopped.

    The files are the same whether or not the run was interrupted, and for any number
    of workers. Embeddings are the exception: one worker extracts them in all cores,
    each of several in one, and on some CPUs that changes the order of TensorFlow's
    sums and with it the last digits.

    Args:
      name: of a dataset.
      out: the folder to write.
      options: what the dataset needs to know.
      workers: processes; None for one a CPU; 1 works in this process.
      clips_per_shard: about how many clips go into a file; None for the payload's
        default.

    Returns:
      One result for each output folder.

    Raises:
      InputError: unusable source, options or output folder; an output folder that
        holds something else; no valid clip.
    """
    out = pathlib.Path(out)
    plan = DATASETS.get(name)().plan(options)
    settings = {**plan.settings, **options.limits}
    plan = dataclasses.replace(plan, settings=settings)
    per_shard = clips_per_shard or _CLIPS_PER_SHARD.get(
        plan.payload.kind, _AUDIO_CLIPS_PER_SHARD
    )
    parts = [
        _Part(
            out / key, "/".join(filter(None, (name, key))), name, plan, split, per_shard
        )
        for key, split in plan.splits.items()
    ]
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.enter_context(processes.alone_in(part.folder))
            part.start()
        return _prepare(parts, out, workers)


def _prepare(
    parts: list[_Part], out: pathlib.Path, workers: int | None
) -> list[Prepared]:
    shards = [shard for part in parts if not part.complete for shard in part.shards]
    left = [shard for shard in shards if shard.report() is None]
    total = sum(shard.num_clips for shard in shards)
    done = total - sum(shard.num_clips for shard in left)
    side_by_side = min(workers or os.cpu_count() or 1, len(left))
    # how many threads share a product decides its last digits: one, as in each of
    # several workers
    one_thread = threadpoolctl.threadpool_limits(1, user_api="blas")
    with one_thread, Progress(total, "clip", done=done) as progress:
        pool.run(
            left,
            0 if side_by_side < 2 else side_by_side,
            progress,
            advice="the same command with fewer workers goes on from here",
        )
    results = [part.finish() for part in parts]
    empty = [
        part.folder
        for part, result in zip(parts, results)
        if part.shards and not result.num_clips
    ]
    if empty or not any(result.num_clips for result in results):
        manifests = ", ".join(str(f / MANIFEST_NAME) for f in empty or [out])
        raise InputError(
            f"no valid clip: every file was left out, {manifests} says"
            f" why. Repair the source, remove {out} and prepare again"
        )
    return results


class _Part:
    """One output folder on its way from planned to complete."""

    def __init__(
        self,
        folder: pathlib.Path,
        title: str,
        name: str,
        plan: Preparation,
        split: Split,
        per_shard: int,
    ) -> None:
        self.folder = folder
        self.complete = False
        self.shards = [
            Shard(
                name,
                folder,
                index,
                items,
                plan.payload,
                plan.context,
                plan.shuffle_seed,
            )
            for index, items in enumerate(
                _deal(split.items, plan.shuffle_seed, per_shard)
            )
        ]
        self._title, self._plan, self._split = title, plan, split
        self._progress = folder / records.PROGRESS_NAME
        self._fingerprint = _fingerprint(name, plan, split, per_shard)

    def start(self) -> None:
        """Makes the folder ready, or finds that it is complete.

        Raises:
          InputError: the folder cannot be written, or holds other data.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic.require_files(self.folder)
            if (self.folder / records.INFO_NAME).exists():
                before = records.DatasetInfo.read(self.folder)
                self._require_same(dict(before.source))
                before.require_shards(self.folder, self._summaries())
                shutil.rmtree(self._progress, ignore_errors=True)
                self.complete = True
            elif self.shards:
                self._start_or_resume()
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def _start_or_resume(self) -> None:
        plan_path = self._progress / _PLAN_NAME
        if plan_path.exists():
            mended = f"remove {self.folder} and prepare again"
            self._require_same(documents.read(plan_path, mended))
        elif any(p.name.endswith(records.SHARD_SUFFIX) for p in self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: holds *{records.SHARD_SUFFIX} files that"
                " this command did not write; choose another folder"
            )
        self._progress.mkdir(exist_ok=True)
        for folder in (self.folder, self._progress):
            atomic.remove_leftovers(folder)
        documents.write(plan_path, self._fingerprint)

    def _require_same(self, before: dict[str, Any]) -> None:
        differences = _differences(before, self._fingerprint)
        if differences:
            more = f" and {len(differences) - 4} more" if len(differences) > 4 else ""
            raise InputError(
                f"{self.folder}: was prepared from another source or with other"
                f" settings: {'; '.join(differences[:4])}{more}. Choose another"
                " folder, or remove this one"
            )

    def finish(self) -> Prepared:
        """Writes the manifest and the description, then drops `_progress`."""
        try:
            if not self.complete:
                reports = self._reports()
                bad = [Bad(*row) for report in reports for row in report["bad"]]
                _write_manifest(self.folder / MANIFEST_NAME, [*self._split.bad, *bad])
                if any(report["clips"] for report in reports):
                    self._info(reports).write(self.folder)
                    shutil.rmtree(self._progress)
            return self._result()
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def _reports(self) -> list[dict[str, Any]]:
        reports = [shard.report() for shard in self.shards]
        if None in reports:
            raise InputError(
                f"{self.folder}: a finished shard was removed meanwhile;"
                " the same command makes it again"
            )
        return [report for report in reports if report is not None]

    def _info(self, reports: list[dict[str, Any]]) -> records.DatasetInfo:
        return records.DatasetInfo(
            self._title,
            self._plan.payload,
            self._plan.classes,
            sum(r["clips"] for r in reports),
            any(r["has_strong"] for r in reports),
            self._fingerprint,
            self._summaries(),
        )

    def _summaries(self) -> dict[str, shard_files.ShardSummary]:
        """What the folder's shards hold, by name."""
        paths = sorted(self.folder.glob(f"*{records.SHARD_SUFFIX}"))
        return {path.name: shard_files.summary(path) for path in paths}

    def _result(self) -> Prepared:
        kinds: collections.Counter[str] = collections.Counter()
        manifest = self.folder / MANIFEST_NAME
        if manifest.exists():
            kinds.update(kind for _, kind, _ in _read_manifest(manifest))
        clips = shards = 0
        if (self.folder / records.INFO_NAME).exists():
            clips = records.DatasetInfo.read(self.folder).num_clips or 0
            shards = len(records.shards(self.folder))
        return Prepared(
            self.folder,
            clips,
            shards,
            dict(sorted(kinds.items())),
            self.complete,
            self._split.is_test,
        )


def _deal(
    items: tuple[Item, ...], seed: int | None, per_shard: int
) -> list[tuple[Item, ...]]:
    """Deals the items, shuffled, to shards of about `per_shard` clips each."""
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(items))
        items = tuple(items[i] for i in order)
    total = sum(item.num_clips for item in items)
    count = -(-total // per_shard)
    groups: dict[int, list[Item]] = collections.defaultdict(list)
    before = 0
    for item in items:
        groups[before * count // total].append(item)
        before += item.num_clips
    return [tuple(groups[key]) for key in sorted(groups)]


def _fingerprint(
    name: str, plan: Preparation, split: Split, per_shard: int
) -> dict[str, Any]:
    """All that decides the files of a split; two equal ones give equal files."""
    items = json.dumps([[i.name, i.spec, i.num_clips] for i in split.items])
    left_out = json.dumps([dataclasses.astuple(b) for b in split.bad])
    document = {
        "dataset": name,
        "payload": dataclasses.asdict(plan.payload),
        "classes_digest": None if plan.classes is None else plan.classes.digest,
        "clips_per_shard": per_shard,
        "settings": dict(plan.settings),
        "num_items": len(split.items),
        "items_sha256": hashlib.sha256(items.encode()).hexdigest(),
        "left_out_sha256": hashlib.sha256(left_out.encode()).hexdigest(),
    }
    return json.loads(json.dumps(document))  # as it is read back: lists, not tuples


def _differences(
    before: dict[str, Any], now: dict[str, Any], prefix: str = ""
) -> list[str]:
    out: list[str] = []
    for key in sorted(set(before) | set(now)):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            out += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            out.append(f"{prefix}{key} was {old!r}, is {new!r}")
    return out


def _read_manifest(path: pathlib.Path) -> list[list[str]]:
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            header, *rows = csv.reader(handle)
        if header != _MANIFEST or any(len(row) != len(_MANIFEST) for row in rows):
            raise ValueError(f"expected rows of {', '.join(_MANIFEST)}")
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: broken ({error}); remove {path.parent} and prepare again"
        ) from error
    return rows


def _write_manifest(path: pathlib.Path, bad: Iterable[Bad]) -> None:
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(_MANIFEST)
    rows.writerows(sorted(map(dataclasses.astuple, bad)))
    atomic.write_text(path, table.getvalue())
