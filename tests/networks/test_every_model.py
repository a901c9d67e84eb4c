"""Every system of the two papers, from soundscapes to a SavedModel and events."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
import tensorflow as tf

import tfweak
from tfweak import open_data
from tfweak.audio import front_ends, reading
from tfweak.data import records
from tfweak.data_prep.commands import prepare
from tfweak.models.architecture import ARCHITECTURES, create
from tfweak.models.runs import scoring
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training import trainer

# Small ones; tests of the architectures pin the parameters of the published sizes.
GRUS = {"filters": 32, "recurrent_units": 24, "recurrent_layers": 1, "hidden_units": 64}
MODELS = {
    "attention_fcn": {"width": 0.125, "batch_norm": True},
    "cgrnn": GRUS,
    "att_loc": GRUS,
    "dae_dnn": {
        "encoder_units": 64,
        "code_units": 24,
        "context_frames": 31,
        "hidden_units": 128,
        "pretrain_epochs": 2,
    },
    "cakir_cnn": {"filters": 12, "hidden_units": 64},
    "lidy_cnn": {"filters": 6, "hidden_units": 64},
    "gated_crnn": {"width": 0.125},
    "tlweak": {"width": 0.25},
    "resnet_att": {"width": 0.125},
    "mmnet_ms": {"width": 0.125},
}
# 100 to 300 steps: enough for each, with small batches for those whose steps are long
TRAINING = {"epochs": 12, "batch_size": 12, "learning_rate": 2e-3}
OTHERS = {
    "attention_fcn": {"epochs": 7, "batch_size": 6},
    "resnet_att": {"epochs": 7, "batch_size": 6},
    "mmnet_ms": {"epochs": 8, "batch_size": 6},
    "tlweak": {"epochs": 6},
    "cgrnn": {"epochs": 9},
    "att_loc": {"epochs": 10},
    "lidy_cnn": {"epochs": 5, "batch_size": 6, "learning_rate": 1e-3},
    "gated_crnn": {"epochs": 8, "batch_size": 6, "learning_rate": 4e-3},
}
CLASSES, RATE_HZ = 15, 16000
TRAIN_CLIPS, TEST_CLIPS, CLIP_SECONDS = 240, 60, 2


def make_scenes(folder, count, seed, *features):
    """The built-in soundscapes, in short clips."""
    arguments = ["--dataset=soundscapes", f"--clip_seconds={CLIP_SECONDS}", *features]
    arguments += [f"--num_clips={count}", f"--seed={seed}", f"--out={folder}"]
    arguments += ["--workers=1"]
    assert prepare.main(arguments) == 0
    return folder


def frames(architecture):
    """Of a clip, in a model's front end."""
    front_end = architecture.input.front_end
    return front_end.num_frames(CLIP_SECONDS * front_end.sample_rate_hz)


@pytest.fixture(scope="module")
def data(made_once):
    """Front end -> folders of training and test scenes; each made when first asked."""

    def of(front_end):
        name = front_ends.name_of(front_end)
        flags = ["--features=log_mel", f"--front_end={name}"]

        def make(root):
            make_scenes(root / "train", TRAIN_CLIPS, 1, *flags)
            make_scenes(root / "test", TEST_CLIPS, 2, *flags)

        root = made_once(f"scenes_{name}", make)
        return root / "train", root / "test"

    return of


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A file of a scene with many events, and its samples."""
    root = tmp_path_factory.mktemp("recording")
    made = open_data([make_scenes(root / "data", 12, 3, "--features=waveform")])
    clips = [
        records.parse_clip(record, made.payload)
        for record in made.open_serialized().as_numpy_iterator()
    ]
    loudest = max(clips, key=lambda clip: len(clip.events))
    waveform = loudest.payload / np.float32(32768)
    soundfile.write(root / "scene.wav", waveform, RATE_HZ, subtype="PCM_16")
    return root / "scene.wav", waveform


def test_no_model_is_left_out():
    assert set(MODELS) == set(ARCHITECTURES.names()) - {"embedding_attention"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_learns_exports_reloads_and_finds_events(
    name, data, recording, tmp_path, monkeypatch
):
    architecture = create(name, CLASSES, **MODELS[name])
    # the papers' 10 s would pad most of each batch
    short = dataclasses.replace(architecture.input, training_rows=frames(architecture))
    monkeypatch.setattr(type(architecture), "input", short)
    train, test = data(architecture.input.front_end)
    config = TrainConfig(
        data=[str(train)],
        out=str(tmp_path / "run"),
        model=name,
        model_settings=MODELS[name],
        average_weights=0.95,
        precision="float32",
        **{**TRAINING, **OTHERS.get(name, {})},
    )
    run = trainer.train(config)
    clips = open_data([test])
    result = scoring.evaluate(run, clips)
    prior = float(np.mean(clips.label_counts) / len(clips))
    assert result["mAP"] > 2 * prior
    assert result["EER"] < 0.35
    assert result["localisation"]["num_clips"] == TEST_CLIPS

    path, waveform = recording
    run = tfweak.load(tmp_path / "run", "float32")
    (answer,), bad = run.predict_files([path])
    assert not bad and np.isfinite(answer.segment_probs).all()
    assert answer.sure.any() and answer.events
    seconds = len(waveform) / RATE_HZ
    for event in answer.events:
        assert 0 <= event.onset_seconds < event.offset_seconds <= seconds + 0.1

    run.export(tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    wanted = run.architecture.input.front_end.sample_rate_hz
    reply = served.signatures["serving_default"](
        waveform=tf.constant(reading.resample(waveform, RATE_HZ, wanted)[np.newaxis])
    )
    np.testing.assert_allclose(reply["clip_probs"][0], answer.clip_probs, atol=2e-3)
