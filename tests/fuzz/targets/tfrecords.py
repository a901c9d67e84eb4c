"""TFRecords of every payload: damaged files, damaged records, and records that lie."""

from __future__ import annotations

import functools
import json
import math
import pathlib
import shutil
import struct

import mutations
import numpy as np
import tensorflow as tf
from frame import Damage, Wrong

from tfweak.audio.mel_spectrum import LogMelConfig
from tfweak.data import parsing, records, shard_files, sources
from tfweak.data_prep.inputs import embedding_shards
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

SHARE = 4
SHARD, INFO = "made-00000.tfrecord", records.INFO_NAME
CLASSES = ClassList(("a", "b", "c"))
PAYLOADS = {
    "released": RELEASED_EMBEDDINGS,
    "raw": Payload("audio_embedding", "float32", {"embedding_size": 4}),
    "halves": Payload("log_mel", "float16", {"num_mel_bins": 4}),
    "bytes": Payload("log_mel", "uint8", LogMelConfig().parameters("uint8")),
    "constant_q": Payload("constant_q", "float16", {"num_bins": 4}),
    "waveform": Payload("waveform", "int16", {"sample_rate_hz": 16000}),
}


def make(folder):
    rng = np.random.default_rng(0)
    for name, payload in PAYLOADS.items():
        clips = []
        for i in range(6):
            rows = int(rng.integers(1, 6))
            size = payload.row_size
            shape = (800 * rows,) if payload.kind == "waveform" else (rows, size)
            values = rng.integers(0, 200, shape).astype(payload.dtype)
            events = [Event(i % 3, 0.0, 0.5), Event(1, 0.25, 0.75)]
            events = events if i % 2 else None
            clip = records.Clip(f"clip{i}", [0, i % 3], values, events, 0.0, 2.0)
            clips.append(records.encode(clip, payload))
        inside = folder / name
        inside.mkdir()
        records.write_shard(inside / SHARD, clips)
        shards = {SHARD: shard_files.summary(inside / SHARD)}
        records.DatasetInfo(name, payload, CLASSES, 6, True, shards=shards).write(
            inside
        )


def damage(made, folder, rng):
    names = list(PAYLOADS)
    name, other = (names[int(i)] for i in rng.integers(len(names), size=2))
    target = shutil.copytree(made / name, folder / "data")
    if rng.random() < 0.8:  # nobody noted what the shards hold
        document = json.loads((target / INFO).read_text())
        del document["shards"], document["checksum"]
        document["num_clips"] = None
        (target / INFO).write_text(json.dumps(document))
    contents = (target / SHARD).read_bytes()
    kind = rng.random()
    if kind < 0.35:
        found, way = mutations.damaged(
            contents, rng, (made / other / SHARD).read_bytes()
        )
        (target / SHARD).write_bytes(found)
    else:
        serialized, _ = frames(contents)
        at = int(rng.integers(len(serialized)))
        if kind < 0.6:
            serialized[at], way = mutations.damaged(
                serialized[at], rng, serialized[at - 1]
            )
            way = f"record: {way}"
        else:
            example = tf.train.SequenceExample.FromString(serialized[at])
            way = _lie(example, PAYLOADS[name], rng)
            serialized[at] = example.SerializeToString()
        (target / SHARD).write_bytes(b"".join(map(framed, serialized)))
    return Damage(
        f"{way} in {name}", (SHARD, "/data: the shards hold no clips", "times in")
    )


_FLOATS = (math.nan, math.inf, -math.inf, -1.0, -0.0, 1e30, 3.0, -1e-9)
_INTS = (-1, 3, 99, 1 << 40, -(1 << 63), (1 << 63) - 1, 0, 1, 2)
_STRINGS = (b"", b"\0", b"a\tb", b"a\nb", b"clip0", b"\xff\xfe", b"x" * 5000, b"\x7f")
_LISTS = ("int64_list", "float_list", "bytes_list")


