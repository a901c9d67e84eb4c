"""What teachers say: stored, read clip by clip, mixed as labels are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfweak.data import pipelines, sources, teacher_scores
from tfweak.data.pipelines import InputConfig

FINGERPRINT = {"teachers": ["a"]}


@pytest.fixture
def data(embeddings):
    return sources.open_data([embeddings])


def answers_to(data):
    """Clip scores, and segment scores of 1 to 7 segments, of whole eighths."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 9, (len(data), 3)) / 8
    counts = rng.integers(1, 8, len(data))
    return clip, rng.integers(1, 9, (len(data), 7, 3)) / 8, counts


def write(folder, data, until=None, has_segments=True):
    clip, segments, counts = answers_to(data)
    with teacher_scores.Writer(folder, data, FINGERPRINT, has_segments, 8) as writer:
        for first in range(writer.done, len(data), 8):
            if first == until:
                raise KeyboardInterrupt
            part = slice(first, first + 8)
            if has_segments:
                writer.add(clip[part], segments[part], counts[part])
            else:
                writer.add(clip[part])
    return clip, segments, counts


def check(folder, data):
    clip, segments, counts = answers_to(data)
    found = teacher_scores.read(folder, data, FINGERPRINT)
    chosen = np.random.default_rng(1).permutation(len(data))[:20]
    np.testing.assert_array_equal(found.of_clips(chosen), clip[chosen])
    for width in (7, 4):
        out = found.of_segments(chosen, width)
        assert out.shape == (20, width, 3) and out.dtype == np.float32
        for i, clip_number in enumerate(chosen):
            expected = np.zeros((7, 3))
            count, labels = counts[clip_number], data.labels[clip_number]
            expected[:count, labels] = segments[clip_number, :count, labels].T
            np.testing.assert_array_equal(out[i], expected[:width])


def test_what_is_written_is_read(data, tmp_path):
    write(tmp_path / "a", data)
    check(tmp_path / "a", data)
    # 2 bytes for each label and segment, and no more
    counts = answers_to(data)[2]
    values = int((data.labels.lengths * counts).sum())
    assert (tmp_path / "a" / "segment_probs").stat().st_size == 2 * values
    assert not (tmp_path / "a.partial").exists()


def test_clip_scores_alone(data, tmp_path):
    clip, _, _ = write(tmp_path / "a", data, has_segments=False)
    found = teacher_scores.read(tmp_path / "a", data, FINGERPRINT)
    assert found.segment_probs is None
    np.testing.assert_array_equal(found.of_clips(np.array([5, 2])), clip[[5, 2]])


def test_killed_and_gone_on_with(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", data, until=24)
    assert not (tmp_path / "a").exists()
    assert teacher_scores.read(tmp_path / "a", data, FINGERPRINT) is None
    partial = tmp_path / "a.partial"
    # killed between two files: what the last one lacks is written again
    with open(partial / "segment_probs", "ab") as file:
        file.write(b"\0" * 7)
    with open(partial / "clip_probs", "ab") as file:
        file.write(b"\0" * 15)
    writer = teacher_scores.Writer(tmp_path / "a", data, FINGERPRINT, True, 8)
    assert writer.done == 24
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    write(tmp_path / "a", data)
    check(tmp_path / "a", data)


def test_other_teachers_begin_anew(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", data, until=24)
    writer = teacher_scores.Writer(tmp_path / "a", data, {"teachers": ["b"]}, True, 8)
    assert writer.done == 0
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    write(tmp_path / "a", data)
    assert teacher_scores.read(tmp_path / "a", data, {"teachers": ["b"]}) is None
    assert teacher_scores.read(tmp_path / "b", data, FINGERPRINT) is None


def test_the_digest_knows_order_and_labels(data):
    turned = data.clip_ids.copy()
    turned[:2] = turned[1], turned[0]
    values = data.labels.values.copy()
    values[0] = (values[0] + 1) % 3
    labels = dataclasses.replace(data.labels, values=values)
    found = {
        teacher_scores.digest(one)
        for one in (
            data,
            dataclasses.replace(data),
            dataclasses.replace(data, clip_ids=turned),
            dataclasses.replace(data, labels=labels),
        )
    }
    assert len(found) == 3


def test_they_reach_y_and_mixup_mixes_them(data, tmp_path):
    write(tmp_path / "a", data)
    teacher = teacher_scores.read(tmp_path / "a", data, FINGERPRINT)
    config = InputConfig(16, num_frames=10, teacher=teacher)
    (x, y), *_ = pipelines.TrainingInput(data, config).epoch(0)
    assert x["features"].shape == (16, 10, 128)
    assert y["teacher_clip_probs"].shape == (16, 3)
    assert y["teacher_segment_probs"].shape == (16, 10, 3)
    # nothing is said of classes without a tag
    spoken_of = tf.reduce_max(y["teacher_segment_probs"], axis=1) > 0
    np.testing.assert_array_equal(spoken_of, y["weak"] == 1)
    rows = {tuple(row) for row in answers_to(data)[0]}
    assert {tuple(row) for row in y["teacher_clip_probs"].numpy()} <= rows

    # shares and partners are those of the labels: make the labels tell them
    size = 16
    own = {**y, "weak": tf.eye(size)}
    _, mixed = pipelines.mix(x, own, 1.0, tf.constant([3, 4]))
    shares = mixed["weak"].numpy()
    assert (np.count_nonzero(shares, axis=1) <= 2).all() and (shares < 1).any()
    for name in ("teacher_clip_probs", "teacher_segment_probs"):
        expected = np.tensordot(shares, y[name].numpy(), 1)
        np.testing.assert_allclose(mixed[name], expected, atol=1e-6)


def test_whole_clips_and_larger_data_have_them_too(data, tmp_path):
    clip, _, _ = write(tmp_path / "a", data)
    teacher = teacher_scores.read(tmp_path / "a", data, FINGERPRINT)
    for cache_bytes in (0, 1 << 30):
        config = InputConfig(16, cache_bytes=cache_bytes, teacher=teacher)
        whole = pipelines.TrainingInput(data, config).whole_clips()
        found = np.concatenate([y["teacher_clip_probs"] for _, y in whole])
        np.testing.assert_array_equal(found, clip)
        seen = 0
        for x, y in pipelines.TrainingInput(data, config).epoch(1):
            assert y["teacher_segment_probs"].shape[1] == x["features"].shape[1]
            seen += len(y["weak"])
        assert seen == len(data)
