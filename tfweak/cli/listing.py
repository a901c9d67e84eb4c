"""What there is of a kind, for `--help`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import InputError
from ..registry import Registry
from ..settings import text_of

_WIDTH = 88


def listing(registry: Registry[Any]) -> str:
    """A line for each thing of a registry: its name, and its `help`.

    A plugin that cannot be imported is a line, too: it is an error only where something
    is to be done.
    """
    try:
        return columns({name: registry.get(name).help for name in registry.names()})
    except InputError as error:
        return columns({"unknown": str(error)})


def columns(texts: Mapping[str, str]) -> str:
    """A line for each name and what is to be said of it, aligned and wrapped."""
    column = max(map(len, texts)) + 4
    return "\n".join(
        textwrap.fill(
            f"  {name:{column - 2}}{text}", _WIDTH, subsequent_indent=" " * column
        )
        for name, text in texts.items()
    )


def settings_listing(registry: Registry[type], skip: Collection[str] = ()) -> str:
    """The classes of a registry, what each is, and below it a line for each setting.

    What it is says the first line of its file, or of the class where that says nothing.

    Args:
      registry: of dataclasses.
      skip: fields that are not listed.
    """
    try:
        classes = [(name, registry.get(name)) for name in registry.names()]
    except InputError as error:
        return columns({"unknown": str(error)})
    lines = []
    for name, cls in classes:
        doc = inspect.getdoc(inspect.getmodule(cls)) or inspect.getdoc(cls) or ""
        what = doc.partition("\n")[0].removesuffix(".").removesuffix(f": `{name}`")
        lines.append(
            textwrap.fill(f"  {name}: {what}", _WIDTH, subsequent_indent=" " * 6)
        )
        lines.append(textwrap.indent(text_of(cls, skip), " " * 6))
    return "\n".join(filter(None, lines))