def _lie(example, payload, rng):
    """Changes one feature of a record, or what it holds; gives what was done."""
    context = example.context.feature
    rows = example.feature_lists.feature_list
    names = [*sorted(context), "another"]
    name = names[int(rng.integers(len(names)))]
    way = str(
        rng.choice(["value", "value", "length", "kind", "remove", "rows", "rows"])
    )
    if way == "rows" and payload.kind == "audio_embedding":
        return _lie_of_rows(rows["audio_embedding"].feature, payload, rng)
    if way == "rows":
        name = payload.kind
    if way == "remove":
        context.pop(name, None)
        return f"no {name}"
    feature = context[name]
    kind = feature.WhichOneof("kind") or "int64_list"
    if way == "kind":
        kind = _LISTS[int(rng.integers(3))]
        feature.ClearField(feature.WhichOneof("kind") or kind)
    pool = {"int64_list": _INTS, "float_list": _FLOATS, "bytes_list": _STRINGS}[kind]
    values = getattr(feature, kind).value
    odd = pool[int(rng.integers(len(pool)))]
    if name == payload.kind and kind == "bytes_list":
        raw = values[0] if values else b""
        odd, _ = mutations.damaged(raw, rng)
        if np.dtype(payload.dtype).kind == "f" and rng.random() < 0.5:
            numbers = np.frombuffer(raw, payload.dtype).copy()
            numbers[: 1 + int(rng.integers(numbers.size or 1))] = _FLOATS[
                int(rng.integers(len(_FLOATS)))
            ]
            odd = numbers.tobytes()
    if way == "length":
        if values and rng.random() < 0.4:
            del values[int(rng.integers(len(values))) :]
        else:
            values.extend([odd] * int(rng.integers(1, 4)))
    elif values:
        values[int(rng.integers(len(values)))] = odd
    else:
        values.append(odd)
    return f"{way} of {name}"


def _lie_of_rows(rows, payload, rng):
    size = payload.row_size * np.dtype(payload.dtype).itemsize
    at = int(rng.integers(len(rows)))
    way = int(rng.integers(6))
    if way == 0:
        rows[at].bytes_list.value[:] = [rng.bytes(int(rng.integers(2 * size)))]
    elif way == 1:
        del rows[:]
    elif way == 2:
        rows[at].bytes_list.value[:] = []
    elif way == 3:
        rows[at].bytes_list.value.append(bytes(size))
    elif way == 4:
        rows[at].int64_list.value[:] = [1] * size
    else:
        values = np.full(payload.row_size, _FLOATS[int(rng.integers(3))], "f4")
        rows[at].bytes_list.value[:] = [values.astype("f4").tobytes()]
    return f"rows, {way}"


# --- reading by hand ------------------------------------------------------------------


def _table():
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
        found.append(byte)
    return found


_CRC = _table()


