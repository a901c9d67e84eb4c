"""Weak models saved, loaded, copied, and trained on."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest
from weak_models import C, batch, batch_of_ten, model_of, network

from tfweak.learning import (
    weak_model,
)
from tfweak.learning.supervision import Supervision


def trained_from(precision, epochs, model=None, begin=0, callbacks=()):
    """A model with dropout and a metric, trained on the same two batches."""
    x, y = batch_of_ten()
    if model is None:
        model = weak_model.WeakModel(
            network(precision=precision, dropout=0.3),
            Supervision("strong+self", strong_weight=0.5, target="activation"),
        )
        auc = keras.metrics.AUC(multi_label=True, num_labels=C, name="auc")
        model.compile(optimizer=keras.optimizers.Adam(1e-2), metrics=[auc])
    found = model.fit(
        x,
        y,
        batch_size=5,
        shuffle=False,
        initial_epoch=begin,
        epochs=epochs,
        validation_data=(x, y),
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, found.history


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_saved_by_a_callback_it_trains_on_as_if_undisturbed(precision, tmp_path):
    path = tmp_path / "{epoch}.keras"
    keep = keras.callbacks.ModelCheckpoint(path, monitor="val_loss")
    whole, history = trained_from(precision, 4, callbacks=[keep])
    half, _ = trained_from(precision, 2)
    again = keras.saving.load_model(tmp_path / "2.keras")
    assert again.supervision == half.supervision and again.name == whole.name
    assert again.dtype_policy == half.dtype_policy
    x, _ = batch_of_ten()
    one, two = (model.predict(x, verbose=0) for model in (half, again))
    assert set(one) == set(two)
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])
    # optimizer, dropout and metrics go on: the second half is that of the whole
    again, later = trained_from(precision, 4, again, begin=2)
    assert later == {name: values[2:] for name, values in history.items()}
    for one, two in zip(whole.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert len(later["auc"]) == 2 and int(again.optimizer.iterations.numpy()) == 8


def test_weights_alone_are_saved_by_a_callback_too(tmp_path):
    path = tmp_path / "best.weights.h5"
    keep = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    model, _ = trained_from("float32", 1, callbacks=[keep])
    x, _ = batch_of_ten()
    # dropout of another rate or none has no say in the weights
    other = weak_model.WeakModel(network())
    before = other.predict(x, verbose=0)["clip_probs"]
    other.load_weights(path)
    after = other.predict(x, verbose=0)["clip_probs"]
    np.testing.assert_array_equal(after, model.predict(x, verbose=0)["clip_probs"])
    assert np.abs(after - before).max() > 0
    other.save_weights(path)
    model.load_weights(path)


def test_a_model_from_before_pasting_keeps_its_pseudo_labels():
    config = model_of("self", self_supervision="pseudo_labels").get_config()
    del config["supervision"]["self_supervision"]
    again = weak_model.WeakModel.from_config(config)
    assert again.supervision.self_supervision == "pseudo_labels"
    config = model_of("self").get_config()
    assert weak_model.WeakModel.from_config(config).pastes


def test_a_clone_is_the_same_model_untrained():
    model, _ = trained_from("bfloat16", 1)
    clone = keras.models.clone_model(model)
    assert isinstance(clone, weak_model.WeakModel)
    assert clone.get_config() == model.get_config()
    assert clone.network is not model.network
    kernel = [m.network.get_layer("L8-a").kernel.numpy() for m in (model, clone)]
    assert kernel[0].shape == kernel[1].shape and (kernel[0] != kernel[1]).any()
    trained_from("bfloat16", 2, clone)


def test_a_saved_model_is_plain_data(tmp_path):
    model, _ = trained_from("float32", 1)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        names = {"metadata.json", "config.json", "model.weights.h5"}
        assert set(file.namelist()) == names
        text = file.read("config.json").decode()
    assert "__lambda__" not in text and "pickle" not in text
    found = json.loads(text)
    assert found["registered_name"] == "tfweak>WeakModel"
    assert found["config"]["supervision"]["target"] == "activation"
    assert found["config"]["network"]["class_name"] == "Functional"


def test_a_killed_fit_goes_on_from_its_backup_and_is_exported(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    x, y = batch()
    for callbacks_, done in (([Stop()], None), ([], [1])):
        model = model_of("self")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        try:
            found = model.fit(
                x, y, epochs=2, verbose=0, callbacks=[backup, *callbacks_]
            )
        except KeyboardInterrupt:
            assert done is None
        else:
            assert found.epoch == done
    model.export(tmp_path / "saved", verbose=False)
    layer = keras.layers.TFSMLayer(str(tmp_path / "saved"), call_endpoint="serve")
    served = layer({**x, "num_frames": x["num_frames"].astype(np.float32)})
    np.testing.assert_allclose(
        served["clip_probs"], model.predict(x, verbose=0)["clip_probs"], atol=1e-6
    )


def test_a_subclass_may_have_state_of_its_own():
    class Mine(weak_model.WeakModel):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.seen = keras.metrics.Sum(name="seen")

    model = Mine(network())
    model.compile(optimizer="adam")
    assert "seen" in model.train_on_batch(*batch(), return_dict=True)
