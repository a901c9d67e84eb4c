"""Whether all pages of an Ogg file are there and whole (RFC 3533).

Decoders drop a damaged page without a word, about a second of audio, and all that
follows comes so much earlier.
"""

from __future__ import annotations

import zlib

from ..typing import StrPath

_MAGIC = b"OggS"
_HEADER_BYTES = 27
_LONGEST_PAGE_BYTES = _HEADER_BYTES + 255 + 255 * 255
_FIRST, _LAST = 2, 4  # flags of a page: of its stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def damage(path: StrPath) -> str:
    """What shows that not all of an Ogg file's audio is decoded, or "".

    What follows the last page of the last stream, such as tags, does not count.

    Args:
      path: the file.
    """
    numbers: dict[bytes, int] = {}  # of the page that a stream has next
    open_streams: set[bytes] = set()
    audio_begun = False
    with open(path, "rb") as handle:
        held = handle.read(_LONGEST_PAGE_BYTES)
        position = max(held.find(_MAGIC), 0)  # tags may stand before
        held, at = held[position:], position
        while True:
            held += handle.read(_LONGEST_PAGE_BYTES - len(held))
            page = _page(held)
            if not page:
                if held and (open_streams or _MAGIC in held):
                    return f"the file is damaged or cut short at byte {at}"
                return ""
            flags, stream = page[5], page[14:18]
            number = int.from_bytes(page[18:22], "little")
            if flags & _FIRST and audio_begun:
                return (
                    f"the file holds several recordings, the second from byte {at}"
                    " on, of which the first alone would be read"
                )
            if number != numbers.get(stream, number):
                return f"the file is damaged: pages before byte {at} are missing"
            numbers[stream] = (number + 1) % (1 << 32)
            audio_begun |= not flags & _FIRST
            (open_streams.discard if flags & _LAST else open_streams.add)(stream)
            held, at = held[len(page) :], at + len(page)


def _page(held: bytes) -> bytes:
    """The page that some bytes begin with, or b"" where there is no whole one."""
    if len(held) < _HEADER_BYTES or not held.startswith(_MAGIC):
        return b""
    body = _HEADER_BYTES + held[26]
    size = body + sum(held[_HEADER_BYTES:body])
    page = held[:size]
    if len(page) < size or checksum(page) != int.from_bytes(page[22:26], "little"):
        return b""
    return page


def checksum(page: bytes) -> int:
    """The CRC of a page, whose own four bytes count as zeros.

    It is that of zlib with all bits in the other order, which begins and ends with 0.
    """
    page = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
