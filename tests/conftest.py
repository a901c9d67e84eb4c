"""What several test modules need: the shared data, and small data sets made once."""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from tfweak import records
from tfweak.labels import ClassList, Event

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"
CLASSES = ClassList(("dog", "siren", "horn"))


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data, where the machine has it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not on this machine ({folder})")
    return folder


def make_embeddings(
    folder: pathlib.Path, count: int = 60, seed: int = 0, strong: bool = True
) -> pathlib.Path:
    """Records of embeddings in which a class raises a block of its own dimensions.

    Every third clip has strong labels; clips have 1 to 10 rows.
    """
    rng = np.random.default_rng(seed)
    payload = records.OFFICIAL_EMBEDDINGS
    clips = []
    for i in range(count):
        rows = int(rng.integers(1, 11))
        values = rng.integers(100, 156, (rows, 128))
        labels = sorted(np.flatnonzero(rng.random(len(CLASSES)) < 0.5).tolist())
        events = []
        for label in labels:
            start = int(rng.integers(0, rows))
            end = int(rng.integers(start, rows)) + 1
            values[start:end, 40 * label : 40 * label + 40] += 90
            events.append(Event(label, 0.96 * start, 0.96 * end))
        clips.append(
            records.Clip(
                f"clip-{seed}-{i}",
                labels,
                values.astype(np.uint8),
                events if strong and i % 3 == 0 else None,
                0.0,
                0.96 * rows,
            )
        )
    folder.mkdir(parents=True)
    half = count // 2
    for number, part in enumerate((clips[:half], clips[half:])):
        records.write_shard(
            folder / f"part-{number}.tfrecord",
            (records.encode(clip, payload) for clip in part),
        )
    records.DatasetInfo("made", payload, CLASSES, count, strong).write(folder)
    return folder


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return make_embeddings(tmp_path_factory.mktemp("data") / "embeddings")
