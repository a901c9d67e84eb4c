"""Labels of batches: the one rule of segments, in NumPy and in a graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfweak.audio import mel_spectrum
from tfweak.data import records, sources, targets
from tfweak.labels import ClassList, Event, SegmentGrid
from tfweak.payload import Payload

GRID = SegmentGrid(0.16, 0.7, 0.0075)


def test_strong_labels_agree_with_the_grid_on_random_events(tmp_path):
    rng = np.random.default_rng(0)
    payload = Payload("log_mel", "float16", mel_spectrum.LogMelConfig().parameters())
    clips = []
    for i in range(20):
        events = []
        for _ in range(int(rng.integers(0, 6))):
            onset = float(np.float32(rng.uniform(0, 2)))
            length = float(np.float32(rng.exponential(0.3) + 0.01))
            events.append(Event(int(rng.integers(3)), onset, onset + length))
        # a label twice counts once
        labels = [1, 1] if i % 2 else [2]
        clips.append(records.Clip(str(i), labels, np.zeros((1, 64), "f2"), events))
    serialized = [records.encode(clip, payload) for clip in clips]
    records.write_shard(tmp_path / "a.tfrecord", serialized)
    records.DatasetInfo("x", payload, ClassList(("a", "b", "c"))).write(tmp_path)
    data = sources.open_data([tmp_path])
    make = targets.Targets(data, GRID, lambda n: -(-n // 16))
    order = rng.permutation(20)
    y = tf.function(make)(tf.constant(order), tf.constant(200))
    assert y["strong"].shape == (20, 13, 3) and np.any(y["strong"])
    for i, number in enumerate(order):
        as_stored = records.parse_clip(serialized[number], payload).events
        np.testing.assert_array_equal(y["strong"][i], GRID.labels(as_stored, 13, 3))
        expected = [0, 1, 0] if number % 2 else [0, 0, 1]
        np.testing.assert_array_equal(y["weak"][i], expected)


def test_the_rule_is_the_same_in_both():
    rng = np.random.default_rng(1)
    onsets = rng.uniform(0, 9, (500, 1)).astype(np.float32)
    offsets = onsets + rng.exponential(0.3, (500, 1)).astype(np.float32)
    starts = GRID.onsets(60).astype(np.float32)
    expected = GRID.marks(starts, onsets, offsets)
    found = GRID.marks(*map(tf.constant, (starts, onsets, offsets)), tf)
    np.testing.assert_array_equal(found, expected)
    assert 500 < expected.sum() < expected.size / 2
