"""Runs to pass on."""

from __future__ import annotations

import errno
import os
import shutil
import time

import keras
import numpy as np
import pytest

from tfweak.errors import InputError
from tfweak.models.commands import export
from tfweak.models.runs import packaged, run_folder, seen_clips
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training import trainer


@pytest.fixture(scope="module")
def finished(embeddings, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = {"hidden_units": 16, "hidden_layers": 1, "feature_units": 8}
    trainer.train(
        TrainConfig(data=[str(embeddings)], out=str(out), model_settings=settings)
    )
    return out


@pytest.fixture(scope="module")
def passed_on(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("passed") / "on"
    assert export.main([f"--run={finished}", f"--out={out}", "--form=run"]) == 0
    return out


def test_it_answers_as_the_run_does_up_to_half_precision(finished, passed_on):
    before = run_folder.load(finished, "float32")
    after = run_folder.load(passed_on, "float32")
    rng = np.random.default_rng(0)
    inputs = {
        "features": rng.integers(0, 256, (4, 10, 128)).astype(np.float32),
        "num_frames": np.full(4, 10, np.int32),
    }
    one, two = before.network.predict(inputs), after.network.predict(inputs)
    np.testing.assert_allclose(one["clip_probs"], two["clip_probs"], atol=2e-3)
    assert np.abs(one["clip_probs"] - two["clip_probs"]).max() > 0
    for layer in after.network.layers:
        for value in layer.get_weights():
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, value.astype(np.float16))
    assert seen_clips.read(passed_on) == seen_clips.read(finished)
    assert after.clip_thresholds.tolist() == before.clip_thresholds.tolist()
    size = [(p / "model.keras").stat().st_size for p in (finished, passed_on)]
    assert size[1] < 0.7 * size[0]
    # Keras itself reads the file, too
    network = keras.saving.load_model(passed_on / "model.keras")
    again = network.predict(inputs)
    np.testing.assert_allclose(again["clip_probs"], two["clip_probs"], atol=2e-2)


def test_the_same_run_gives_the_same_bytes(finished, passed_on, tmp_path):
    time.sleep(1)  # no file may know when it was made
    packaged.write(finished, tmp_path / "again")
    for name in ("model.keras", "model.sha256"):
        assert (tmp_path / "again" / name).read_bytes() == (
            passed_on / name
        ).read_bytes()


def test_damaged_weights_are_refused(finished, tmp_path):
    out = packaged.write(finished, tmp_path / "out")
    model = bytearray((out / "model.keras").read_bytes())
    model[len(model) // 2] ^= 1
    (out / "model.keras").write_bytes(model)
    with pytest.raises(InputError, match="model.keras: is damaged"):
        run_folder.load(out)


def test_what_cannot_be_passed_on(finished, tmp_path, capsys):
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        packaged.write(finished, tmp_path)
    with pytest.raises(InputError, match="no config.json"):
        packaged.write(tmp_path / "nowhere", tmp_path / "out")
    arguments = [f"--run={tmp_path}", f"--out={tmp_path / 'y'}", "--form=run"]
    assert export.main(arguments) == 1
    assert "a run that has finished is needed" in capsys.readouterr().err


def test_a_folder_of_that_name_comes_before_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(packaged, "FOLDER", tmp_path / "package")
    (tmp_path / "package" / "audioset").mkdir(parents=True)
    (tmp_path / "package" / "audioset" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert packaged.resolve("audioset") == tmp_path / "package" / "audioset"
    (tmp_path / "audioset").mkdir()  # of data, say
    assert packaged.resolve("audioset") == tmp_path / "package" / "audioset"
    (tmp_path / "audioset" / "config.json").write_text("{}")
    assert str(packaged.resolve("audioset")) == "audioset"
    assert str(packaged.resolve("other")) == "other"


def test_on_a_full_disk_there_is_no_folder_and_then_a_whole_one(
    finished, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match=f"space.*{out}"):
            packaged.write(finished, out)
    assert not list(tmp_path.iterdir())
    packaged.write(finished, out)
    packaged.check(out)
