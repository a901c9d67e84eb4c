"""What there is of a kind, for `--help`."""

from __future__ import annotations

import textwrap
from typing import Any

from ..errors import InputError
from ..registry import Registry

_WIDTH = 88


def listing(registry: Registry[Any]) -> str:
    """A line for each thing of a registry: its name, and its `help`.

    A plugin that cannot be imported is a line, too: it is an error only where something
    is to be done.
    """
    try:
        texts = {name: registry.get(name).help for name in registry.names()}
    except InputError as error:
        texts = {"unknown": str(error)}
    column = max(map(len, texts)) + 4
    return "\n".join(
        textwrap.fill(
            f"  {name:{column - 2}}{text}", _WIDTH, subsequent_indent=" " * column
        )
        for name, text in texts.items()
    )
