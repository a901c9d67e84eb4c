"""One file a dataset; the file name is the name that `--dataset` takes.

A dataset module (any file here whose name has no leading underscore) defines

    OPTIONS: frozenset[str]   the fields of `Options` that it reads; the command
                              refuses a flag that the chosen dataset does not read
    plan(options) -> Plan     lists the work, quickly and in a fixed order
    load(item, context)       runs in a worker process: the examples of one item, each
                              a `records.Clip` or, already serialised, `bytes`

`load` raises `InputError` where an item cannot be used (`BadFile` to say of which
kind); the item is then listed in the manifest and the run goes on. Any other exception
is a bug and ends the run.
"""

from __future__ import annotations

import importlib
import pkgutil
import types

from tfweak.errors import InputError


def names() -> list[str]:
    """The datasets there are."""
    return sorted(
        m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")
    )


def find(name: str) -> types.ModuleType:
    """The module of a dataset.

    Raises:
      InputError: when there is none of that name.
    """
    if name not in names():
        raise InputError(f"no dataset {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")
