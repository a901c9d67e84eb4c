"""Documents with checksums: what was changed since is found out."""

from __future__ import annotations

import json

import pytest

from tfweak.data import documents
from tfweak.errors import InputError

DOCUMENT = {"a": [1, 0.1, None, True], "b": {"c": "Möwe"}, "d": float("inf")}


def test_a_round_trip(tmp_path):
    path = tmp_path / "x.json"
    for indent in (None, 1):
        documents.write(path, {**DOCUMENT, "checksum": "old"}, indent)
        assert documents.read(path, "") == DOCUMENT
    # whoever writes the keys in another order has changed nothing
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(whole.items()))))
    assert documents.read(path, "") == DOCUMENT


def test_each_changed_byte_is_found_out(tmp_path):
    path = tmp_path / "x.json"
    documents.write(path, {"thresholds": [0.25, 0.5], "name": "a"}, None)
    contents = path.read_bytes()
    for place in range(len(contents)):
        changed = bytearray(contents)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            found = documents.read(path, "train it again")
        except InputError as error:
            assert "x.json: broken" in str(error) and "train it again" in str(error)
        else:  # the name of the checksum itself
            found = {k: v for k, v in found.items() if k in ("thresholds", "name")}
            assert found == {"thresholds": [0.25, 0.5], "name": "a"}


def test_what_is_edited_by_hand_is_taken_without_its_checksum(tmp_path):
    path = tmp_path / "x.json"
    documents.write(path, {"a": 1})
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(InputError, match="edited without removing its checksum"):
        documents.read(path, "")
    path.write_text('{"a": 2}')
    assert documents.read(path, "") == {"a": 2}


@pytest.mark.parametrize(
    "contents",
    [b"", b"{", b"[]", b"7", b"null", b"\xff", b"[" * 100000, b'{"a": ' + b"9" * 5000],
)
def test_what_is_no_document(tmp_path, contents):
    (tmp_path / "x.json").write_bytes(contents)
    with pytest.raises(InputError, match="x.json: broken .*; make it again"):
        documents.read(tmp_path / "x.json", "make it again")


def test_lines():
    line = documents.sealed([[1, "a\tb\n"], None])
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert documents.unsealed(line) == [[1, "a\tb\n"], None]
    broken = [line[:-1], line[:5], b"\n", b"", line.replace(b"1", b"2", 1), line * 2]
    for one in broken:
        with pytest.raises(ValueError, match="checksum"):
            documents.unsealed(one)
