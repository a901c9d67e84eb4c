"""All commands as one: `tfweak train` is `tfweak-train`; also `python -m tfweak`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from .cli import console
from .cli.listing import columns

# In the order in which they are used. What they do, the first line of each file says.
COMMANDS = {
    "quickstart": "models.commands.quickstart",
    "prepare": "data_prep.commands.prepare",
    "train": "models.commands.train",
    "evaluate": "models.commands.evaluate",
    "predict": "models.commands.predict",
    "export": "models.commands.export",
    "experiment": "models.commands.experiment",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit status."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if name in COMMANDS:
        return _module(name).main(rest)
    return console.while_read(lambda: _without_command(name))


def _without_command(name: str) -> int:
    if name in console.HELP:
        print(_help())
    elif name in console.VERSION:
        print(console.versions())
    else:
        what = f"there is no command {name!r}" if name else "a command is needed"
        print(f"tfweak: {what}\n\n{_help()}", file=sys.stderr)
        return 2
    return 0


def _help() -> str:
    texts = {
        name: (_module(name).__doc__ or "").partition("\n")[0] for name in COMMANDS
    }
    return (
        f"usage: tfweak COMMAND [flags]\n\ncommands:\n{columns(texts)}\n\n"
        "'tfweak COMMAND --help' explains one; 'tfweak train' is also 'tfweak-train'."
    )


def _module(name: str) -> Any:
    return importlib.import_module(f"{__package__}.{COMMANDS[name]}")


if __name__ == "__main__":
    sys.exit(main())
