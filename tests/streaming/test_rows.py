"""Rows in blocks are the rows of the whole waveform."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import tfweak
from tfweak.audio.front_ends import FRONT_ENDS
from tfweak.models.streaming import rows


@dataclasses.dataclass(frozen=True)
class Spread(tfweak.Extractor):
    """Windows of 0.5 s that overlap."""

    name = "spread"
    sample_rate_hz = 8000
    window_seconds = 0.5
    hop_seconds = 0.125
    embedding_size = 1

    def embed_windows(self, waveform):
        windows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
        return tf.math.reduce_std(windows, axis=1, keepdims=True)


READERS = {**FRONT_ENDS, "extractor": Spread()}


def pieces_of(waveform, seed=0):
    """Cut at random places, some of them next to each other."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(1, len(waveform), 12))
    return [piece for piece in np.split(waveform, places) if len(piece)]


def whole(reader, waveform):
    embeds = isinstance(reader, tfweak.Extractor)
    return reader.embed(waveform) if embeds else reader.compute(waveform)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("seconds", [1.1, 1.6, 3.37])
def test_blocks_have_the_rows_of_the_whole(name, seconds, monkeypatch):
    reader = READERS[name]
    monkeypatch.setattr(rows, "_FRAMES_SECONDS", 0.5)
    monkeypatch.setattr(rows, "BLOCK_SECONDS", 0.5)
    rng = np.random.default_rng(1)
    count = round(seconds * reader.sample_rate_hz)
    waveform = rng.uniform(-0.9, 0.9, count).astype(np.float32)
    expected = whole(reader, waveform)
    blocks = list(rows.rows_in_blocks(reader, pieces_of(waveform)))
    assert len(blocks) > 1 and len(np.concatenate(blocks)) == len(expected)
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_one_block_has_the_same_bits(name):
    reader = READERS[name]
    rng = np.random.default_rng(2)
    for seconds in (0.01, 0.6, 2.0):  # the first is shorter than any window
        count = round(seconds * reader.sample_rate_hz)
        waveform = rng.uniform(-0.9, 0.9, count).astype(np.float32)
        expected = whole(reader, waveform)
        (block,) = rows.rows_in_blocks(reader, pieces_of(waveform), 10)
        np.testing.assert_array_equal(block, expected)


def test_a_block_holds_as_many_as_are_asked_for():
    front_end = FRONT_ENDS["vggish"]  # a frame each 10 ms
    assert rows.block_rows(front_end) == 2000
    assert rows.block_rows(front_end, 5000) == 5000
    assert rows.block_rows(Spread()) == 480  # a minute
