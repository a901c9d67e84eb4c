"""What lies in a shard, by the frames of its records, without reading these.

A record of a TFRecord file is its length (8 bytes), a checksum of that (4), its bytes,
and a checksum of them (4), which TensorFlow compares when it reads the record.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from typing import NamedTuple

from ..errors import InputError
from ..files import atomic
from ..typing import StrPath

_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 4
_BEFORE = _LENGTH_BYTES + _CHECKSUM_BYTES


class ShardSummary(NamedTuple):
    """What tells a shard from another, and whether it is whole.

    Attributes:
      num_records: those that lie in the file as a whole.
      num_bytes: of the file.
      checksum: over the checksums of these records.
      problem: what is wrong after them, or "".
    """

    num_records: int
    num_bytes: int
    checksum: str
    problem: str = ""


def summary(path: StrPath) -> ShardSummary:
    """The summary of a shard.

    A length that leads beyond the file's end is found here: TensorFlow would ask for
    as much memory as it says.

    Raises:
      InputError: it is not a file that can be read.
    """
    atomic.require_files(path)
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file of records")
    try:
        size = os.path.getsize(path)
        if not size:
            return ShardSummary(0, 0, f"{0:08x}")
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held,
        ):
            count, checksum, at = 0, 0, 0
            while at + _BEFORE + _CHECKSUM_BYTES <= size:
                end = at + _BEFORE + struct.unpack_from("<Q", held, at)[0]
                if end + _CHECKSUM_BYTES > size:
                    break
                checksum = zlib.crc32(held[end : end + _CHECKSUM_BYTES], checksum)
                count, at = count + 1, end + _CHECKSUM_BYTES
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    problem = ""
    if at < size:
        problem = f"the {size - at} bytes at its end are not a whole record"
    return ShardSummary(count, size, f"{checksum:08x}", problem)
