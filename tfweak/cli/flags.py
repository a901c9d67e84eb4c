"""Flags made of the settings of a dataclass, see `settings.option`.

    define(_FLAGS, Config)              # where the command is imported
    Config(**given(_FLAGS, Config))     # where it runs

A tuple or sequence is separated by commas.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from absl import flags

from ..errors import InputError
from ..settings import REQUIRED, choices_of, options_of

_ITEMS = {int: "whole numbers", float: "numbers", str: "texts", pathlib.Path: "paths"}


def define(
    flag_values: flags.FlagValues, cls: type, skip: Collection[str] = ()
) -> None:
    """Defines a flag for each option of a dataclass, but for the fields in `skip`."""
    for field, name, kind, item in options_of(cls, skip):
        default: Any = None if field.default is REQUIRED else field.default
        more: dict[str, Any] = {"flag_values": flag_values}
        more["required"] = field.default is REQUIRED
        text, choices = field.metadata["help"], choices_of(field, kind)
        bounds = (field.metadata["lower"], field.metadata["upper"])
        if item is not None:
            shown = [str(value) for value in default or ()] or None
            flags.DEFINE_list(name, shown, text, **more)
        elif kind is bool:
            flags.DEFINE_boolean(name, default, text, **more)
        elif kind is int:
            flags.DEFINE_integer(name, default, text, *bounds, **more)
        elif kind is float:
            flags.DEFINE_float(name, default, text, *bounds, **more)
        elif choices is not None and not callable(choices):
            flags.DEFINE_enum(name, default, list(choices), text, **more)
        else:
            path = None if default is None else str(default)
            flags.DEFINE_string(name, path, text, **more)
            if choices is not None:
                checker = _chooser(choices)
                flags.register_validator(name, checker, flag_values=flag_values)


def given(
    flag_values: flags.FlagValues, cls: type, skip: Collection[str] = ()
) -> dict[str, Any]:
    """What the command line gives: field -> value, without what it leaves out.

    Raises:
      InputError: an empty text where the default is none, or a list of numbers that
        holds something else.
    """
    found: dict[str, Any] = {}
    for field, name, kind, item in options_of(cls, skip):
        flag = flag_values[name]
        if not flag.present or flag.value is None:
            continue
        if flag.value == "" and field.default != "":
            raise InputError(f"--{name} is empty")
        if item is None:
            found[field.name] = kind(flag.value) if kind in _ITEMS else flag.value
            continue
        try:
            found[field.name] = tuple(item(value) for value in flag.value)
        except ValueError:
            raise InputError(
                f"--{name}={','.join(flag.value)}: expected {_ITEMS[item]}, separated"
                " by commas"
            ) from None
    return found


def as_flags(message: str, names: Collection[str]) -> str:
    """A message of the library, with `--` before settings that are flags here.

    That is a name at the very start, one anywhere that a value follows, and one of
    another command behind that.

    >>> as_flags("source=x: no such folder; rank=3", ["source"])
    '--source=x: no such folder; rank=3'
    >>> as_flags("source is needed: a folder", ["source"])
    '--source is needed: a folder'
    >>> as_flags("no such run; tfweak-train out=RUN makes it", [])
    'no such run; tfweak-train --out=RUN makes it'
    """
    any_name = "|".join(map(re.escape, names))
    message = re.sub(
        rf"^(?:{any_name})(?=[:=]| is | are | has | does )"
        rf"|(?<![\w/.-])(?:{any_name})(?==\w)",
        lambda found: f"--{found[0]}",
        message,
    )
    return re.sub(r"(\btfweak-[a-z]+ )(?=\w+=)", r"\1--", message)


def _chooser(choices: Callable[[], Sequence[str]]) -> Callable[[str | None], bool]:
    def checker(value: str | None) -> bool:
        try:
            if value is not None and value not in (names := choices()):
                raise InputError(f"{value!r} is not one of {', '.join(names)}")
        except InputError as error:
            raise flags.ValidationError(str(error)) from error
        return True

    return checker
