"""Ways to damage bytes and JSON documents; all follow from a generator of numbers."""

from __future__ import annotations

import json
import struct

_HEADER_BYTES = 200
_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, (1 << 31) - 1)
_EXTREMES += (0xFFFFFFFF, 0xFFFFFFF0, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def _place(data, rng, length=1):
    """Where to damage: in the header as often as anywhere."""
    most = max(1, len(data) - length + 1)
    if rng.random() < 0.5:
        most = min(most, _HEADER_BYTES)
    return int(rng.integers(most))


def _size(data, rng):
    return int(rng.integers(1, max(2, min(len(data), 4096))))


def flip_bits(data, rng, other):
    out = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 8]))):
        out[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def truncate(data, rng, other):
    return data[: _place(data, rng)]


def duplicate_block(data, rng, other):
    at, size = _place(data, rng), _size(data, rng)
    return data[: at + size] + data[at:]


def insert_bytes(data, rng, other):
    at = _place(data, rng)
    return data[:at] + rng.bytes(_size(data, rng) // 16 + 1) + data[at:]


def delete_block(data, rng, other):
    at = _place(data, rng)
    return data[:at] + data[at + _size(data, rng) :]


def extreme_integer(data, rng, other):
    kind = str(rng.choice(["B", "<H", ">H", "<I", ">I", "<Q", ">Q"]))
    size = struct.calcsize(kind)
    value = int(rng.choice(len(_EXTREMES)))
    number = _EXTREMES[value] & ((1 << 8 * size) - 1)
    at = _place(data, rng, size)
    return data[:at] + struct.pack(kind, number) + data[at + size :]


def fill(data, rng, other):
    at, size = _place(data, rng), _size(data, rng)
    value = bytes([int(rng.choice([0, 0, 255, 32]))])
    return data[:at] + value * len(data[at : at + size]) + data[at + size :]


def swap_blocks(data, rng, other):
    size = max(1, min(_size(data, rng), len(data) // 2))
    first = int(rng.integers(max(1, len(data) - 2 * size + 1)))
    second = int(rng.integers(first + size, max(first + size + 1, len(data) - size)))
    return b"".join(
        (
            data[:first],
            data[second : second + size],
            data[first + size : second],
            data[first : first + size],
            data[second + size :],
        )
    )


def splice(data, rng, other):
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def replace_by_other(data, rng, other):
    return other


def junk(data, rng, other):
    return rng.bytes(_size(data, rng))


def empty(data, rng, other):
    return b""


BYTES = (
    *(flip_bits, flip_bits, truncate, duplicate_block, insert_bytes, delete_block),
    *(extreme_integer, extreme_integer, fill, swap_blocks, splice),
)
RARE = (replace_by_other, junk, empty)


def damaged(data, rng, other=b""):
    """Bytes that differ from `data`, and the name of what was done to them."""
    while True:
        ways = RARE if rng.random() < 0.03 else BYTES
        way = ways[int(rng.integers(len(ways)))]
        if len(data) < 4:
            way = junk
        found = way(data, rng, other or data[::-1])
        if found != data:
            return found, way.__name__


_ODD = (
    *(None, True, False, 0, -1, 1, 3, 0.5, -0.0, 1e308, 1 << 70, -(1 << 63)),
    *(float("nan"), float("inf"), -float("inf"), "", "a", "\0", "a\nb", "\ud800"),
    *("../../x", "NaN", "é" * 300, [], {}, [None], [[]], {"a": 1}, [1, "a"], [0.5] * 9),
)


def damaged_document(document, rng, may_unseal=True):
    """JSON bytes of a document of which one place is another, and what was done.

    Half of them have no checksum, so that what they say has to be judged.
    """
    document = json.loads(json.dumps(document))
    if may_unseal and isinstance(document, dict) and rng.random() < 0.5:
        document.pop("checksum", None)
    places = [(None, None)]

    def visit(part):
        keys = part if isinstance(part, dict) else range(len(part))
        for key in keys:
            places.append((part, key))
            if isinstance(part[key], (dict, list)):
                visit(part[key])

    if isinstance(document, (dict, list)):
        visit(document)
    part, key = places[int(rng.integers(len(places)))]
    odd = _ODD[int(rng.integers(len(_ODD)))]
    way = str(rng.choice(["odd", "odd", "odd", "odd", "remove", "add", "text"]))
    if part is None and way != "text":
        return (json.dumps(odd).encode(), "odd document")
    if way == "odd":
        part[key] = odd
    elif way == "remove":
        del part[key]
    elif way == "add":
        if isinstance(part, dict):
            part["another"] = odd
        else:
            part.insert(key, part[key] if rng.random() < 0.5 else odd)
    else:
        text = json.dumps(document)
        forms = (
            text.encode("utf-16"),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode() + b"\0",
            text.replace(",", ";").encode(),
            text.replace('"', "'").encode(),
            b"[" * 100000,
            b'{"a":' * 100000,
            text.encode() * 2,
            b'{"a": ' + b"9" * 5000 + b"}",
        )
        return forms[int(rng.integers(len(forms)))], "other text"
    return json.dumps(document).encode(), way
