"""What the headers of audio files say twice: where the two differ, one is wrong.

Decoders believe one of them: a wrong bit makes another rate of a file, or another
number of channels, without a word.
"""

from __future__ import annotations

import re

import soundfile as sf

from ..typing import StrPath

# libsndfile's log of a header
_SAID = re.compile(
    r"^ *(Channels|Sample Rate|Block Align|Bit Width|Bytes/sec) *: (\d+)", re.MULTILINE
)
_W64_BYTES = re.compile(r"^data *: (\d+)", re.MULTILINE)
_W64_CHUNK_BYTES = 24
_UNKNOWN_BYTES = 1 << 62
_RF64_FRAMES = re.compile(
    r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)"
)
_AIFF_FRAMES = re.compile(
    r"Frame count read from 'COMM' chunk \((\d+)\) not equal[^(]*\((\d+)\)"
)
_LINEAR = re.compile("PCM_.*|FLOAT|DOUBLE")
# Of a frame of FLAC, by code (RFC 9639, 9.1); other codes say it elsewhere.
_FLAC_RATES_HZ = dict(
    enumerate(
        (88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000),
        start=1,
    )
)
_FLAC_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
_FLAC_INFO_BYTES, _FLAC_SIDE_CHANNELS = 38, range(8, 11)


def contradiction(path: StrPath, file: sf.SoundFile) -> str:
    """What a file's header says twice and not alike, or "".

    Args:
      path: of the file.
      file: the same, opened.
    """
    is_linear = bool(_LINEAR.fullmatch(file.subtype))
    if file.format in ("WAV", "WAVEX", "RF64", "W64") and is_linear:
        return _of_wav(file)
    if file.format == "AIFF" and is_linear:
        found = _AIFF_FRAMES.search(file.extra_info)
        if found and int(found[1]):  # 0 where it was not known while writing
            return f"it announces {found[1]} samples and has the length of {found[2]}"
    if file.format == "FLAC":
        return _of_flac(path)
    return ""


def _of_wav(file: sf.SoundFile) -> str:
    said = {name: int(value) for name, value in _SAID.findall(file.extra_info)}
    align, rate = said.get("Block Align", 0), file.samplerate
    if not align:
        return ""
    bits = said.get("Bit Width", 8 * align // file.channels)
    if align != file.channels * -(-bits // 8):
        return f"it announces {file.channels} channels of {bits} bits in {align} bytes"
    each_second = said.get("Bytes/sec", rate * align)
    if each_second != rate * align:
        return (
            f"it announces {rate} samples of {align} bytes a second, but {each_second}"
            " bytes"
        )
    found = _RF64_FRAMES.search(file.extra_info)
    if found and int(found[2]):
        return f"it announces {found[2]} samples and holds {found[1]}"
    found = _W64_BYTES.search(file.extra_info) if file.format == "W64" else None
    if found and _W64_CHUNK_BYTES < int(found[1]) < _UNKNOWN_BYTES:
        frames = (int(found[1]) - _W64_CHUNK_BYTES) // align
        if frames != file.frames:
            return f"it announces {frames} samples and holds {file.frames}"
    return ""


def _of_flac(path: StrPath) -> str:
    """Compares the stream's description with that of its first frame."""
    with open(path, "rb") as handle:
        info = handle.read(4 + _FLAC_INFO_BYTES)
        if not info.startswith(b"fLaC"):
            return ""
        is_last, size = info[4] & 0x80, int.from_bytes(info[5:8], "big")
        at = 8 + size
        while not is_last:  # tags and the like
            handle.seek(at)
            head = handle.read(4)
            if len(head) < 4:
                return ""
            is_last, at = head[0] & 0x80, at + 4 + int.from_bytes(head[1:], "big")
        handle.seek(at)
        frame = handle.read(4)
    if len(frame) < 4 or frame[:2] not in (b"\xff\xf8", b"\xff\xf9"):
        return ""
    numbers = int.from_bytes(info[18:26], "big")
    announced = (numbers >> 44, (numbers >> 41 & 7) + 1, (numbers >> 36 & 31) + 1)
    channels = frame[3] >> 4
    own = (
        _FLAC_RATES_HZ.get(frame[2] & 15, announced[0]),
        2 if channels in _FLAC_SIDE_CHANNELS else channels + 1,
        _FLAC_BITS.get(frame[3] >> 1 & 7, announced[2]),
    )
    if own == announced:
        return ""
    said, found = (
        f"{rate} Hz, {count} channels and {bits} bits"
        for rate, count, bits in (announced, own)
    )
    return f"it announces {said}, and its sound has {found}"
