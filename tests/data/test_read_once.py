"""Opening shards: read once, checked, split by clip id."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from made import CLASSES, make_embeddings

from tfweak.audio import mel_spectrum
from tfweak.data import pipelines, records, sources
from tfweak.data.pipelines import InputConfig
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

_IO = pathlib.Path("/proc/self/io")
needs_io = pytest.mark.skipif(
    not _IO.exists(), reason="the system does not count reads"
)


def bytes_read():
    """By all threads of this process since it began."""
    return int(_IO.read_text().split()[1])


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """100 shards of 16 clips of 6 kB, 10 MB in all; and that size."""
    folder = tmp_path_factory.mktemp("shards")
    payload = Payload("log_mel", "float16", mel_spectrum.LogMelConfig().parameters())
    values = np.zeros((48, 64), np.float16)
    for s in range(100):
        clips = [
            records.Clip(f"{s}-{i}", [i % 3], values, [Event(i % 3, 0.0, 0.1)])
            for i in range(16)
        ]
        records.write_shard(
            folder / f"{s:03}.tfrecord", [records.encode(c, payload) for c in clips]
        )
    records.DatasetInfo("made", payload, CLASSES).write(folder)
    return folder, sum(path.stat().st_size for path in folder.glob("*.tfrecord"))


@needs_io
def test_opening_and_dealing_reads_each_shard_once(shards):
    folder, size = shards
    sources.open_data([folder])  # what is loaded when first used
    before = bytes_read()
    data = sources.open_data([folder])
    data.split(0.1)
    folds = data.folds(5)
    for number, (rest, test) in enumerate(folds):
        valid = folds[(number + 1) % 5][1]
        train = rest.without(valid.clip_ids)
        assert len(train) + len(valid) + len(test) == len(data) == 1600
    assert size <= bytes_read() - before < 1.1 * size


@needs_io
def test_data_that_does_not_fit_is_not_held(shards):
    folder, size = shards
    train, _ = sources.open_data([folder]).split(0.1)
    config = InputConfig(8, cache_bytes=size - 1, shuffle_clips=32)
    source = pipelines.TrainingInput(train, config)
    before = bytes_read()
    next(iter(source.epoch(0)))
    assert bytes_read() - before < 0.7 * size
    for batches in (source.whole_clips(), source.epoch(1), source.epoch(1)):
        before = bytes_read()
        assert sum(len(y["weak"]) for _, y in batches) == len(train)
        assert bytes_read() - before >= size


@needs_io
def test_data_that_fits_is_read_once_for_all_epochs(shards):
    folder, size = shards
    data = sources.open_data([folder])
    source = pipelines.TrainingInput(data, InputConfig(64, cache_bytes=size))
    before = bytes_read()
    for batches in (source.whole_clips(), source.epoch(0), source.epoch(1)):
        assert sum(len(y["weak"]) for _, y in batches) == len(data)
    assert size <= bytes_read() - before < 1.1 * size


def test_what_the_pass_told(embeddings):
    data = sources.open_data([embeddings])
    clips = [
        records.parse_clip(record, data.payload)
        for record in data.open_serialized().as_numpy_iterator()
    ]
    assert data.starts.tolist() == [0, 30, 60]
    assert data.num_bytes == sum(p.stat().st_size for p in embeddings.glob("part-*"))
    part = data.take(np.arange(60) % 7 == 3)
    assert part.positions.tolist() == list(range(3, 60, 7))
    for whole, numbers in ((data, range(60)), (part, part.positions)):
        assert len(whole) == len(numbers)
        for i, number in enumerate(numbers):
            clip = clips[number]
            assert whole.clip_ids[i] == clip.clip_id.encode()
            assert tuple(whole.labels[i]) == clip.labels
            assert whole.has_strong[i] == (clip.events is not None)
            assert tuple(whole.events_of(i)) == (clip.events or ())
        labels = [label for number in numbers for label in clips[number].labels]
        assert whole.label_counts.tolist() == [labels.count(c) for c in range(3)]
    assert [
        records.parse_clip(record, data.payload).clip_id.encode()
        for record in part.open_serialized().as_numpy_iterator()
    ] == part.clip_ids.tolist()


def numbers(data):
    return [int(clip_id.decode().split("-")[2]) for clip_id in data.clip_ids]


def test_which_clips_a_part_has_never_changes(embeddings):
    # written down from a version that hashed the ids in each pass over the shards:
    # runs and experiments of those days find their clips where they were
    data = sources.open_data([embeddings])
    train, valid = data.split(0.2, seed=3)
    assert numbers(valid) == [1, 13, 28, 30, 41, 43, 48, 56, 57]
    assert numbers(data.split(0.2)[1]) == [1, 4, 23, 28, 46, 47]
    assert [numbers(fold) for _, fold in data.folds(4, seed=5)[2:]] == [
        [9, 18, 21, 30, 39, 42, 47, 48, 50, 54],
        [10, 14, 19, 20, 22, 31, 32, 43, 45, 52],
    ]
    inner = train.folds(3)[1][1].without([b"clip-0-3", b"clip-0-50", b"clip-0-1"])
    assert numbers(inner) == [
        *(6, 7, 8, 9, 11, 12, 15, 16, 17, 20, 22, 24, 26, 27),
        *(31, 32, 35, 38, 44, 49, 54, 55),
    ]
    assert data.fingerprint()["clip_ids"] == "21117b8a7b9d52ed"
    assert valid.fingerprint()["clip_ids"] == "12bf0db9f609204c"
    assert train.label_counts.tolist() == [22, 28, 26] and train.num_strong == 17


def test_split_is_disjoint_complete_and_independent_of_files(embeddings, tmp_path):
    data = sources.open_data([embeddings])
    train, valid = data.split(0.3, seed=1)
    ids = [set(part.clip_ids) for part in (data, train, valid)]
    assert ids[1] | ids[2] == ids[0] and not ids[1] & ids[2]
    np.testing.assert_array_equal(
        train.label_counts + valid.label_counts, data.label_counts
    )
    batches = pipelines.evaluation_batches(valid, InputConfig(8))
    assert {i for _, y in batches for i in y["clip_id"].numpy()} == ids[2]
    # the same clips in another order in one file
    records.write_shard(
        tmp_path / "one.tfrecord",
        [
            item.numpy()
            for item in tf.data.TFRecordDataset(records.shards(embeddings)[::-1])
        ],
    )
    shutil.copy(embeddings / records.INFO_NAME, tmp_path)
    moved = sources.open_data([tmp_path]).split(0.3, seed=1)[1]
    assert set(moved.clip_ids) == ids[2]
    assert set(data.split(0.3, seed=2)[1].clip_ids) != ids[2]
    for fraction in (0.0, 1.0, 1e-9):
        with pytest.raises(InputError, match="fraction"):
            data.split(fraction)


def test_folders_that_do_not_go_together(embeddings, tmp_path):
    with pytest.raises(InputError, match="stands 2 times"):
        sources.open_data([embeddings, embeddings])
    other = make_embeddings(tmp_path / "other", 4, seed=9)
    info = records.DatasetInfo.read(other)
    dataclasses.replace(info, classes=ClassList(("a", "b", "c"))).write(other)
    with pytest.raises(InputError, match="classes"):
        sources.open_data([embeddings, other])
    payload = Payload(
        "audio_embedding",
        "uint8",
        {**RELEASED_EMBEDDINGS.parameters, "extractor": "mine"},
    )
    dataclasses.replace(info, payload=payload).write(other)
    with pytest.raises(InputError, match="extractor is 'mine', not 'audioset-v1"):
        sources.open_data([embeddings, other])


def test_broken_shards_are_named(embeddings, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(embeddings, folder)
    path = folder / "part-1.tfrecord"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="part-1.tfrecord.*truncated"):
        sources.open_data([folder])
    records.write_shard(path, [b"nonsense"])
    with pytest.raises(InputError, match="part-1.tfrecord, record 0"):
        sources.open_data([folder])


def test_labels_out_of_range_and_empty_clips_are_named(tmp_path):
    payload = RELEASED_EMBEDDINGS
    rows = np.zeros((1, 128), np.uint8)
    path = tmp_path / "a.tfrecord"
    records.write_shard(
        path, [records.encode(records.Clip("the-id", [7], rows), payload)]
    )
    records.DatasetInfo("x", payload, CLASSES).write(tmp_path)
    with pytest.raises(InputError, match="'the-id'.*a.tfrecord.*label 7"):
        sources.open_data([tmp_path])
    empty = tf.train.SequenceExample()
    empty.context.feature["video_id"].bytes_list.value.append(b"no-rows")
    records.write_shard(path, [empty.SerializeToString()])
    with pytest.raises(InputError, match="'no-rows'.*no rows"):
        sources.open_data([tmp_path])
    records.write_shard(path, [])
    with pytest.raises(InputError, match="no clips"):
        sources.open_data([tmp_path])


def test_broken_strong_labels_are_named(tmp_path):
    payload = RELEASED_EMBEDDINGS
    clip = records.Clip("odd", [0], np.zeros((1, 128), np.uint8), [Event(3, 0.0, 1.0)])
    record = records.encode(clip, payload)
    path = tmp_path / "a.tfrecord"
    records.DatasetInfo("x", payload, CLASSES).write(tmp_path)
    records.write_shard(path, [record])
    with pytest.raises(InputError, match="'odd'.*a.tfrecord.*label 3, but there are 3"):
        sources.open_data([tmp_path])
    broken = tf.train.SequenceExample.FromString(record)
    del broken.context.feature["strong_onsets_seconds"]
    broken.context.feature["strong_labels"].int64_list.value[0] = 2
    records.write_shard(tmp_path / "0.tfrecord", [])
    records.write_shard(path, [broken.SerializeToString()])
    with pytest.raises(InputError, match="'odd'.*a.tfrecord.*as many strong labels"):
        sources.open_data([tmp_path])
