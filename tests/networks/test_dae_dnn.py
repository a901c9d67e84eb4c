"""Pre-training of `dae_dnn` as part of a run; its network has tests with Xu 2017's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from made import CLASSES

from tfweak.audio import front_ends
from tfweak.data import pipelines, records
from tfweak.models.architecture import create
from tfweak.models.networks import autoencoder, layers
from tfweak.models.runs import resume_point
from tfweak.models.training import trainer
from tfweak.payload import Payload

SMALL = {
    "encoder_frames": 3,
    "encoder_units": 12,
    "code_units": 6,
    "context_frames": 9,
    "window_hop_frames": 4,
    "hidden_units": 16,
    "pretrain_epochs": 2,
}
ENCODER = ("encoder", "code")


@pytest.fixture(scope="module")
def chunks(tmp_path_factory):
    """Log-mel of 24 clips, in which a class raises bands of its own."""
    folder = tmp_path_factory.mktemp("data") / "chunks"
    folder.mkdir()
    rng = np.random.default_rng(0)
    payload = Payload("log_mel", "float16", front_ends.get("xu2017").parameters())
    clips = []
    for i in range(24):
        values = rng.normal(size=(int(rng.integers(12, 40)), 40))
        labels = np.flatnonzero(rng.random(len(CLASSES)) < 0.5).tolist()
        for label in labels:
            values[:, 10 * label : 10 * label + 10] += 3
        clips.append(
            records.Clip(f"clip-{i}", labels, values.astype(np.float16), None, 0.0, 0.5)
        )
    records.write_shard(
        folder / "part-0.tfrecord", (records.encode(clip, payload) for clip in clips)
    )
    records.DatasetInfo("made", payload, CLASSES, len(clips), False).write(folder)
    return folder


def config(folder, out, **more):
    more = {"model_settings": SMALL, "epochs": 2, **more}
    return trainer.TrainConfig(
        data=(str(folder),),
        out=str(out),
        model="dae_dnn",
        batch_size=8,
        precision="float32",
        valid_fraction=0.3,
        seed=3,
        **more,
    )


def encoder(network):
    return [w for name in ENCODER for w in network.get_layer(name).get_weights()]


def pretrained_by_hand(settings, epochs):
    """Encoder and code after what a run is to do before it uses any label."""
    train, _ = trainer.Training(settings).open_data()
    keras.utils.set_random_seed(settings.seed)
    network = create("dae_dnn", len(CLASSES), **SMALL).build()
    batches = pipelines.evaluation_batches(train, pipelines.InputConfig(8))
    layers.fit_standardisation(network, batches)
    errors = autoencoder.pretrain(network, batches, epochs, seed=settings.seed)
    return encoder(network), errors


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_new_run_pretrains_first(chunks, tmp_path, logged, epochs):
    # a learning rate of 0 leaves what pre-training made
    settings = config(
        chunks,
        tmp_path / "run",
        model_settings={**SMALL, "pretrain_epochs": epochs},
        learning_rate=0.0,
        epochs=1,
    )
    expected, errors = pretrained_by_hand(settings, epochs)
    logged.clear()
    network = trainer.train(settings).network
    for one, two in zip(encoder(network), expected):
        np.testing.assert_array_equal(one, two)
    lines = [line for line in logged.messages if line.startswith("pre-training")]
    assert lines == [
        f"pre-training, epoch {n}/{epochs}: reconstruction error {error:.4f}"
        for n, error in enumerate(errors, 1)
    ]
    untouched, _ = pretrained_by_hand(settings, 0)
    assert np.array_equal(expected[0], untouched[0]) == (epochs == 0)


def test_a_resumed_run_is_not_pretrained_again(chunks, tmp_path, logged, monkeypatch):
    class Stop(Exception):
        pass

    def stop(self, arrays, state):
        save(self, arrays, state)
        raise Stop

    save = resume_point.ResumePoint.save
    with monkeypatch.context() as patch:
        patch.setattr(resume_point.ResumePoint, "save", stop)
        with pytest.raises(Stop):
            trainer.train(config(chunks, tmp_path / "stopped"))
    assert "pre-training" in logged.text
    logged.clear()
    stopped = trainer.train(config(chunks, tmp_path / "stopped"))
    assert "epochs 2 to 2" in logged.text and "pre-training" not in logged.text
    whole = trainer.train(config(chunks, tmp_path / "whole"))
    for one, two in zip(stopped.network.get_weights(), whole.network.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_pretraining_in_mixed_precision_learns_what_it_learns_in_float32():
    x = np.random.default_rng(0).normal(size=(8, 60, 40)).astype("f")
    batches = [({"features": x, "num_frames": np.full(8, 60)}, None)]
    moved = {}
    for precision in ("float32", "bfloat16", "float16"):
        keras.utils.set_random_seed(0)
        network = create("dae_dnn", 3, **SMALL).build(precision)
        before = encoder(network)
        autoencoder.pretrain(network, batches, 1)
        moved[precision] = np.concatenate(
            [(new - old).ravel() for old, new in zip(before, encoder(network))]
        )
    # Adam's first step is as long for every weight that has a gradient
    assert (np.abs(moved["float32"]) > 9e-4).mean() > 0.9
    for precision in ("bfloat16", "float16"):
        same = np.sign(moved[precision]) == np.sign(moved["float32"])
        assert same.mean() > 0.95
