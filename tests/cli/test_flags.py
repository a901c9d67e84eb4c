"""Dataclasses as flags: every kind of field, there and back, and what is refused."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Literal, Optional

import pytest
from absl import flags

from tfweak.cli.flags import as_flags, define, given
from tfweak.errors import InputError
from tfweak.settings import REQUIRED, check, option, text_of

NAMES = ["first"]


@dataclasses.dataclass(frozen=True)
class Base:
    data: Sequence[str] = option(REQUIRED, "the folders")


@dataclasses.dataclass(frozen=True)
class Config(Base):
    epochs: int = option(3, "how often", lower=1)
    rate: float | None = option(None, "how fast", lower=0.0, upper=1.0)
    kind: Literal["a", "b"] = option("a", "which")
    way: Optional[str] = option(None, "how", choices=["x", "y"])  # noqa: UP045
    thing: str | None = option(None, "what", choices=lambda: NAMES)
    text: str = option("", "any")
    path: pathlib.Path | None = option(None, "where")
    keep: bool = option(True, "whether")
    folds: tuple[int, ...] = option((1, 2), "folds", flag="fold")
    weights: tuple[float, float] | None = option(None, "two")
    hidden: str = "no flag"
    skipped: dict[str, str] = option(None, "a flag of another kind")

    def __post_init__(self):
        check(self)


def parsed(*arguments):
    values = flags.FlagValues()
    define(values, Config, skip=["skipped"])
    values(["program", *arguments])
    return values, given(values, Config, skip=["skipped"])


def test_only_what_is_given_comes_back():
    values, found = parsed("--data=d")
    assert found == {"data": ("d",)}
    assert Config(**found) == Config(data=("d",))
    assert "hidden" not in values and "skipped" not in values
    assert values["epochs"].default == 3 and values["fold"].default_as_str == "'1,2'"
    assert values["data"].help == "the folders"


def test_every_kind_of_field_there_and_back():
    arguments = "--data=d,e --epochs=3 --rate=1 --kind=b --way=y --thing=first --text="
    arguments += " --path=p/q --nokeep --fold=3,1 --weights=0.5,2"
    _, found = parsed(*arguments.split())
    assert found == {
        "data": ("d", "e"),
        "epochs": 3,  # given, though it is the default
        "rate": 1.0,
        "kind": "b",
        "way": "y",
        "thing": "first",
        "text": "",
        "path": pathlib.Path("p/q"),
        "keep": False,
        "folds": (3, 1),
        "weights": (0.5, 2.0),
    }
    assert type(found["rate"]) is float and Config(**found).folds == (3, 1)


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--epochs=0", "epochs"),
        ("--rate=1.5", "rate"),
        ("--kind=c", "kind"),
        ("--way=z", "way"),
        ("--thing=second", "thing=second.*'second' is not one of first"),
    ],
)
def test_wrong_values_are_wrong_flags(argument, message):
    with pytest.raises(flags.Error, match=message):
        parsed("--data=d", argument)


def test_a_required_flag():
    with pytest.raises(flags.Error, match="data"):
        parsed()


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--path=", "--path is empty"),
        ("--fold=1,two", "--fold=1,two: expected whole numbers"),
        ("--fold=1.5", "--fold=1.5: expected whole numbers"),
        ("--weights=1,x", "--weights=1,x: expected numbers"),
    ],
)
def test_values_that_cannot_be_read(argument, message):
    with pytest.raises(InputError, match=message):
        parsed("--data=d", argument)


def test_names_that_come_later_are_choices(monkeypatch):
    monkeypatch.setitem(globals(), "NAMES", ["first", "second"])
    assert parsed("--data=d", "--thing=second")[1]["thing"] == "second"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": 0}, "epochs=0: expected 1 or more"),
        ({"rate": -0.1}, "rate=-0.1: expected 0.0 to 1.0"),
        ({"rate": float("nan")}, "rate=nan: expected 0.0 to 1.0"),
        ({"kind": "c"}, "kind=c: expected one of a, b"),
        ({"way": "z"}, "way=z: expected one of x, y"),
        ({"thing": "second"}, "thing=second: expected one of first"),
    ],
)
def test_settings_from_python_are_checked_too(settings, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        Config(data=("d",), **settings)


def test_text_of_a_class():
    lines = text_of(Config).splitlines()
    assert lines[:6] == [
        "data: the folders",
        "epochs: how often (default: 3)",
        "rate: how fast",
        "kind: which (one of a, b; default: a)",
        "way: how (one of x, y)",
        "thing: what",  # what there is of it is known later
    ]
    assert text_of(Config, skip=["data"]).splitlines() == lines[1:]


@pytest.mark.parametrize(
    "message, shown",
    [
        ("source=a: no such folder", "--source=a: no such folder"),
        ("source: a and b", "--source: a and b"),
        ("source is needed: a", "--source is needed: a"),
        ("sources=1: no", "sources=1: no"),
        ("rate=1 is for kind=b", "--rate=1 is for --kind=b"),
        ("a source: rate 3", "a source: rate 3"),
        ("tfweak-prepare classes=a; rate=1", "tfweak-prepare --classes=a; --rate=1"),
        ("tfweak-prepare rate=a", "tfweak-prepare --rate=a"),
        ("not-tfweak classes=a", "not-tfweak classes=a"),
        ("/x/kind=b/rate=1: no such file", "/x/kind=b/rate=1: no such file"),
    ],
)
def test_messages_name_flags(message, shown):
    assert as_flags(message, ["source", "rate", "kind"]) == shown
