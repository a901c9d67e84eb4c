"""The input pipeline: what comes out, in which order, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from made import CLASSES

from tfweak.audio import front_ends, mel_spectrum, reading
from tfweak.data import parsing, pipelines, records, sources
from tfweak.data.pipelines import InputConfig
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event, SegmentGrid
from tfweak.payload import Payload

GRID = SegmentGrid(0.96, 0.975)


def clips_of(folder):
    info = records.DatasetInfo.read(folder)
    return [
        records.parse_clip(item.numpy(), info.payload)
        for item in tf.data.TFRecordDataset(records.shards(folder))
    ]


def training_ids(data, config, epoch):
    """The first byte row of each clip, as a stand-in for its id."""
    batches = pipelines.TrainingInput(data, config).epoch(epoch)
    return [row[0].tobytes() for x, _ in batches for row in x["features"].numpy()]


def test_batches_hold_what_was_written(embeddings):
    data = sources.open_data([embeddings])
    clips = clips_of(embeddings)
    config = InputConfig(7, grid=GRID, num_segments=lambda n: n)
    position = 0
    for x, y in pipelines.evaluation_batches(data, config):
        for i in range(len(y["weak"])):
            clip = clips[position]
            position += 1
            rows = len(clip.payload)
            assert y["clip_id"][i].numpy().decode() == clip.clip_id
            assert x["num_frames"][i] == rows
            np.testing.assert_array_equal(x["features"][i, :rows], clip.payload)
            np.testing.assert_array_equal(x["features"][i, rows:], 0)
            assert np.flatnonzero(y["weak"][i]).tolist() == list(clip.labels)
            assert bool(y["has_strong"][i]) == (clip.events is not None)
            width = x["features"].shape[1]
            np.testing.assert_array_equal(
                y["strong"][i], GRID.labels(clip.events or (), width, len(CLASSES))
            )
    assert position == len(clips) == len(data)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_log_mel_payloads(dtype):
    config = mel_spectrum.LogMelConfig()
    payload = Payload("log_mel", dtype, config.parameters(dtype))
    waveform = np.random.default_rng(1).normal(size=9000) * 0.1
    frames = mel_spectrum.log_mel(waveform.astype(np.float32), config)
    stored = (
        mel_spectrum.quantise(frames) if dtype == "uint8" else frames.astype(np.float16)
    )
    serialized = tf.constant(
        [
            records.encode(records.Clip("a", [0], stored), payload),
            records.encode(records.Clip("b", [1], stored[:10]), payload),
        ]
    )
    x = parsing.features(serialized, payload)
    assert x["num_frames"].numpy().tolist() == [len(frames), 10]
    np.testing.assert_allclose(x["features"][0], frames, atol=0.022)
    np.testing.assert_array_equal(x["features"][1, 10:], 0)


def test_waveforms_become_the_same_features_as_prepared_ones():
    payload = Payload("waveform", "int16", {"sample_rate_hz": 16000})
    rng = np.random.default_rng(2)
    waves = [rng.integers(-9000, 9000, n).astype(np.int16) for n in (4000, 8000, 100)]
    serialized = tf.constant(
        [
            records.encode(records.Clip(str(i), [], wave), payload)
            for i, wave in enumerate(waves)
        ]
    )
    x = parsing.features(serialized, payload)
    for i, wave in enumerate(waves):
        padded = np.pad(wave, (0, max(0, 400 - len(wave))))
        expected = mel_spectrum.log_mel(padded / 32768)
        assert x["num_frames"][i] == len(expected)
        np.testing.assert_allclose(
            x["features"][i, : len(expected)], expected, atol=1e-4
        )


@pytest.mark.parametrize("name", ["vggish", "tlweak", "constant_q"])
def test_waveforms_in_memory_are_kept_as_features(name, tmp_path):
    """In every epoch each clip once, its labels, and its features rounded to halves."""
    payload = Payload("waveform", "int16", {"sample_rate_hz": 16000})
    rng = np.random.default_rng(3)
    clips = [
        records.Clip(
            str(i),
            [i % 2],
            rng.integers(-9000, 9000, 9000 + 2000 * i).astype(np.int16),
            None if i % 3 == 0 else [Event(i % 2, 0.1 * i, 0.1 * i + 0.3)],
        )
        for i in range(7)
    ]
    records.write_shard(
        tmp_path / "a.tfrecord", [records.encode(c, payload) for c in clips]
    )
    records.DatasetInfo("x", payload, ClassList(("a", "b"))).write(tmp_path)
    data = sources.open_data([tmp_path])
    config = InputConfig(3, front_end=front_ends.get(name), grid=SegmentGrid(0.2, 0.2))
    source = pipelines.TrainingInput(data, config)
    whole = pipelines.evaluation_batches(data, config)
    for (mine, _), (theirs, _) in zip(source.whole_clips(), whole):
        for key, values in theirs.items():  # not rounded, before the first epoch
            np.testing.assert_array_equal(mine[key], values)
    for batches in (source.epoch(0), source.epoch(1)):
        left = [clip for batch in whole for clip in unbatched(*batch)]
        assert any(clip[2].any() for clip in left)
        for mine in (clip for batch in batches for clip in unbatched(*batch)):
            # no two clips are equally long
            (found,) = (i for i, c in enumerate(left) if len(c[0]) == len(mine[0]))
            expected = left.pop(found)
            np.testing.assert_allclose(mine[0], expected[0], rtol=2**-10, atol=1e-3)
            for labels, own in zip(mine[1:], expected[1:]):
                np.testing.assert_array_equal(labels, own)
        assert not left


def unbatched(x, y):
    """Valid frames, tags, strong labels of them and whether there are any."""
    for i, rows in enumerate(x["num_frames"].numpy()):
        yield (
            x["features"][i, :rows].numpy(),
            y["weak"][i].numpy(),
            y["strong"][i, :rows].numpy(),
            y["has_strong"][i].numpy(),
        )


def test_training_clips_are_cut_and_padded(embeddings):
    data = sources.open_data([embeddings])
    for x, y in pipelines.training_batches(data, InputConfig(16, num_frames=4)):
        assert x["features"].shape[1:] == (4, 128)
        assert x["num_frames"].numpy().max() <= 4
        assert set(y) == {"weak"}


def test_no_thread_tunes_what_is_read(embeddings):
    """It would be waited for at the end of an epoch; see `_without_tuning`."""
    data, config = sources.open_data([embeddings]), InputConfig(7)
    for dataset in (
        pipelines.training_batches(data, config),
        pipelines.training_batches(data, InputConfig(7, random_rows=0.5, mixup=1.0)),
        pipelines.training_batches(data, InputConfig(7, cache_bytes=0)),
        pipelines.evaluation_batches(data, config),
        pipelines.audio_file_batches(["a.wav"], np.zeros((1, 2)), 1),
    ):
        assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
@pytest.mark.parametrize("balance", [False, True])
def test_order_follows_seed_and_epoch_alone(embeddings, cache_bytes, balance):
    data = sources.open_data([embeddings])
    config = InputConfig(8, seed=5, cache_bytes=cache_bytes, balance=balance)
    source = pipelines.TrainingInput(data, config)
    first, second = (
        [x["features"].numpy().tobytes() for x, _ in source.epoch(e)] for e in (0, 1)
    )
    again = [x["features"].numpy().tobytes() for x, _ in source.epoch(0)]
    fresh = pipelines.TrainingInput(data, config).epoch(1)
    assert first == again
    assert first != second
    assert second == [x["features"].numpy().tobytes() for x, _ in fresh]
    other = dataclasses.replace(config, seed=6)
    assert training_ids(data, config, 0) != training_ids(data, other, 0)


@pytest.mark.parametrize(
    "cache_bytes, balance, count, first",
    [
        (0, False, 51, [33, 5, 11, 36, 8, 39, 40, 9, 15, 4, 2, 32]),
        (0, True, 53, [32, 4, 10, 35, 37, 38, 39, 8, 14, 33, 2, 31]),
        (1 << 30, False, 51, [20, 24, 3, 17, 44, 0, 7, 47, 21, 52, 26, 6]),
        (1 << 30, True, 53, [20, 4, 55, 27, 37, 44, 6, 38, 47, 19, 35, 31]),
    ],
)
def test_the_order_never_changes(embeddings, cache_bytes, balance, count, first):
    # written down from a version that shuffled the records themselves: a run that was
    # killed then goes on with the batches that it would have had
    tf.random.set_seed(87654321)  # as if no test before this one had set one
    train, _ = sources.open_data([embeddings]).split(0.2, seed=3)
    number = {
        clip.payload[0].tobytes(): i for i, clip in enumerate(clips_of(embeddings))
    }
    config = InputConfig(
        8, seed=5, cache_bytes=cache_bytes, balance=balance, shuffle_clips=16
    )
    order = [
        number[row[0].astype(np.uint8).tobytes()]
        for x, _ in pipelines.TrainingInput(train, config).epoch(1)
        for row in x["features"].numpy()
    ]
    assert len(order) == count and order[:12] == first


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_an_epoch_has_every_clip_once(embeddings, cache_bytes):
    data = sources.open_data([embeddings])
    config = InputConfig(8, cache_bytes=cache_bytes)
    expected = sorted(clip.payload[0].tobytes() for clip in clips_of(embeddings))
    floats = sorted(
        np.frombuffer(row, np.float32).astype(np.uint8).tobytes()
        for row in training_ids(data, config, 0)
    )
    assert floats == expected


def test_balancing_shows_rare_classes_more_often(tmp_path):
    payload = RELEASED_EMBEDDINGS
    clips = [
        records.Clip(str(i), [0 if i < 90 else 1], np.full((1, 128), i, np.uint8))
        for i in range(100)
    ]
    records.write_shard(
        tmp_path / "a.tfrecord", [records.encode(c, payload) for c in clips]
    )
    records.DatasetInfo("x", payload, ClassList(("often", "rare"))).write(tmp_path)
    data = sources.open_data([tmp_path])
    counts = np.zeros(2)
    epochs = 20
    source = pipelines.TrainingInput(data, InputConfig(50, balance=True))
    for epoch in range(epochs):
        for _, y in source.epoch(epoch):
            counts += y["weak"].numpy().sum(0)
    # mean frequency 50: the rare class comes sqrt(50 / 10) = 2.24 times as often
    assert counts[0] / epochs == 90
    assert counts[1] / epochs == pytest.approx(10 * np.sqrt(5), rel=0.1)


def test_mixup_mixes_features_and_labels_alike():
    size = 64
    labels = np.eye(size, dtype=np.float32)
    x = {
        "features": tf.constant(labels[:, None, :]),
        "num_frames": tf.range(1, size + 1),
    }
    y = {"weak": tf.constant(labels)}
    mixed_x, mixed_y = pipelines.mix(x, y, 1.0, tf.constant([3, 4]))
    np.testing.assert_allclose(mixed_x["features"][:, 0], mixed_y["weak"], atol=1e-6)
    np.testing.assert_allclose(np.sum(mixed_y["weak"], 1), 1, atol=1e-6)
    own = np.diag(mixed_y["weak"])
    assert own.min() >= 0.5 and own.max() < 1.0001 and own.std() > 0.05
    again, _ = pipelines.mix(x, y, 1.0, tf.constant([3, 4]))
    np.testing.assert_array_equal(again["features"], mixed_x["features"])
    assert (mixed_x["num_frames"].numpy() >= x["num_frames"].numpy()).all()


def test_drawn_rows_keep_order_labels_and_padding():
    lengths = np.tile([1, 3, 4, 9, 10], 200)
    valid = np.arange(10) < lengths[:, None]
    rows = np.where(valid, np.arange(1.0, 11.0), 0.0).astype(np.float32)
    x = {"features": tf.constant(rows[..., None]), "num_frames": tf.constant(lengths)}
    y = {
        "weak": tf.ones([1000, 2]),
        "strong": tf.constant(rows[..., None] * [1.0, 2.0], tf.float32),
        "has_strong": tf.ones([1000], tf.bool),
    }
    drawn, labels = pipelines.draw_rows(x, y, 0.4, tf.constant([3, 4]))
    found = drawn["features"].numpy()[..., 0]
    counts = np.tile([1, 2, 2, 4, 4], 200)  # 0.4, 1.2, 1.6, 3.6 and 4, rounded up
    np.testing.assert_array_equal(drawn["num_frames"], counts)
    assert found.shape == (1000, 4)
    for own, wanted, length in zip(found, counts, lengths):
        assert (own[wanted:] == 0).all() and (own[:wanted] > 0).all()
        assert (np.diff(own[:wanted]) > 0).all() and own.max() <= length
    np.testing.assert_array_equal(labels["strong"], found[..., None] * [1, 2])
    assert set(labels) == set(y) and labels["weak"] is y["weak"]
    # each of the 10 rows in four of ten of the 200 clips that have them: 80 +- 7
    counts = np.bincount(found[lengths == 10].astype(int).ravel(), minlength=11)[1:]
    assert counts.sum() == 800 and (np.abs(counts - 80) < 28).all()
    again, _ = pipelines.draw_rows(x, y, 0.4, tf.constant([3, 4]))
    np.testing.assert_array_equal(again["features"], drawn["features"])
    other, _ = pipelines.draw_rows(x, y, 0.4, tf.constant([4, 4]))
    assert (other["features"].numpy() != drawn["features"].numpy()).any()
    every, all_labels = pipelines.draw_rows(x, y, 1.0, tf.constant([3, 4]))
    np.testing.assert_array_equal(every["features"], x["features"])
    np.testing.assert_array_equal(all_labels["strong"], y["strong"])
    third, _ = pipelines.draw_rows(x, y, 1 / 3, tf.constant([3, 4]))
    assert third["num_frames"][:5].numpy().tolist() == [1, 1, 2, 3, 4]


def test_official_shards_count_as_documented(shared_data):
    data = sources.open_data([shared_data / "audioset" / "bal_train"])
    assert len(data) == 22160 and len(data.classes) == 527 and data.num_strong == 0
    lengths = np.concatenate(
        [
            x["num_frames"].numpy()
            for x, _ in pipelines.evaluation_batches(data, InputConfig(1000))
        ]
    )
    assert (lengths < 10).sum() == 378 and lengths.min() >= 1 and lengths.max() == 10


def test_batches_from_audio_files_are_those_of_prepared_ones(tmp_path):
    rng = np.random.default_rng(0)
    paths, expected = [], []
    for i, (suffix, count) in enumerate((("wav", 16000), ("flac", 9000), ("wav", 300))):
        path = tmp_path / f"{i}.{suffix}"
        soundfile.write(path, rng.uniform(-0.5, 0.5, count), 16000)
        wave = reading.pad_or_cut(reading.read_audio(path), max(400, count))
        paths.append(path)
        expected.append(mel_spectrum.log_mel(wave))
    weak = np.eye(3)
    seen = 0
    for x, y in pipelines.audio_file_batches(paths, weak, 2):
        for i in range(len(y["weak"])):
            rows = len(expected[seen])
            assert x["num_frames"][i] == rows
            np.testing.assert_allclose(
                x["features"][i, :rows], expected[seen], atol=1e-3
            )
            np.testing.assert_array_equal(y["weak"][i], weak[seen])
            seen += 1
    assert seen == 3
    (x, _) = next(iter(pipelines.audio_file_batches(paths, weak, 3, num_frames=20)))
    assert x["features"].shape == (3, 20, 64)
    with pytest.raises(InputError, match="3 files but labels of shape"):
        pipelines.audio_file_batches(paths, weak[:2], 2)
