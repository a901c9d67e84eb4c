"""Settings from text: values for the fields of a dataclass, by name."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from .errors import InputError


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
