"""Settings that are written once: fields of a dataclass, which become flags.

    @dataclasses.dataclass(frozen=True)
    class Config:
        epochs: int = option(10, "passes over the data", lower=1)

        def __post_init__(self) -> None:
            check(self)

    define(_FLAGS, Config)              # where the command is imported
    Config(**given(_FLAGS, Config))     # where it runs

A field that is not made by `option` is no flag. A field is a str, int, float, bool,
`pathlib.Path` or `Literal`, one of them or None, or a tuple or sequence of str, int,
float or paths, which a flag takes separated by commas.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import pathlib
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from absl import flags

from ..errors import InputError

REQUIRED: Any = dataclasses.MISSING

_ITEMS = {int: "whole numbers", float: "numbers", str: "texts", pathlib.Path: "paths"}


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | Callable[[], Sequence[str]] | None = None,
    lower: float | None = None,
    upper: float | None = None,
    flag: str | None = None,
) -> Any:
    """A field of a dataclass that is a flag, too.

    Args:
      default: of the field; `REQUIRED` for none.
      help: what it is; `--help` adds the default.
      choices: the values that a text may have; a function, such as `Registry.names`,
        is asked once all flags are known.
      lower, upper: bounds of a number, themselves allowed.
      flag: the flag's name where it is not the field's.
    """
    text = {"help": help, "choices": choices, "lower": lower, "upper": upper}
    return dataclasses.field(default=default, metadata={**text, "flag": flag})


def define(
    flag_values: flags.FlagValues, cls: type, skip: Collection[str] = ()
) -> None:
    """Defines a flag for each option of a dataclass, but for the fields in `skip`."""
    for field, name, kind, item in _options(cls, skip):
        default: Any = None if field.default is REQUIRED else field.default
        more: dict[str, Any] = {"flag_values": flag_values}
        more["required"] = field.default is REQUIRED
        text, choices = field.metadata["help"], _choices(field, kind)
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
    for field, name, kind, item in _options(cls, skip):
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


def check(settings: Any) -> None:
    """Checks the bounds and choices of a dataclass's options.

    Raises:
      InputError: with the name of the field; `as_flags` makes it a flag's.
    """
    for field, _, kind, item in _options(type(settings)):
        value = getattr(settings, field.name)
        lower, upper = field.metadata["lower"], field.metadata["upper"]
        choices = _choices(field, kind)
        for one in () if value is None else (value,) if item is None else value:
            if choices is not None:
                _require_one_of(field.name, one, choices)
            above = lower is None or one >= lower
            if not (above and (upper is None or one <= upper)):
                expected = (
                    f"{lower} or more" if upper is None else f"{lower} to {upper}"
                )
                raise InputError(f"{field.name}={one}: expected {expected}")


def text_of(cls: type) -> str:
    """A line for each option: its name, what it is, and its default."""
    lines = []
    for field, _, _, _ in _options(cls):
        default = field.default
        shown = "" if default in (None, (), REQUIRED) else f" (default: {default})"
        line = f"{field.name}: {field.metadata['help']}{shown}"
        lines.append(textwrap.fill(line, 86, subsequent_indent="  "))
    return "\n".join(lines)


def as_flags(message: str, names: Collection[str]) -> str:
    """A message of the library, with `--` before settings that are flags here.

    That is a name at the very start, and one anywhere that a value follows.

    >>> as_flags("source=x: no such folder; rank=3", ["source"])
    '--source=x: no such folder; rank=3'
    >>> as_flags("source is needed: a folder", ["source"])
    '--source is needed: a folder'
    """
    any_name = "|".join(map(re.escape, names))
    return re.sub(
        rf"^(?:{any_name})(?=[:=]| is | are | has | does )"
        rf"|(?<![\w/.-])(?:{any_name})(?==\w)",
        lambda found: f"--{found[0]}",
        message,
    )


def _options(
    cls: type, skip: Collection[str] = ()
) -> Iterator[tuple[dataclasses.Field[Any], str, Any, type | None]]:
    """Field, flag's name, type without "or None", and type of items of a sequence."""
    hints = _hints(cls)
    for field in dataclasses.fields(cls):
        if "flag" not in field.metadata or field.name in skip:
            continue
        kind, item = hints[field.name], None
        if typing.get_origin(kind) is typing.Union:
            (kind,) = set(typing.get_args(kind)) - {type(None)}
        if typing.get_origin(kind) in (tuple, collections.abc.Sequence):
            item = typing.get_args(kind)[0]
        yield field, field.metadata["flag"] or field.name, kind, item


def _hints(cls: type) -> dict[str, Any]:
    """`typing.get_type_hints`, which cannot read `int | None` before Python 3.10."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        plain = {
            name: hint.replace(" | None", "") if isinstance(hint, str) else hint
            for name, hint in vars(base).get("__annotations__", {}).items()
        }
        holder = types.SimpleNamespace(__annotations__=plain)
        hints |= typing.get_type_hints(holder, vars(sys.modules[base.__module__]))
    return hints


def _choices(
    field: dataclasses.Field[Any], kind: Any
) -> Sequence[str] | Callable[[], Sequence[str]] | None:
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)
    return field.metadata["choices"]


def _chooser(choices: Callable[[], Sequence[str]]) -> Callable[[str | None], bool]:
    def checker(value: str | None) -> bool:
        try:
            if value is not None and value not in (names := choices()):
                raise InputError(f"{value!r} is not one of {', '.join(names)}")
        except InputError as error:
            raise flags.ValidationError(str(error)) from error
        return True

    return checker


def _require_one_of(
    name: str, value: Any, choices: Sequence[str] | Callable[[], Sequence[str]]
) -> None:
    names = choices() if callable(choices) else choices
    if value not in names:
        raise InputError(f"{name}={value}: expected one of {', '.join(names)}")
