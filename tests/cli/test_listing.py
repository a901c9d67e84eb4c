"""Lines for --help: one for each thing, aligned, wrapped."""

from __future__ import annotations

import dataclasses

import pytest

from tfweak.cli.listing import listing, settings_listing
from tfweak.errors import InputError
from tfweak.registry import Registry
from tfweak.settings import option


class Thing:
    kind = "a thing of this test"

    def __init__(self, name, help):
        self.name, self.help = name, help


def test_a_line_for_each():
    things = [Thing("a", "short"), Thing("longer", "word " * 20)]
    # two spaces, the longest name, two spaces; 88 columns in all
    assert listing(Registry(Thing, entries=things)).splitlines() == [
        "  a       short",
        "  longer  " + "word " * 14 + "word",
        "          " + "word " * 4 + "word",
    ]


def test_what_cannot_be_imported_is_said(monkeypatch):
    registry = Registry(Thing)
    text = "plugin x.py: cannot be imported"

    def names():
        raise InputError(text)

    monkeypatch.setattr(registry, "names", names)
    assert listing(registry) == f"  unknown  {text}"
    assert settings_listing(registry) == f"  unknown  {text}"
    with pytest.raises(InputError, match=text):
        registry.names()


@dataclasses.dataclass(frozen=True)
class Maker:
    """The class."""

    kind = "a maker of this test"
    name = "tiny"

    size: int = option(3, "how large")
    way: str = option("up", "where", choices=("up", "down"))
    hidden: int = option(1, "not listed")


def test_settings_of_each(monkeypatch):
    registry = Registry(Maker, entries=[Maker])
    assert settings_listing(registry, skip=["hidden"]).splitlines() == [
        "  tiny: Lines for --help: one for each thing, aligned, wrapped",
        "      size: how large (default: 3)",
        "      way: where (one of up, down; default: up)",
    ]
    monkeypatch.setitem(globals(), "__doc__", None)
    assert settings_listing(registry).startswith("  tiny: The class\n      size")
    monkeypatch.setitem(globals(), "__doc__", "A thing: `tiny`.")
    assert settings_listing(registry).startswith("  tiny: A thing\n")
