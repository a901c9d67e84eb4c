"""Audio files: formats with and without checksums, headers that lie, junk."""

from __future__ import annotations

import functools
import math
import struct

import mutations
import numpy as np
import soundfile as sf
from frame import Damage, Wrong

from tfweak.audio import reading
from tfweak.errors import InputError

SHARE = 58
# name: rate, channels, format, subtype, and how a sample lies in the file, if it does
SOUNDS = {
    "pcm16.wav": (16000, 1, "WAV", "PCM_16", "<i2"),
    "pcm24.wav": (44100, 2, "WAV", "PCM_24", "<i3"),
    "float.wav": (16000, 2, "WAV", "FLOAT", "<f4"),
    "extensible.wav": (22050, 1, "WAVEX", "PCM_16", "<i2"),
    "gsm.wav": (8000, 1, "WAV", "GSM610", None),
    "adpcm.wav": (16000, 1, "WAV", "IMA_ADPCM", None),
    "ulaw.wav": (8000, 1, "WAV", "ULAW", None),
    "pcm16.flac": (16000, 1, "FLAC", "PCM_16", None),
    "pcm24.flac": (44100, 2, "FLAC", "PCM_24", None),
    "vorbis.ogg": (16000, 1, "OGG", "VORBIS", None),
    "opus.opus": (48000, 1, "OGG", "OPUS", None),
    "pcm16.rf64": (16000, 1, "RF64", "PCM_16", "<i2"),
    "pcm16.w64": (16000, 2, "W64", "PCM_16", "<i2"),
    "pcm16.aiff": (16000, 1, "AIFF", "PCM_16", ">i2"),
    "pcm24.aiff": (48000, 2, "AIFF", "PCM_24", ">i3"),
    "pcm16.au": (16000, 1, "AU", "PCM_16", ">i2"),
    "float.au": (16000, 1, "AU", "FLOAT", ">f4"),
    "pcm16.caf": (16000, 1, "CAF", "PCM_16", ">i2"),
    "layer3.mp3": (16000, 1, "MP3", "MPEG_LAYER_III", None),
}
CHECKED = (".flac", ".ogg", ".opus")  # with checksums of all that is heard
# sound begins behind the name of its chunk, and so many bytes
CHUNKS = {
    ".wav": (b"data", 8),
    ".rf64": (b"data", 8),
    ".w64": (b"data", 24),
    ".aiff": (b"SSND", 16),
    ".caf": (b"data", 16),
}
AU_HEADER = struct.Struct(">6I")
AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def make(folder):
    rng = np.random.default_rng(0)
    for name, (rate, channels, form, subtype, _) in SOUNDS.items():
        count = int(rate * (3 if subtype in ("VORBIS", "OPUS") else 0.4))
        samples = 0.5 * rng.uniform(-1, 1, (count, channels))
        sf.write(folder / name, samples, rate, format=form, subtype=subtype)
        np.save(folder / f"{name}.npy", reading.read_audio(folder / name))


def damage(made, folder, rng):
    names = list(SOUNDS)
    name, other = (names[int(i)] for i in rng.integers(len(names), size=2))
    original = (made / name).read_bytes()
    found, way = mutations.damaged(original, rng, (made / other).read_bytes())
    if rng.random() < 0.02:  # under a name that promises another format
        name = f"{name}.{rng.choice(['raw', 'au', 'snd', 'mp3', 'wav', 'vox'])}"
    (folder / name).write_bytes(found)
    return Damage(f"{way} in {name}", (name,))


def check(made, folder):
    (path,) = folder.iterdir()
    contents = path.read_bytes()
    name = next(name for name in SOUNDS if path.name.startswith(name))
    # one may have been replaced by another one
    same = (n for n in SOUNDS if contents == _original(made, n)[0])
    original, whole = _original(made, next(same, name))
    try:
        waveform = reading.read_audio(path, max_seconds=900)
    except InputError:
        _check_kept(path)
        raise
    _require_waveform(waveform)
    if np.array_equal(waveform, whole):
        return "as the original"
    if contents == original:
        raise Wrong("other samples of an undamaged file")
    if contents[:4] in (b"fLaC", b"OggS") and path.suffix in CHECKED:
        raise Wrong(f"{len(waveform)} samples, of which some are others")
    begin = _begin(name, original)
    if contents[:begin] == original[:begin]:
        return _same_header(name, contents, original, begin, waveform, whole)
    return _other_header(contents, waveform)


def _check_kept(path):
    """What is damaged may be kept, with a note; it is a waveform then, too."""
    notes = []
    try:
        waveform = reading.read_audio(path, max_seconds=900, note=notes.append)
    except InputError:
        return
    _require_waveform(waveform)
    if len(notes) != 1:
        raise Wrong(f"kept with {len(notes)} notes, and refused without")


