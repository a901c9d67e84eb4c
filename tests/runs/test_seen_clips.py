"""What a run has seen, through transfer steps too, and the refusal of overlaps."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from made import make_embeddings, uncount

from tfweak import open_data
from tfweak.errors import InputError
from tfweak.models.runs import seen_clips
from tfweak.models.training import trainer


def ids(*names):
    return np.array([name.encode() for name in names], object)


def test_round_trip_and_transfer_over_two_steps(tmp_path):
    first, second, third = (tmp_path / name for name in "abc")
    for folder in (first, second, third):
        folder.mkdir()
    seen_clips.write(first, ids("-a", "b"), ids("c"))
    seen_clips.write(second, ids("d"), ids("e"), source=first)
    seen_clips.write(third, ids("f"), ids("g"), source=second)
    assert seen_clips.read(third) == {
        "train": {b"f"},
        "valid": {b"g"},
        "transferred": {b"-a", b"b", b"c", b"d", b"e"},
    }


def test_each_role_is_named(tmp_path):
    seen_clips.write(tmp_path, ids("a", "b"), ids("c"))
    assert seen_clips.check_unseen(tmp_path, ids("x", "y"), "--data") == 0
    with pytest.raises(InputError) as error:
        seen_clips.check_unseen(tmp_path, ids("b", "c", "x"), "--data")
    text = str(error.value)
    assert "--data: 2 of its 3 clips" in text
    assert "1 that it was trained on (such as 'b')" in text
    assert "1 that its best epoch was chosen on (such as 'c')" in text
    found = seen_clips.check_unseen(tmp_path, ids("b", "c", "x"), "--data", True)
    assert found == 2


@pytest.mark.parametrize("content", [None, b"", b"not gzip", b"\x1f\x8b\x08broken"])
def test_a_run_without_its_list_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / seen_clips.FILE_NAME).write_bytes(content)
    with pytest.raises(InputError, match="nobody knows which clips"):
        seen_clips.read(tmp_path)


def config(data: pathlib.Path, out: pathlib.Path, **more) -> trainer.TrainConfig:
    settings = {
        "model_settings": {"hidden_units": 8, "hidden_layers": 1, "feature_units": 8},
        "epochs": 1,
        "batch_size": 16,
        "precision": "float32",
        "valid_fraction": 0.3,
    }
    return trainer.TrainConfig(data=[str(data)], out=str(out), **{**settings, **more})


def test_training_notes_refuses_and_excludes(tmp_path):
    one = make_embeddings(tmp_path / "one", 40, seed=11)
    other = make_embeddings(tmp_path / "other", 40, seed=12)
    trainer.train(config(one, tmp_path / "first"))
    every = set(open_data([one]).clip_ids)
    seen = seen_clips.read(tmp_path / "first")
    assert seen["train"] | seen["valid"] == every and not seen["train"] & seen["valid"]

    # the second step would choose its epoch on clips that the first has learnt from
    init = f"run:{tmp_path / 'first'}"
    with pytest.raises(InputError, match="validation: .* clips are known to the run"):
        trainer.train(config(one, tmp_path / "second", init=init))
    trainer.train(config(one, tmp_path / "second", init=init, allow_overlap=True))
    trainer.train(config(other, tmp_path / "third", init=init))
    with pytest.raises(InputError, match="weights come from had seen"):
        seen_clips.check_unseen(tmp_path / "third", open_data([one]).clip_ids, "--data")

    # training without the clips that will test
    half = tmp_path / "half"
    half.mkdir()
    (half / "part-0.tfrecord").write_bytes((one / "part-0.tfrecord").read_bytes())
    (half / "dataset_info.json").write_bytes((one / "dataset_info.json").read_bytes())
    uncount(half)
    trainer.train(config(one, tmp_path / "fourth", exclude_data=[str(half)]))
    tested = open_data([half]).clip_ids
    assert len(tested) == 20
    assert seen_clips.check_unseen(tmp_path / "fourth", tested, "--data") == 0
    with pytest.raises(InputError, match="all 40 clips are excluded"):
        trainer.train(config(one, tmp_path / "fifth", exclude_data=[str(one)]))
