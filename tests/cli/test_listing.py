"""Lines for --help: one for each thing, aligned, wrapped."""

from __future__ import annotations

import pytest

from tfweak.cli.listing import listing
from tfweak.errors import InputError
from tfweak.registry import Registry


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
    with pytest.raises(InputError, match=text):
        registry.names()
