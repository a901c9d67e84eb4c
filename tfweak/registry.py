"""Things that are found by name: built-in ones by their file, your own by `register`.

A model, a dataset, an extractor or a table is one file in the folder of its kind; the
file's name is the thing's, and nothing has to be registered. A metric or a rule of
pseudo labels is one entry in the file of its kind.

Who uses the installed package adds one without touching it:

    # mine.py
    import tfweak

    @tfweak.register
    class Tiny(tfweak.Architecture):
        name = "tiny"
        ...

In Python, importing that file is enough. A command imports it where `--plugins=mine.py`
names it (or the environment variable TFWEAK_PLUGINS), and the packages that declare an
entry point of the group `tfweak.plugins` by themselves.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pathlib
import pkgutil
import sys
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from .errors import InputError
from .files import atomic

ENTRY_POINTS = "tfweak.plugins"
VARIABLE = "TFWEAK_PLUGINS"

T = TypeVar("T")

# kind -> name -> what `register` was given
_OWN: dict[str, dict[str, Any]] = {}


def register(thing: T) -> T:
    """Makes a thing of one's own known by its name; a decorator of classes, too.

    Args:
      thing: a class that derives from `Architecture`, `Dataset` or `Extractor`, or a
        `Metric`, a `PseudoLabelRule` or a `ResultTable`. Its `kind` says where it
        belongs, its `name` is what flags and functions take.

    Returns:
      The thing.

    Raises:
      InputError: no kind or no name, or a name that is taken.
    """
    kind, name = getattr(thing, "kind", None), getattr(thing, "name", None)
    if not isinstance(kind, str) or not isinstance(name, str):
        raise InputError(
            f"{thing!r} cannot be registered: it has no kind and name; derive it from"
            " the class of its kind, and give it a name"
        )
    known = _OWN.setdefault(kind, {}).get(name, thing)
    if known is not thing and not _same_place(known, thing):
        raise InputError(f"{kind} {name!r} is registered already, as {known!r}")
    _OWN[kind][name] = thing
    return thing


def use_plugins(paths: Iterable[str]) -> None:
    """Has this process, and those that it starts, import files or modules.

    Args:
      paths: Python files, or names of modules.
    """
    known = os.environ.get(VARIABLE, "").split(os.pathsep)
    given = [str(pathlib.Path(p).resolve()) if p.endswith(".py") else p for p in paths]
    os.environ[VARIABLE] = os.pathsep.join(filter(None, [*known, *given]))
    _load_plugins(os.environ[VARIABLE])


class Registry(Generic[T]):
    """The things of one kind.

    Args:
      base: what they are: subclasses of it, or instances.
      package: the package whose files hold one each; None where there are no such.
      entries: built-in ones that have no file of their own.
    """

    def __init__(
        self, base: type, package: str | None = None, entries: Iterable[T] = ()
    ) -> None:
        self._base: Any = base
        self._package = package
        self._entries = {self._name(entry): entry for entry in entries}

    @property
    def kind(self) -> str:
        """What messages call one."""
        return self._base.kind

    def names(self) -> list[str]:
        """What there is, built-in ones first."""
        _load_plugins(os.environ.get(VARIABLE, ""))
        own = _OWN.get(self.kind, {})
        return list(dict.fromkeys([*self._entries, *self._files(), *own]))

    def get(self, name: str) -> T:
        """The thing of a name.

        Raises:
          InputError: when there is none, or its file does not hold just one.
        """
        if name in self._entries:
            return self._entries[name]
        if name in self._files():
            return self._from_file(name)
        names = self.names()
        if name not in names:
            raise InputError(
                f"no {self.kind} {name!r}; there are {', '.join(names)}. One of your"
                " own has to be imported first: see tfweak.register"
            )
        return self._checked(_OWN[self.kind][name])

    def _files(self) -> list[str]:
        if self._package is None:
            return []
        folder = importlib.import_module(self._package).__path__
        return sorted(
            module.name
            for module in pkgutil.iter_modules(folder)
            if not module.name.startswith("_")
        )

    def _from_file(self, name: str) -> T:
        module = importlib.import_module(f"{self._package}.{name}")
        found = [
            value
            for value in vars(module).values()
            if self._is_one(value)
            and getattr(value, "name", None) == name
            and inspect.getmodule(value) in (module, inspect.getmodule(self._base))
        ]
        if len(found) != 1:
            raise InputError(
                f"{module.__name__}: {len(found)} of {self._base.__name__} of the name"
                f" {name!r}, expected one"
            )
        return found[0]

    def _is_one(self, value: Any) -> bool:
        if inspect.isclass(value):
            return issubclass(value, self._base)
        return isinstance(value, self._base)

    def _checked(self, thing: T) -> T:
        if not self._is_one(thing):
            raise InputError(
                f"{self.kind} {self._name(thing)!r} is {thing!r}, not of"
                f" {self._base.__name__}"
            )
        return thing

    @staticmethod
    def _name(thing: Any) -> str:
        return thing.name


def _same_place(one: Any, other: Any) -> bool:
    """Whether two things are one that was imported twice, as notebooks do."""
    return getattr(one, "__qualname__", 0) == getattr(other, "__qualname__", 1)


@functools.cache
def _load_plugins(paths: str) -> None:
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        entry.load()
    for path in filter(None, paths.split(os.pathsep)):
        _import(path)


def _import(path: str) -> None:
    try:
        if not path.endswith(".py"):
            importlib.import_module(path)
            return
        digest = hashlib.sha256(path.encode()).hexdigest()[:8]
        name = f"{pathlib.Path(path).stem}_{digest}"
        if name in sys.modules:
            return
        atomic.require_files(path)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]  # so that the next who asks is told, too
            raise
    except (ImportError, OSError, SyntaxError) as error:
        raise InputError(f"plugin {path}: cannot be imported ({error})") from error
