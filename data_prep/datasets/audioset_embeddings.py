"""The official AudioSet embedding shards, gathered into fewer and larger ones.

The release has thousands of tiny files (five clips each in the balanced list), which a
pipeline opens far more slowly than it reads. Records are copied byte for byte; they are
parsed only to check them.

Shuffling: the files are shuffled by the seed and dealt to the shards; a worker reads
the files of one shard into memory (about 1.5 kB a clip), shuffles their records and
writes them. The files hold clips by the first two characters of a random id, so that
whole files mixed at random are as good as single clips, and two million clips need no
more memory than one shard a worker (and the ids, once, while planning).
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator

import tqdm

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.payload import OFFICIAL_EMBEDDINGS

from ..dataset import Bad, Item, Options, Plan, Split, source_folder
from ..inputs import embedding_clips

OPTIONS = frozenset({"source", "seed", "classes"})


@dataclasses.dataclass(frozen=True)
class Context:
    """The folder that the items' names are relative to."""

    source: str


def plan(options: Options) -> Plan:
    """Checks every record of every `*.tfrecord` file below the source folder.

    Raises:
      InputError: no such folder, or no shards in it.
    """
    source = source_folder(options, "a folder of official *.tfrecord shards")
    classes = None if options.classes is None else ClassList.read_csv(options.classes)
    files = sorted(p for p in source.rglob(f"*{records.SHARD_SUFFIX}"))
    if not files:
        raise InputError(f"--source={source}: no *{records.SHARD_SUFFIX} files there")
    items: list[Item] = []
    bad: list[Bad] = []
    seen: set[bytes] = set()
    for path in tqdm.tqdm(files, desc="checking", unit="file", disable=None):
        name = path.relative_to(source).as_posix()
        digest = hashlib.sha256()
        wrong: list[int] = []
        number = 0
        try:
            for number, record in enumerate(embedding_clips.read(path), start=1):
                digest.update(record)
                try:
                    _check(record, classes, seen)
                except InputError as error:
                    wrong.append(number - 1)
                    bad.append(Bad(f"{name}#{number}", "record", str(error)))
        except InputError as error:
            bad.append(
                Bad(
                    name,
                    "corrupt",
                    f"{error}; {number} whole records before"
                    f" it, {number - len(wrong)} of them kept",
                )
            )
        else:
            if number == 0:
                bad.append(Bad(name, "empty", "the file holds no records"))
        if number > len(wrong):
            items.append(
                Item(
                    name, [digest.hexdigest()[:16], number, wrong], number - len(wrong)
                )
            )
    return Plan(
        classes=classes,
        payload=OFFICIAL_EMBEDDINGS,
        splits={"": Split(tuple(items), tuple(bad))},
        settings={"seed": options.seed},
        context=Context(str(source)),
        shuffle_seed=options.seed,
    )


def load(item: Item, context: Context) -> Iterator[bytes]:
    """The good records of one file, as they are."""
    _, count, wrong = item.spec
    path = pathlib.Path(context.source, item.name)
    skip = set(wrong)
    for index, record in enumerate(embedding_clips.read(path)):
        if index not in skip:
            yield record
        if index + 1 == count:  # what follows was found broken while planning
            return
    raise InputError(f"{item.name}: changed while the data was being prepared")


def _check(record: bytes, classes: ClassList | None, seen: set[bytes]) -> None:
    clip = records.parse_clip(record, OFFICIAL_EMBEDDINGS)
    where = f"clip {clip.clip_id!r}"
    if len(clip.payload) == 0:
        raise InputError(f"{where}: no embedding rows")
    if classes is not None:
        outside = [i for i in clip.labels if not 0 <= i < len(classes)]
    else:
        outside = [i for i in clip.labels if i < 0]
    if outside:
        raise InputError(
            f"{where}: label {outside[0]} is not one of the"
            f" {len(classes) if classes else 'non-negative'} class"
            " indices"
        )
    if clip.clip_id.encode() in seen:
        raise InputError(f"{where}: the id has been seen in an earlier record")
    seen.add(clip.clip_id.encode())
