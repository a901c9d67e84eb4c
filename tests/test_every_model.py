"""Every system of the two papers, from soundscapes to a SavedModel and events."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tfweak import audio, open_data, records
from tfweak.data_prep import prepare
from tfweak.models import export, fitting, prediction, registry, runs, scoring
from tfweak.models.train_config import TrainConfig

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
TRAIN_CLIPS, TEST_CLIPS, BATCH, EPOCHS = 360, 80, 16, 12


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Front end -> folders of the same training and test scenes, made once."""
    root = tmp_path_factory.mktemp("scenes")
    made = {}

    def of(architecture):
        name = getattr(architecture, "name", architecture)
        front_end = architecture.front_end
        if front_end not in made:
            folder = root / name
            for part, count, seed in (
                ("train", TRAIN_CLIPS, 1),
                ("test", TEST_CLIPS, 2),
            ):
                assert (
                    prepare.main(
                        [
                            "--dataset=soundscapes",
                            "--clip_seconds=5",
                            f"--num_clips={count}",
                            f"--seed={seed}",
                            *_flags(front_end),
                            f"--out={folder / part}",
                        ]
                    )
                    == 0
                )
            made[front_end] = folder
        return made[front_end] / "train", made[front_end] / "test"

    return of


def _flags(front_end):
    from tfweak import front_ends

    return front_ends.prepare_flags(front_end).split()


def test_no_model_is_left_out():
    assert set(MODELS) == set(registry.names()) - {"embedding_attention"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_learns_exports_reloads_and_finds_events(name, scenes, tmp_path):
    architecture = registry.create(name, 15, **MODELS[name])
    train, test = scenes(architecture)
    config = TrainConfig(
        data=[str(train)],
        out=str(tmp_path / "run"),
        model=name,
        model_settings=MODELS[name],
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=2e-3,
        average_weights=0.95,
        precision="float32",
    )
    run = fitting.train(config)
    data = open_data([test])
    result = scoring.evaluate(run, data)
    prior = float(np.mean(data.label_counts) / len(data))
    print(
        f"{name}: mAP {result['mAP']:.3f}, prior {prior:.3f}, EER {result['EER']:.3f}"
    )
    assert result["mAP"] > 2 * prior
    assert result["EER"] < 0.35
    assert result["localisation"]["num_clips"] == TEST_CLIPS

    wave = _scene_with_events(tmp_path)
    run = runs.load(tmp_path / "run")
    (answer,), bad = prediction.predict_files(run, [tmp_path / "scene.wav"])
    assert not bad and np.isfinite(answer.segment_probs).all()
    assert answer.sure.any() and answer.events
    seconds = len(wave) / audio_rate()
    for event in answer.events:
        assert 0 <= event.onset_seconds < event.offset_seconds <= seconds + 0.1

    export.export(run, str(tmp_path / "saved"))
    served = tf.saved_model.load(str(tmp_path / "saved"))
    rate = run.architecture.front_end.sample_rate_hz
    reply = served.signatures["serving_default"](
        waveform=tf.constant(audio.resample(wave, audio_rate(), rate)[None])
    )
    np.testing.assert_allclose(reply["clip_probs"][0], answer.clip_probs, atol=2e-3)


def audio_rate():
    return 16000


def _scene_with_events(folder):
    """A scene of many events, as a file."""
    arguments = ["--dataset=soundscapes", "--clip_seconds=5", "--num_clips=12"]
    arguments += ["--seed=3", "--features=waveform", f"--out={folder / 'waves'}"]
    assert prepare.main(arguments) == 0
    data = open_data([folder / "waves"])
    clips = [
        records.parse_clip(record, data.payload)
        for record in data.open_serialized().as_numpy_iterator()
    ]
    clip = max(clips, key=lambda clip: len(clip.events))
    wave = audio.from_int16(clip.payload)
    soundfile.write(folder / "scene.wav", wave, audio_rate(), subtype="PCM_16")
    return wave