def masked(data):
    """The checksum of a TFRecord file: CRC-32C, turned and moved."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(record):
    """A record as it lies in a file."""
    length = struct.pack("<Q", len(record))
    return b"".join(
        (
            length,
            struct.pack("<I", masked(length)),
            record,
            struct.pack("<I", masked(record)),
        )
    )


def frames(contents):
    """The records of a file up to the first that is not whole, and whether one is."""
    found, at = [], 0
    while at < len(contents):
        end = at + 12 + int.from_bytes(contents[at : at + 8], "little")
        record = contents[at + 12 : end]
        if contents[at : end + 4] != framed(record):
            return found, True
        found.append(record)
        at = end + 4
    return found, False


def read_by_hand(record, payload):
    """(id, labels, has_strong, events, values), or why there is no such clip."""
    try:
        example = tf.train.SequenceExample.FromString(record)
    except Exception as error:  # whatever protobuf says of bytes that are no message
        return f"no message: {error}"
    context = example.context.feature

    def of(name, kind):
        found = context[name].WhichOneof("kind") if name in context else None
        if found not in (None, kind):
            raise ValueError(f"{name} is a {found}")
        return list(getattr(context[name], kind).value) if found else []

    try:
        ids = of("video_id", "bytes_list")
        if len(ids) != 1 or not ids[0] or any(b < 32 or b == 127 for b in ids[0]):
            raise ValueError(f"ids {ids}")
        labels, strong = of("labels", "int64_list"), of("strong_labels", "int64_list")
        if any(not 0 <= label < len(CLASSES) for label in labels + strong):
            raise ValueError(f"labels {labels}, {strong}")
        times = [
            of(f"strong_{kind}_seconds", "float_list") for kind in ("onsets", "offsets")
        ]
        if not len(strong) == len(times[0]) == len(times[1]):
            raise ValueError("lists of several lengths")
        for on, off in zip(*times):
            if not 0 <= on <= off < math.inf:
                raise ValueError(f"an event from {on} to {off}")
        has_strong = of("has_strong", "int64_list") or [0]
        if len(has_strong) > 1:
            raise ValueError(f"has_strong {has_strong}")
        if payload.kind == "audio_embedding":
            features = example.feature_lists.feature_list["audio_embedding"].feature
            rows = [list(feature.bytes_list.value) for feature in features]
            if any(len(row) != 1 for row in rows):
                raise ValueError("rows of several values")
            raw = b"".join(row[0] for row in rows)
            size = payload.row_size * np.dtype(payload.dtype).itemsize
            if any(len(row[0]) != size for row in rows):
                raise ValueError("rows of another length")
        else:
            (raw,) = of(payload.kind, "bytes_list")
        values = np.frombuffer(raw, payload.dtype)
        if not values.size or values.size % payload.row_size:
            raise ValueError(f"{values.size} values")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("NaN or infinity")
    except ValueError as error:
        return str(error)
    events = [
        Event(*event)
        for event in zip(strong, *(np.float32(column).tolist() for column in times))
    ]
    values = values.reshape(-1, payload.row_size)
    return ids[0], sorted(set(labels)), has_strong[0] > 0, events, values


# --- reading by the package -----------------------------------------------------------


def check(made, folder):
    data = folder / "data"
    payload = PAYLOADS[json.loads((data / INFO).read_text())["name"]]
    serialized, is_broken = frames((data / SHARD).read_bytes())
    expected = [read_by_hand(record, payload) for record in serialized]
    _check_one_by_one(data, payload, serialized, expected, is_broken)
    found = sources.open_data([data])
    original = _original(made / payload_name(payload) / SHARD)
    for number, clip in enumerate(expected):
        if isinstance(clip, str) and clip.startswith("no message"):
            # a byte that TensorFlow has no use for
            clip = expected[number] = read_by_hand(original[number], payload)
        if isinstance(clip, str):
            raise Wrong(f"record {number} was taken: {clip}")
    if is_broken:
        raise Wrong("a broken file was taken")
    if len(found) != len(expected):
        raise Wrong(f"{len(found)} clips, expected {len(expected)}")
    for number, (clip_id, labels, has_strong, events, _) in enumerate(expected):
        read = (
            found.clip_ids[number],
            found.labels[number].tolist(),
            bool(found.has_strong[number]),
            found.events_of(number),
        )
        if read != (clip_id, labels, has_strong, events):
            raise Wrong(f"record {number} was read as {read}")
    stored = list(found.open_serialized().batch(1000).as_numpy_iterator())
    _check_features(np.concatenate(stored), payload, expected)
    return "as the original" if serialized == original else "as the records say"


def payload_name(payload):
    return next(name for name, one in PAYLOADS.items() if one == payload)


@functools.lru_cache(None)
def _original(path: pathlib.Path):
    return frames(path.read_bytes())[0]


def _check_features(serialized, payload, expected):
    """What a model would read."""
    if payload.kind == "waveform":  # becomes a spectrum
        return
    read = parsing.features(tf.constant(serialized), payload)
    values, counts = read["features"].numpy(), read["num_frames"].numpy()
    for number, clip in enumerate(expected):
        wanted = clip[-1].astype(np.float32)
        if payload.dtype == "uint8" and payload.kind == "log_mel":
            wanted = None
        own = values[number, : counts[number]]
        if wanted is not None and not np.array_equal(own, wanted):
            raise Wrong(f"record {number} has other features")
        if counts[number] != len(clip[-1]) or not np.isfinite(own).all():
            raise Wrong(f"record {number} has {counts[number]} rows, or odd ones")


def _check_one_by_one(data, payload, serialized, expected, is_broken):
    """Each record for itself, as they are prepared from and as shards are answered."""
    read, bad = embedding_shards.scan(
        data, [SHARD], lambda record, number: records.parse_clip(record, payload)
    )
    (shard,) = read
    if shard.num_records != len(serialized):
        raise Wrong(f"{shard.num_records} records, expected {len(serialized)}")
    if is_broken != any(one.kind == "corrupt" for one in bad):
        raise Wrong(f"a file that is{'' if is_broken else ' not'} broken: {bad}")
    taken = iter(shard.found)
    for number, wanted in enumerate(expected):
        if number in shard.wrong:
            continue
        clip = next(taken)
        if isinstance(wanted, str):
            outside = any(not 0 <= c < len(CLASSES) for c in clip.labels)
            outside |= any(not 0 <= e.label < len(CLASSES) for e in clip.events or ())
            if not outside and "labels" not in wanted:
                raise Wrong(f"record {number} alone was taken: {wanted}")
        elif (clip.clip_id.encode(errors="replace"), sorted(set(clip.labels))) != (
            wanted[0].decode(errors="replace").encode(),
            wanted[1],
        ):
            raise Wrong(f"record {number} alone was read as {clip}")
        elif not np.array_equal(clip.payload.reshape(wanted[4].shape), wanted[4]):
            raise Wrong(f"record {number} alone has other values")
    with_errors = {one.file for one in bad}
    for number, wanted in enumerate(expected):
        if not isinstance(wanted, str) and f"{SHARD}#{number + 1}" in with_errors:
            raise InputError(f"{SHARD}: record {number} was refused and is in order")