def _require_waveform(waveform):
    if waveform.dtype != np.float32 or waveform.ndim != 1 or not waveform.size:
        raise Wrong(f"{waveform.dtype} {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise Wrong("NaN or infinity")


@functools.lru_cache(None)
def _original(made, name):
    return (made / name).read_bytes(), np.load(made / f"{name}.npy")


def _begin(name, original):
    """Where the sound begins in an undamaged file."""
    suffix = name[name.rindex(".") :]
    if suffix == ".au":
        return AU_HEADER.unpack_from(original)[1]
    if suffix not in CHUNKS:
        return 0
    magic, behind = CHUNKS[suffix]
    return original.index(magic) + behind


def _same_header(name, contents, original, begin, waveform, whole):
    """Only sound differs: as long as announced, and what is not touched is the same."""
    rate, channels, _, subtype, kind = SOUNDS[name]
    if subtype.startswith("MPEG"):
        return "no checksums"
    if len(waveform) != len(whole):
        raise Wrong(f"{len(waveform)} samples, announced are {len(whole)}")
    if kind is None:
        pairs = zip(contents[begin:], original[begin:])
        first = next(i for i, (a, b) in enumerate(pairs) if a != b)
        share = first / (len(original) - begin) - 0.1
        untouched = max(0, int(share * len(whole)))
        # resampling rounds by blocks
        if not np.allclose(waveform[:untouched], whole[:untouched], atol=1e-5):
            raise Wrong(f"another sound before the damage at byte {begin + first}")
        return "the same until it is damaged"
    size = int(kind[2]) * channels
    # whole frames that are announced; a chunk may stand behind
    frames = int(math.floor(len(whole) * rate / 16000 + 0.5))
    samples = _samples(contents[begin : begin + frames * size], kind)
    expected = samples.reshape(-1, channels).mean(axis=1)
    expected = reading.resample(expected, rate, 16000)
    if not np.array_equal(waveform, expected):
        raise Wrong("other samples than lie in the file")
    return "as the bytes say"


def _samples(raw, kind):
    if kind[1:] == "f4":
        return np.frombuffer(raw, kind).astype(np.float32)
    if kind[1:] == "i2":
        return np.frombuffer(raw, kind).astype(np.float32) / np.float32(32768)
    order = "little" if kind[0] == "<" else "big"
    values = [
        int.from_bytes(raw[i : i + 3], order, signed=True)
        for i in range(0, len(raw) - 2, 3)
    ]
    return np.array(values, np.float32) / np.float32(1 << 23)


def _other_header(contents, waveform):
    """Another header: what it says twice must agree, and as much be read."""
    for says in (_riff, _w64, _aiff, _au):
        found = says(contents)
        if found is not None:
            break
    else:
        return "of another format, or without lengths"
    if isinstance(found, str):
        return found
    frames, rate, why = found
    if why:
        raise Wrong(why)
    expected = frames * 16000 / rate
    if abs(len(waveform) - expected) > 2 + expected * 1e-6:
        raise Wrong(f"{len(waveform)} samples at 16 kHz, announced are {expected:.1f}")
    return "as the header says"


def _of_fmt(fmt, num_bytes):
    """(frames, rate, what does not agree) of a WAV's format and size of sound."""
    codec, channels, rate, byte_rate, align, bits = struct.unpack_from("<HHIIHH", fmt)
    if codec == 0xFFFE and len(fmt) >= 26:
        codec = struct.unpack_from("<H", fmt, 24)[0]
    if codec not in (1, 3) or not align or not rate:
        return "a codec with blocks"
    why = ""
    if align != channels * -(-bits // 8):
        why = f"{channels} channels of {bits} bits in {align} bytes were read"
    elif byte_rate != rate * align:
        why = f"{rate} Hz of {align} bytes were read, though {byte_rate} bytes/s stand"
    return num_bytes // align, rate, why


def _riff(contents):
    if contents[:4] not in (b"RIFF", b"RF64") or contents[8:12] != b"WAVE":
        return None
    at, fmt, long_size = 12, None, None
    while at + 8 <= len(contents):
        magic, size = struct.unpack_from("<4sI", contents, at)
        if magic == b"ds64":
            long_size = struct.unpack_from("<Q", contents, at + 16)[0]
        if magic == b"fmt ":
            fmt = contents[at + 8 : at + 8 + size]
        if magic == b"data":
            if fmt is None or len(fmt) < 16:
                return "sound before its format"
            if size >= 0x7FFF0000:
                size = long_size if contents[:4] == b"RF64" else len(contents) - at - 8
            return _of_fmt(fmt, min(size or 0, len(contents) - at - 8))
        at += 8 + size + size % 2
    return "no chunk of sound"


def _w64(contents):
    if contents[:4] != b"riff" or contents[24:28] != b"wave":
        return None
    at, fmt = 40, None
    while at + 24 <= len(contents):
        size = struct.unpack_from("<Q", contents, at + 16)[0]
        if contents[at : at + 4] == b"fmt ":
            fmt = contents[at + 24 : at + size]
        if contents[at : at + 4] == b"data" and fmt:
            return _of_fmt(fmt, min(size - 24, len(contents) - at - 24))
        at += max(24, (size + 7) // 8 * 8)
    return "no chunk of sound"


def _aiff(contents):
    if contents[:4] != b"FORM" or contents[8:12] != b"AIFF":
        return None
    at, common = 12, None
    while at + 8 <= len(contents):
        magic, size = struct.unpack_from(">4sI", contents, at)
        if magic == b"COMM" and size >= 18:
            common = struct.unpack_from(">hIhHQ", contents, at + 8)
        if magic == b"SSND" and common:
            channels, frames, bits, exponent, mantissa = common
            if not 0 <= exponent - 16383 <= 30:
                return "no rate"
            rate = round(math.ldexp(mantissa, exponent - 16383 - 63)) or 1
            offset = struct.unpack_from(">I", contents, at + 8)[0]
            there = min(size - 8, len(contents) - at - 16) - offset
            why = ""
            if channels * -(-bits // 8) * frames != there:
                why = f"{frames} of {channels} x {bits} bits in {there} bytes were read"
            return frames, rate, why
        at += 8 + size + size % 2
    return "no chunk of sound"


def _au(contents):
    if contents[:4] != b".snd" or len(contents) < 24:
        return None
    _, offset, size, codec, rate, channels = AU_HEADER.unpack_from(contents)
    if codec not in AU_WIDTHS or not rate or not channels:
        return "another codec"
    if size == 0xFFFFFFFF:
        size = len(contents) - offset
    return size // (AU_WIDTHS[codec] * channels), rate, ""
