"""Records that lie: named by file and clip, before anything is trained on them."""

from __future__ import annotations

import dataclasses
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfweak.data import records, shard_files, sources
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

CLASSES = ClassList(("a", "b", "c"))
LOG_MEL = Payload("log_mel", "float16", {"num_mel_bins": 4})
CONSTANT_Q = Payload("constant_q", "float16", {"num_bins": 4})
RAW = Payload("audio_embedding", "float32", {"embedding_size": 4})
WAVEFORM = Payload("waveform", "int16", {"sample_rate_hz": 16000})
VALUES = {
    RELEASED_EMBEDDINGS.kind: np.ones((3, 128), np.uint8),
    "log_mel": np.ones((3, 4), np.float16),
    "constant_q": np.ones((3, 4), np.float16),
    "waveform": np.ones(100, np.int16),
}


def example(clip_id="odd", payload=RELEASED_EMBEDDINGS):
    """A record to be changed; it has one strong label."""
    values = VALUES[payload.kind]
    if payload is RAW:
        values = np.ones((3, 4), np.float32)
    clip = records.Clip(clip_id, [0], values, [Event(0, 0.0, 1.0)])
    return tf.train.SequenceExample.FromString(records.encode(clip, payload))


def rows_of(record):
    return record.feature_lists.feature_list["audio_embedding"].feature


def write(folder, *made, payload=RELEASED_EMBEDDINGS, **info):
    """A folder whose first record is in order."""
    folder.mkdir(exist_ok=True)
    serialized = [example("first", payload), *made]
    records.write_shard(
        folder / "x.tfrecord", [record.SerializeToString() for record in serialized]
    )
    records.DatasetInfo("x", payload, CLASSES, **info).write(folder)
    return folder


def refused(folder, message):
    with pytest.raises(InputError, match=message) as caught:
        sources.open_data([folder])
    assert "x.tfrecord" in str(caught.value)


@pytest.mark.parametrize(
    "onset, offset",
    [
        (np.nan, 1),
        (0, np.nan),
        (np.inf, np.inf),
        (0, np.inf),
        (-1, 1),
        (2, 1),
    ],
)
@pytest.mark.parametrize(
    "payload", [RELEASED_EMBEDDINGS, LOG_MEL, CONSTANT_Q, WAVEFORM]
)
def test_impossible_times(tmp_path, payload, onset, offset):
    record = example(payload=payload)
    record.context.feature["strong_onsets_seconds"].float_list.value[:] = [onset]
    record.context.feature["strong_offsets_seconds"].float_list.value[:] = [offset]
    refused(
        write(tmp_path / "x", record, payload=payload), "'odd'.*expected 0 <= onset"
    )
    with pytest.raises(InputError, match="'odd'.*expected 0 <= onset"):
        records.parse_clip(record.SerializeToString(), payload)
    clip = records.Clip(
        "odd", [0], VALUES[payload.kind], [Event(0, float(onset), float(offset))]
    )
    with pytest.raises(InputError, match="'odd'.*expected 0 <= onset"):
        records.encode(clip, payload)


def test_times_at_the_edges_are_taken(tmp_path):
    record = example()
    # an event after which others end, and one that rounding made empty
    record.context.feature["strong_labels"].int64_list.value[:] = [0, 2]
    record.context.feature["strong_onsets_seconds"].float_list.value[:] = [0, 9]
    record.context.feature["strong_offsets_seconds"].float_list.value[:] = [1e4, 9]
    found = sources.open_data([write(tmp_path / "x", record)])
    assert found.events_of(1) == [Event(0, 0.0, 1e4), Event(2, 9.0, 9.0)]


def test_lists_of_unequal_length_are_not_cut(tmp_path):
    record = example()
    record.context.feature["strong_labels"].int64_list.value[:] = [0, 1]
    refused(write(tmp_path / "x", record), "'odd'.*not as many strong labels")
    with pytest.raises(InputError, match="'odd'.*not as many strong labels"):
        records.parse_clip(record.SerializeToString(), RELEASED_EMBEDDINGS)


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 5, 256])
def test_rows_of_another_length(tmp_path, row, size):
    record = example()
    rows_of(record)[row].bytes_list.value[:] = [bytes(size)]
    refused(write(tmp_path / "x", record), "'odd'.*not all of them whole")


def test_clips_of_unequal_length_are_taken(tmp_path):
    shorter, longer = example("shorter"), example("longer")
    del rows_of(shorter)[1:]
    rows_of(longer).add().bytes_list.value.append(bytes(128))
    assert len(sources.open_data([write(tmp_path / "x", shorter, longer)])) == 3


@pytest.mark.parametrize("payload", [LOG_MEL, CONSTANT_Q, RAW])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, payload, value):
    record = example(payload=payload)
    values = np.ones(4, payload.dtype)
    values[2] = value
    if payload is RAW:
        rows_of(record)[1].bytes_list.value[:] = [values.tobytes()]
    else:
        record.context.feature[payload.kind].bytes_list.value[:] = [values.tobytes()]
    folder = write(tmp_path / "x", record, payload=payload)
    refused(folder, f"'odd'.*the {payload.kind} holds NaN or infinity")
    with pytest.raises(InputError, match="'odd'.*holds NaN or infinity"):
        records.parse_clip(record.SerializeToString(), payload)


@pytest.mark.parametrize("clip_id", [b"", b"a\nb", b"a\tb", b"a\0b", b"\x7f"])
def test_ids_that_no_table_can_hold(tmp_path, clip_id):
    record = example()
    record.context.feature["video_id"].bytes_list.value[:] = [clip_id]
    refused(
        write(tmp_path / "x", record), "the id is empty, or holds a tab, a line end"
    )


