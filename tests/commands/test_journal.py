"""Journals of killed calls that were damaged since."""

from __future__ import annotations

import pytest

from tfweak.models.commands.journal import Entry, Journal

CALL = {"run": "r", "tags": 5}
ENTRIES = [
    Entry(f"{i}.wav", "", 1.5, [[0, 0.25, 0.75, 0.5]], [[1, 0.5, True]])
    for i in range(4)
]


def opened(out, add=()):
    """What a journal holds when it is opened, and after that more."""
    with Journal(out, CALL, True) as journal:
        found = list(journal)
        for entry in add:
            journal.add([entry])
        journal.count = 1  # so that it stays
    return found


@pytest.fixture
def out(tmp_path):
    assert opened(tmp_path / "x.tsv", ENTRIES) == []
    return tmp_path / "x.tsv"


def test_all_that_is_whole_is_gone_on_with(out):
    assert opened(out) == ENTRIES
    assert opened(out) == ENTRIES


@pytest.mark.parametrize("line", range(4))
@pytest.mark.parametrize(
    "old, new", [(b"0.75", b"0.76"), (b"wav", b"\xff"), (b"]", b"")]
)
def test_from_a_damaged_line_on_all_is_answered_again(out, line, old, new):
    path = out.with_name("x.tsv.partial") / "journal.jsonl"
    lines = path.read_bytes().splitlines(True)
    lines[line] = lines[line].replace(old, new, 1)
    path.write_bytes(b"".join(lines))
    assert opened(out, ENTRIES[line:]) == ENTRIES[:line]
    assert opened(out) == ENTRIES


def test_lines_that_changed_places_are_answered_again(out):
    path = out.with_name("x.tsv.partial") / "journal.jsonl"
    one, two, three, four = path.read_bytes().splitlines(True)
    path.write_bytes(one + three + two + four)
    assert opened(out, ENTRIES[1:]) == ENTRIES[:1]
    assert opened(out) == ENTRIES


@pytest.mark.parametrize("contents", [b"", b"[]", b"7", b"\xff", b"[" * 100000])
def test_a_damaged_call_is_another_call(out, contents):
    (out.with_name("x.tsv.partial") / "call.json").write_bytes(contents)
    assert opened(out) == []
