"""Settings that are written once: fields of a dataclass, with bounds and help texts.

    @dataclasses.dataclass(frozen=True)
    class Config:
        epochs: int = option(10, "passes over the data", lower=1)

        def __post_init__(self) -> None:
            check(self)

`cli.flags` makes flags of them. A field that is not made by `option` is no flag. A
setting is a str, int, float, bool, `pathlib.Path` or `Literal`, one of them or None, or
a tuple or sequence of str, int, float or paths.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from .errors import InputError

REQUIRED: Any = dataclasses.MISSING


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


def check(settings: Any) -> None:
    """Checks the bounds and choices of a dataclass's options.

    Raises:
      InputError: with the name of the field; `as_flags` makes it a flag's.
    """
    for field, _, kind, item in options_of(type(settings)):
        value = getattr(settings, field.name)
        lower, upper = field.metadata["lower"], field.metadata["upper"]
        choices = choices_of(field, kind)
        for one in () if value is None else (value,) if item is None else value:
            if choices is not None:
                _require_one_of(field.name, one, choices)
            above = lower is None or one >= lower
            if not (above and (upper is None or one <= upper)):
                expected = (
                    f"{lower} or more" if upper is None else f"{lower} to {upper}"
                )
                raise InputError(f"{field.name}={one}: expected {expected}")


def text_of(cls: type, skip: Collection[str] = ()) -> str:
    """A line for each option: its name, what it is, its choices and its default."""
    lines = []
    for field, _, kind, _ in options_of(cls, skip):
        default, choices = field.default, choices_of(field, kind)
        more = []
        if choices is not None and not callable(choices):
            more.append(f"one of {', '.join(choices)}")
        if default not in (None, (), REQUIRED):
            more.append(f"default: {default}")
        shown = f" ({'; '.join(more)})" if more else ""
        line = f"{field.name}: {field.metadata['help']}{shown}"
        lines.append(textwrap.fill(line, 82, subsequent_indent="  "))
    return "\n".join(lines)


def from_text(cls: type, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Values for fields of a dataclass, strings converted to the fields' types.

    Args:
      cls: the dataclass.
      given: values by the names of its fields; what is not a string stays as it is.
      what: whose settings messages say these are.

    Raises:
      InputError: an unknown name, or text that is not of the field's type.
    """
    kinds = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
    hints = typing.get_type_hints(cls)
    out = {}
    for name, value in given.items():
        if name not in kinds:
            raise InputError(
                f"{what}: no setting {name!r}; there are {', '.join(sorted(kinds))}"
            )
        out[name] = _converted(value, hints[name], f"{what}: {name}")
    return out


def split_settings(items: Sequence[str], where: str) -> dict[str, str]:
    """["width=0.25", ...] -> {"width": "0.25", ...}.

    Raises:
      InputError: an item without `=`.
    """
    for item in items:
        if "=" not in item:
            raise InputError(f"{where}={item}: expected name=value")
    return dict(item.split("=", 1) for item in items)


def types_of(hint: Any) -> tuple[Any, ...]:
    """(int, NoneType) of `int | None`, (int,) of `int`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _converted(value: Any, hint: Any, where: str) -> Any:
    kinds = types_of(hint)
    if not isinstance(value, str) or str in kinds:
        return value
    kind = next((k for k in (bool, int, float) if k in kinds), None)
    if kind is None:
        raise InputError(f"{where}={value!r} cannot be given as text")
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        return kind(value)
    except (KeyError, ValueError):
        raise InputError(f"{where}={value!r} is not {_NAMES[kind]}") from None


_NAMES = {bool: "true or false", int: "a whole number", float: "a number"}


def options_of(
    cls: type, skip: Collection[str] = ()
) -> Iterator[tuple[dataclasses.Field[Any], str, Any, type | None]]:
    """Field, flag's name, type without "or None", and type of items of a sequence."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if "flag" not in field.metadata or field.name in skip:
            continue
        (kind,) = set(types_of(hints[field.name])) - {type(None)}
        item = None
        if typing.get_origin(kind) in (tuple, collections.abc.Sequence):
            item = typing.get_args(kind)[0]
        yield field, field.metadata["flag"] or field.name, kind, item


def choices_of(
    field: dataclasses.Field[Any], kind: Any
) -> Sequence[str] | Callable[[], Sequence[str]] | None:
    """What a field may be, as `option` was told or the type says; None for anything."""
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)
    return field.metadata["choices"]


def _require_one_of(
    name: str, value: Any, choices: Sequence[str] | Callable[[], Sequence[str]]
) -> None:
    names = choices() if callable(choices) else choices
    if value not in names:
        raise InputError(f"{name}={value}: expected one of {', '.join(names)}")