@pytest.mark.parametrize(
    "name", ["labels", "strong_labels", "strong_onsets_seconds", "has_strong"]
)
def test_features_of_another_type(tmp_path, name):
    record = example()
    record.context.feature[name].bytes_list.value[:] = [b"a"]
    expected = "float_list" if "seconds" in name else "int64_list"
    refused(
        write(tmp_path / "x", record),
        f"record 1: clip 'odd': {name} is a bytes_list, expected a {expected}",
    )


def test_two_values_where_one_belongs(tmp_path):
    record = example(payload=LOG_MEL)
    record.context.feature["log_mel"].bytes_list.value[:] = [b"a" * 8, b"b" * 8]
    folder = write(tmp_path / "x", record, payload=LOG_MEL)
    refused(folder, "x.tfrecord, record 1: .*log_mel has 2 strings")


# --- shards as a whole ----------------------------------------------------------------


def test_a_summary_is_that_of_what_tensorflow_reads(tmp_path):
    path = tmp_path / "x.tfrecord"
    made = [bytes([i]) * i for i in range(20)]
    records.write_shard(path, made)
    found = shard_files.summary(path)
    assert found[:2] == (20, path.stat().st_size) and not found.problem
    made[7] = b"\1" + made[7][1:]
    records.write_shard(path, made)
    other = shard_files.summary(path)
    assert other[:2] == found[:2] and other.checksum != found.checksum
    records.write_shard(path, [])
    assert shard_files.summary(path) == (0, 0, "00000000", "")


@pytest.mark.parametrize("removed", [1, 4, 10, 17, 40])
def test_a_summary_counts_the_whole_records_of_a_cut_shard(tmp_path, removed):
    path = tmp_path / "x.tfrecord"
    records.write_shard(path, [b"12345678"] * 3)  # 24 bytes each in the file
    contents = path.read_bytes()
    path.write_bytes(contents[:-removed])
    found = shard_files.summary(path)
    assert found.num_records == (72 - removed) // 24
    assert "not a whole record" in found.problem


def masked(data):
    """The checksum of a TFRecord file (CRC-32C, turned and moved), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_forged_length_does_not_reach_tensorflow(tmp_path):
    folder = write(tmp_path / "x", example())
    path = folder / "x.tfrecord"
    length = struct.pack("<Q", 1 << 40)
    forged = length + struct.pack("<I", masked(length)) + b"and no more than this"
    # the checksum is what TensorFlow wants: it is that of a whole record, too
    first = path.read_bytes()
    assert struct.pack("<I", masked(first[:8])) == first[8:12]
    path.write_bytes(first + forged)
    # in a process of its own, which the length would end
    code = f"""
from tfweak.data import sources
from tfweak.data_prep.inputs import embedding_shards
import pathlib
found = []
try:
    for record in embedding_shards.read_records(pathlib.Path({str(path)!r})):
        found.append(record)
except ValueError as error:
    print(len(found), error)
sources.open_data([{str(folder)!r}])
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("2 not a whole TFRecord file")
    assert "x.tfrecord: broken or truncated (the 33 bytes at its end" in done.stderr


def test_a_lost_shard_is_missed(tmp_path):
    folder = write(tmp_path / "x", example(), num_clips=2)
    records.write_shard(folder / "y.tfrecord", [example("more").SerializeToString()])
    # folders of which nobody noted the shards tell by the count
    with pytest.raises(InputError, match="x: its shards hold 3 clips.*says 2"):
        sources.open_data([folder])
    summaries = {
        path.name: shard_files.summary(path) for path in folder.glob("*.tfrecord")
    }
    info = records.DatasetInfo(
        "x", RELEASED_EMBEDDINGS, CLASSES, 3, True, shards=summaries
    )
    info.write(folder)
    assert records.DatasetInfo.read(folder).shards == summaries
    assert len(sources.open_data([folder])) == 3
    dataclasses.replace(info, num_clips=2).write(folder)
    with pytest.raises(InputError, match="x: its shards hold 3 clips.*says 2"):
        sources.open_data([folder])
    info.write(folder)
    (folder / "y.tfrecord").rename(folder / "z.tfrecord")
    with pytest.raises(InputError, match="x: the shard y.tfrecord is missing"):
        sources.open_data([folder])
    (folder / "z.tfrecord").rename(folder / "y.tfrecord")
    records.write_shard(folder / "0.tfrecord", [example("new").SerializeToString()])
    with pytest.raises(InputError, match="shard 0.tfrecord is not among those"):
        sources.open_data([folder])
    (folder / "0.tfrecord").unlink()
    # as many clips and bytes, but others
    records.write_shard(folder / "y.tfrecord", [example("MORE").SerializeToString()])
    with pytest.raises(InputError, match="shard y.tfrecord is not the one"):
        sources.open_data([folder])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: rows_of(r)[1].bytes_list.value.append(bytes(128)), "row 1 has 2"),
        (lambda r: rows_of(r)[1].bytes_list.value.pop(), "row 1 has 0 strings"),
        (lambda r: rows_of(r).__delitem__(slice(None)), "no rows of audio_embedding"),
        (
            lambda r: r.context.feature["video_id"].bytes_list.value.append(b"b"),
            "video_id has 2 strings",
        ),
        (
            lambda r: r.context.feature["has_strong"].int64_list.value.append(0),
            "has_strong has 2 values",
        ),
    ],
)
def test_a_record_alone_with_another_number_of_values(tmp_path, change, message):
    record = example()
    change(record)
    with pytest.raises(InputError, match=message):
        records.parse_clip(record.SerializeToString(), RELEASED_EMBEDDINGS)
    with pytest.raises(InputError, match="x.tfrecord"):
        sources.open_data([write(tmp_path / "x", record)])
