"""What a dataset is: it makes a plan of its items, and loads them one by one."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.payload import Payload

from .options import Options

if TYPE_CHECKING:
    from tfweak.data import records


@dataclasses.dataclass(frozen=True)
class Item:
    """One unit of work: usually one source file.

    Attributes:
      name: what the manifest calls it.
      spec: all that `load` needs to know of it and all that decides the result; simple
        values only (it is pickled, and its JSON is part of the plan's fingerprint).
      num_clips: how many examples it is expected to give.
    """

    name: str
    spec: Any = None
    num_clips: int = 1


@dataclasses.dataclass(frozen=True)
class Bad:
    """A line of the manifest: a source file (or record) that was left out, and why."""

    file: str
    kind: str
    reason: str


class BadFile(InputError):
    """An input error whose kind (`missing`, `empty`, `label`, ...) is known."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind, self.reason = kind, reason

    def __str__(self) -> str:
        return self.reason


@dataclasses.dataclass(frozen=True)
class Split:
    """The work for one output folder, and what planning already found unusable.

    A split without items gets a manifest only.

    Attributes:
      items: the work, in order.
      bad: what was left out.
      is_test: whether its publishers keep it for testing alone.
    """

    items: tuple[Item, ...]
    bad: tuple[Bad, ...] = ()
    is_test: bool = False


@dataclasses.dataclass(frozen=True)
class Preparation:
    """All that has to be done for a dataset.

    Attributes:
      classes: the vocabulary, or None where the data has no class names.
      payload: what is stored for a clip.
      splits: sub-folder of the output ("" is the output folder itself) -> its work.
      settings: what decides the result beside the items: seed, label file checksums,
        mixing parameters; simple values only. It is kept in `dataset_info.json`, and
        a run is resumed only with equal settings.
      context: passed to `load` with every item; must be picklable.
      shuffle_seed: shuffles the items of a split before they go to the shards, and the
        clips of a shard where an item holds many; None keeps the order.
    """

    classes: ClassList | None
    payload: Payload
    splits: Mapping[str, Split]
    settings: Mapping[str, Any]
    context: Any = None
    shuffle_seed: int | None = None


class Dataset(abc.ABC):
    """A dataset that can be prepared; a subclass needs no constructor.

    It is one file in `datasets/`, or anywhere with `@tfweak.register`.

    Attributes:
      name: what `--dataset` takes; the name of its file in `datasets/`.
      help: one line for `--help`.
      options: the fields of `Options` that it reads; others are refused.
    """

    kind: ClassVar[str] = "dataset"
    name: ClassVar[str]
    help: ClassVar[str] = ""
    options: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        unknown = cls.options - {field.name for field in dataclasses.fields(Options)}
        if unknown:
            raise TypeError(f"{cls.__name__}: Options has no field {min(unknown)}")

    @abc.abstractmethod
    def plan(self, options: Options) -> Preparation:
        """Lists the work, quickly and in a fixed order.

        Raises:
          InputError: options or a source that cannot be used.
        """

    @abc.abstractmethod
    def load(self, item: Item, context: Any) -> Iterator[records.Clip | bytes]:
        """The examples of one item, or records that are serialised already.

        Runs in a worker process. An exception other than `InputError` is a bug and
        ends the run.

        Raises:
          InputError: the item cannot be used (`BadFile` to say of which kind); it is
            then listed in the manifest, and the run goes on.
        """

    def require_options(self, names: Iterable[str]) -> None:
        """Refuses options that this dataset does not read.

        Raises:
          InputError: there is one.
        """
        for name in names:
            if name not in self.options:
                raise InputError(
                    f"{name} does not apply to dataset={self.name}, which takes"
                    f" {', '.join(sorted(self.options))}"
                )
