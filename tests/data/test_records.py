"""The record schema: round trips, official shards, broken bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

LOG_MEL = Payload("log_mel", "float16", {"num_mel_bins": 8})
WAVEFORM = Payload("waveform", "int16", {"sample_rate_hz": 16000})


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_round_trip(data):
    payload = data.draw(st.sampled_from([RELEASED_EMBEDDINGS, LOG_MEL, WAVEFORM]))
    width = {"audio_embedding": (128,), "log_mel": (8,), "waveform": ()}[payload.kind]
    rows = data.draw(st.integers(1, 12))
    elements = (
        {"allow_nan": False, "allow_infinity": False}
        if payload.dtype == "float16"
        else None
    )
    values = data.draw(npst.arrays(payload.dtype, (rows, *width), elements=elements))
    times = st.floats(0, 100, width=32)
    events = data.draw(
        st.none()
        | st.lists(
            st.tuples(st.integers(0, 9), times, times).map(
                lambda event: Event(event[0], *sorted(event[1:]))
            )
        )
    )
    clip = records.Clip(
        data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)),
        data.draw(st.lists(st.integers(0, 526), unique=True)),
        values,
        events,
        data.draw(times),
        data.draw(times),
    )
    again = records.parse_clip(records.encode(clip, payload), payload)
    np.testing.assert_array_equal(again.payload, clip.payload)
    assert again.clip_id == clip.clip_id
    assert list(again.labels) == list(clip.labels)
    assert (again.events is None) == (clip.events is None)
    assert list(again.events or ()) == list(clip.events or ())
    assert (again.start_seconds, again.end_seconds) == (
        clip.start_seconds,
        clip.end_seconds,
    )


@pytest.mark.parametrize(
    "payload, values, message",
    [
        (LOG_MEL, np.zeros((3, 8), np.float32), "float32, expected float16"),
        (LOG_MEL, np.zeros((0, 8), np.float16), "empty"),
        (LOG_MEL, np.full((3, 8), np.nan, np.float16), "NaN"),
        (LOG_MEL, np.zeros(8, np.float16), "shape"),
        (RELEASED_EMBEDDINGS, np.zeros((2, 64), np.uint8), "64 values"),
        (WAVEFORM, np.zeros((2, 2), np.int16), "shape"),
    ],
)
def test_wrong_payloads_are_refused_by_name(payload, values, message):
    with pytest.raises(InputError, match=message) as caught:
        records.encode(records.Clip("the-clip", [], values), payload)
    assert "the-clip" in str(caught.value)


def test_unknown_payload():
    with pytest.raises(InputError, match="log_mel"):
        Payload("log_mel", "int64")


def test_broken_bytes_are_an_input_error():
    with pytest.raises(InputError, match="not a clip record"):
        records.parse_clip(b"\x00nonsense", LOG_MEL)


def test_info_round_trip_and_bad_documents(tmp_path):
    info = records.DatasetInfo("x", LOG_MEL, ClassList(("a,b", "c")), 3, True, {"s": 1})
    (tmp_path / "a.tfrecord").touch()
    info.write(tmp_path)
    assert records.DatasetInfo.read(tmp_path) == info
    path = tmp_path / records.INFO_NAME
    document = json.loads(path.read_text())
    del document["checksum"]
    for broken, message in (
        ({**document, "schema_version": 99}, "schema version 99"),
        ({"schema_version": 1}, "not a dataset description"),
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=message):
            records.DatasetInfo.read(tmp_path)
    path.write_text("{")
    with pytest.raises(InputError, match="dataset_info.json"):
        records.DatasetInfo.read(tmp_path)


def test_missing_empty_and_unfinished_folders(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        records.shards(tmp_path / "none")
    with pytest.raises(InputError, match="no \\*.tfrecord"):
        records.shards(tmp_path)
    inner = tmp_path / "fold1"
    inner.mkdir()
    (inner / records.INFO_NAME).touch()
    with pytest.raises(InputError, match="fold1"):
        records.shards(tmp_path)
    (tmp_path / "a.tfrecord").touch()
    (tmp_path / records.PROGRESS_NAME).mkdir()
    with pytest.raises(InputError, match="not finished"):
        records.DatasetInfo.read(tmp_path)


def test_a_failing_writer_leaves_nothing(tmp_path):
    def examples():
        yield b"one"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        records.write_shard(tmp_path / "a.tfrecord", examples())
    assert list(tmp_path.iterdir()) == []


def test_official_shards(shared_data):
    folder = shared_data / "audioset" / "bal_train"
    info = records.DatasetInfo.read(folder)
    assert info.payload == RELEASED_EMBEDDINGS and info.classes is None
    files = records.shards(folder)
    assert len(files) == 4070
    first = next(iter(tf.data.TFRecordDataset(files[0])))
    clip = records.parse_clip(first.numpy(), info.payload)
    assert clip.payload.shape[1] == 128 and 1 <= len(clip.payload) <= 10
    assert clip.events is None and clip.labels


@pytest.mark.parametrize(
    "change",
    [
        {"payload": {"kind": "log_mel", "dtype": "float16", "parameters": 7}},
        {"payload": {"kind": [], "dtype": "float16"}},
        {"payload": {"kind": "log_mel", "dtype": "float16", "made_by": None}},
        *(
            {
                "payload": {
                    "kind": "log_mel",
                    "dtype": "float16",
                    "parameters": {"num_mel_bins": size},
                }
            }
            for size in (0, -1, 1.5, "64", None, 1 << 70, [64])
        ),
        {"classes": []},
        {"classes": 3},
        {"classes": [{"name": 1, "mid": 2}]},
        {"num_clips": "3"},
        {"has_strong": None},
        {"name": None},
        {"source": [[1, 2]]},
        {"shards": False},
        {"shards": {"a.tfrecord": 3}},
    ],
)
def test_a_description_of_other_types_is_named(tmp_path, change):
    records.DatasetInfo("x", LOG_MEL, ClassList(("a", "c")), 3, True).write(tmp_path)
    path = tmp_path / records.INFO_NAME
    document = json.loads(path.read_text())
    del document["checksum"]
    assert records.DatasetInfo.read(tmp_path)
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(InputError, match="dataset_info.json: "):
        records.DatasetInfo.read(tmp_path)
