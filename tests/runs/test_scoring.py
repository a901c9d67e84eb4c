"""A run's answers: each clip beside its own labels, and read once."""

from __future__ import annotations

import pathlib
import types

import numpy as np
import pytest
from made import CLASSES

from tfweak.data import records, sources
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import Event
from tfweak.models.architecture import create
from tfweak.models.runs import scoring

_IO = pathlib.Path("/proc/self/io")


class Echo:
    """A network that answers what it is asked."""

    def predict_on_batch(self, x):
        return {"clip_probs": x["features"][:, 0]}


@pytest.mark.skipif(not _IO.exists(), reason="the system does not count reads")
def test_answers_read_each_record_once(tmp_path):
    payload = RELEASED_EMBEDDINGS
    for s in range(20):
        clips = [
            records.Clip(
                f"{s}-{i}",
                [i % 3],
                np.full((20, 128), 12 * s + i, np.uint8),
                [Event(i % 3, 0.0, 1.0 + i)] if i % 2 else None,
            )
            for i in range(12)
        ]
        records.write_shard(
            tmp_path / f"{s:02}.tfrecord", [records.encode(c, payload) for c in clips]
        )
    records.DatasetInfo("made", payload, CLASSES).write(tmp_path)
    _, data = sources.open_data([tmp_path]).split(0.5)
    size = sum(path.stat().st_size for path in tmp_path.glob("*.tfrecord"))
    architecture = create("embedding_attention", len(CLASSES))
    run = types.SimpleNamespace(architecture=architecture, network=Echo())
    list(scoring.answers(run, data, 7))  # what is loaded when first used
    before = int(_IO.read_text().split()[1])
    seen = 0
    for _, y, outputs in scoring.answers(run, data, 7):
        for i, clip_id in enumerate(y["clip_id"].numpy()):
            assert clip_id == data.clip_ids[seen]
            shard, number = map(int, clip_id.split(b"-"))
            assert outputs["clip_probs"][i, 0] == 12 * shard + number
            assert y["has_strong"][i] == bool(number % 2)
            events = [Event(number % 3, 0.0, 1.0 + number)] if number % 2 else []
            assert y["events"][i] == events
            seen += 1
    assert seen == len(data) > 90
    assert size <= int(_IO.read_text().split()[1]) - before < 1.3 * size
