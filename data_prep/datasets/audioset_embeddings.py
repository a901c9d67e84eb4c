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

import pathlib
from collections.abc import Iterator

from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList

from ..dataset import Dataset, Item, Preparation, Split
from ..options import Options

_WHAT = "a folder of official *.tfrecord shards"


class AudiosetEmbeddings(Dataset):
    """Checks every record of every shard below the source folder."""

    name = "audioset_embeddings"
    help = "official AudioSet embedding shards, gathered into larger ones"
    options = frozenset({"source", "seed", "classes"})

    def plan(self, options: Options) -> Preparation:
        """One item per shard.

        Raises:
          InputError: no such folder, or no shards in it.
        """
        from ..inputs import embedding_shards  # loads TensorFlow, not for --help

        source = options.source_folder(_WHAT)
        classes = options.class_list()
        names = embedding_shards.shard_names(source)
        if not names:
            raise InputError(f"source={source}: expected {_WHAT}, found none")
        seen: set[str] = set()
        shards, bad = embedding_shards.scan(
            source, names, lambda record, _: _check(record, classes, seen)
        )
        items = [
            Item(s.name, [s.digest, s.num_records, s.wrong], len(s.found))
            for s in shards
            if s.found
        ]
        return Preparation(
            classes=classes,
            payload=RELEASED_EMBEDDINGS,
            splits={"": Split(tuple(items), tuple(bad))},
            settings={"seed": options.seed},
            context=str(source),
            shuffle_seed=options.seed,
        )

    def load(self, item: Item, context: str) -> Iterator[bytes]:
        """The good records of one file, as they are."""
        from ..inputs import embedding_shards

        _, count, wrong = item.spec
        path = pathlib.Path(context, item.name)
        for number, record in enumerate(embedding_shards.read_records(path), start=1):
            if number - 1 not in wrong:
                yield record
            if number == count:  # what follows was found broken while planning
                return
        raise InputError(f"{item.name}: changed while the data was being prepared")


def _check(record: bytes, classes: ClassList | None, seen: set[str]) -> str:
    """The id of a record.

    Raises:
      InputError: an unknown class, or an id that has been seen.
    """
    from tfweak.data import records

    clip = records.parse_clip(record, RELEASED_EMBEDDINGS)
    where = f"clip {clip.clip_id!r}"
    outside = [i for i in clip.labels if i < 0 or (classes and i >= len(classes))]
    if outside:
        raise InputError(
            f"{where}: label {outside[0]} is not one of the"
            f" {len(classes) if classes else 'non-negative'} class indices"
        )
    if clip.clip_id in seen:
        raise InputError(f"{where}: the id has been seen in an earlier record")
    seen.add(clip.clip_id)
    return clip.clip_id
