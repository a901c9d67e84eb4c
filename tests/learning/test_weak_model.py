"""The training step: its terms, its promises to Keras, its callbacks."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.data import pipelines, sources
from tfweak.errors import InputError
from tfweak.learning import (
    callbacks,
    losses,
    pasting,
    pooling,
    precision,
    pseudo_labels,
    weak_model,
)
from tfweak.learning.supervision import SUPERVISIONS, Supervision
from tfweak.models.architecture import create
from tfweak.models.networks import layers
from tfweak.models.networks.attention_head import segment_head

RNG = np.random.default_rng(0)
T, C = 6, 3


def network(pooling="attention", precision="float32", dropout=0.0):
    keras.utils.set_random_seed(1)
    architecture = create(
        "embedding_attention",
        C,
        pooling=pooling,
        hidden_units=8,
        hidden_layers=1,
        dropout=dropout,
    )
    return architecture.build(precision)


def batch(clips=5):
    x = {
        "features": RNG.integers(0, 255, (clips, T, 128)).astype(np.float32),
        "num_frames": np.array([T, 3, 1, T, 2][:clips], np.int32),
    }
    y = {
        "weak": (RNG.random((clips, C)) < 0.5).astype(np.float32),
        "strong": (RNG.random((clips, T, C)) < 0.5).astype(np.float32),
        "has_strong": np.array([True, False, True, False, False][:clips]),
    }
    return x, y


def model_of(kind, **settings):
    model = weak_model.WeakModel(network(), Supervision(kind, **settings))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


@pytest.mark.parametrize("kind", SUPERVISIONS)
def test_total_is_the_papers_sum(kind):
    model = model_of(
        kind, strong_weight=0.7, self_weight=0.3, self_supervision="pseudo_labels"
    )
    x, y = batch()
    outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
    args = outputs["attention"], outputs["attention_logits"], outputs["mask"]
    expected = np.array(losses.prediction_loss(y["weak"], outputs["clip_probs"]))
    if "strong" in kind:
        strong = np.array(losses.attention_loss(y["strong"], *args))
        expected = expected + 0.7 * strong * y["has_strong"]
    if "self" in kind:
        pseudo = pseudo_labels.pseudo_strong_labels(
            outputs["segment_probs"], y["weak"], outputs["mask"]
        )
        expected = expected + 0.3 * np.array(losses.attention_loss(pseudo, *args))
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    names = {"loss", "loss_pred"}
    names |= {"loss_strong"} if "strong" in kind else set()
    names |= {"loss_self", "pseudo_positive"} if "self" in kind else set()
    assert set(logs) == names


@pytest.mark.parametrize("kind", ["self", "strong+self"])
@pytest.mark.parametrize("pooling", ["attention", "average"])
def test_pasted_clips_add_what_is_known_of_them(kind, pooling):
    supervision = Supervision(
        kind, self_weight=0.3, clip_weight=0.5, overlay="maximum", seed=4
    )
    if pooling == "average" and kind == "strong+self":
        with pytest.raises(InputError, match="attention"):
            weak_model.WeakModel(network(pooling), supervision)
        return
    model = weak_model.WeakModel(network(pooling), supervision)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x, y = batch_of_ten()
    y["weak"] = np.eye(C, dtype=np.float32)[np.arange(10) % C]
    for step in range(2):
        outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
        made = pasting.paste(x["features"], y["weak"], outputs, [4, step], "maximum")
        rows = x["num_frames"][np.array(made.into)]
        answers = model({"features": made.features, "num_frames": rows}, training=True)
        found = np.array(made.found)
        assert 0 < found.sum() < 10
        tags = losses.binary_cross_entropy(made.weak, answers["clip_probs"])
        tags = found * (np.array(made.judged) * np.array(tags)).sum(1)
        cells = losses.binary_cross_entropy(made.strong, answers["segment_probs"])
        cells = np.array(cells) * np.array(made.known)[:, None]
        mask = np.array(answers["mask"])
        segments = found * (cells.sum(2) * mask).sum(1) / mask.sum(1)
        own = np.array(losses.prediction_loss(y["weak"], outputs["clip_probs"]))
        expected = 0.5 * (own + tags) + 0.3 * segments
        names = {"loss", "loss_pred", "loss_pasted", "loss_self", "pasted"}
        if kind == "strong+self":
            names |= {"loss_strong"}
            args = outputs["attention"], outputs["attention_logits"], outputs["mask"]
            strong = np.array(losses.attention_loss(y["strong"], *args))
            expected = expected + strong * y["has_strong"]
        logs = model.train_on_batch(x, y, return_dict=True)
        assert set(logs) == names
        assert logs["loss_self"] > 0 and logs["loss_pasted"] > 0
        assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-4)
        assert logs["loss_self"] == pytest.approx(segments.mean(), rel=1e-4)
        assert logs["loss_pasted"] == pytest.approx(tags.mean(), rel=1e-4)
        assert logs["pasted"] == pytest.approx(found.mean())
        model.reset_metrics()


def test_a_model_may_learn_before_it_pastes():
    model = model_of("self")
    x, y = batch_of_ten()
    assert model.pastes
    model.pastes = False
    outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
    expected = np.array(losses.prediction_loss(y["weak"], outputs["clip_probs"])).mean()
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["loss_self"] == logs["loss_pasted"] == logs["pasted"] == 0
    model.pastes = True
    assert model.train_on_batch(x, y, return_dict=True)["pasted"] > 0
    printed = model_of("self", self_supervision="pseudo_labels")
    printed.pastes = True
    assert not printed.pastes


@pytest.mark.parametrize("clip_weight", [0.0, 1.0])
def test_strong_baselines_train_the_segments(clip_weight):
    network_ = network("average")
    supervision = Supervision(clip_weight=clip_weight, segment_weight=0.5)
    model = weak_model.WeakModel(network_, supervision)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x, y = batch()
    outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
    segments = losses.segment_loss(
        y["strong"], outputs["segment_probs"], outputs["mask"]
    )
    expected = 0.5 * np.array(segments) * y["has_strong"]
    weak = losses.prediction_loss(y["weak"], outputs["clip_probs"])
    expected = expected + clip_weight * np.array(weak)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    assert set(logs) == {"loss", "loss_pred", "loss_segments"}


def costly_network():
    """A network that answers what its segments cost, as `mmnet_ms` does."""
    keras.utils.set_random_seed(2)
    inputs = layers.network_inputs(128)
    mask = layers.SequenceMask()(inputs["num_frames"], inputs["features"])
    hidden = keras.layers.Rescaling(1 / 128, -1.0)(inputs["features"])
    outputs = segment_head(hidden, mask, C, "average")
    costs = {}
    for name in ("present_cost", "absent_cost"):
        values = keras.layers.Dense(C, "softplus", name=name)(hidden)
        costs[name] = pooling.AveragePooling()(values, mask)["clip_probs"]
    return keras.Model(inputs, {**outputs, **costs})


def test_costs_of_segments_have_the_weight_of_the_clips_loss():
    model = weak_model.WeakModel(costly_network(), Supervision(clip_weight=0.5))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x, y = batch()
    outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
    prediction = np.array(losses.prediction_loss(y["weak"], outputs["clip_probs"]))
    costs = np.where(y["weak"], outputs["present_cost"], outputs["absent_cost"])
    before = {v.path: v.numpy() for v in model.trainable_variables}
    logs = model.train_on_batch(x, y, return_dict=True)
    assert set(logs) == {"loss", "loss_pred", "loss_micro"}
    assert logs["loss_micro"] == pytest.approx(costs.sum(1).mean(), rel=1e-5)
    expected = 0.5 * (prediction + costs.sum(1)).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    for variable in model.trainable_variables:
        assert np.abs(variable.numpy() - before[variable.path]).max() > 0
    assert model.test_on_batch(x, y, return_dict=True)["loss_micro"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip_weight": 0.0}, "leaves no loss"),
        ({"segment_weight": -1.0}, "negative"),
        ({"kind": "self", "pseudo_labels": "nonsense"}, "no pseudo_labels 'nonsense'"),
        ({"kind": "self", "self_supervision": "no"}, "'no': one of pasting, pseudo_l"),
        ({"kind": "self", "overlay": "sum"}, "overlay 'sum': one of replace, maximum"),
    ],
)
def test_supervision_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Supervision(**settings)


def test_step_follows_the_gradient_of_the_total():
    model = model_of("strong+self")
    x, y = batch()
    before = [w.numpy() for w in model.trainable_variables]
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(x, y, outputs)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    model.train_on_batch(x, y)
    for old, gradient, new in zip(before, gradients, model.trainable_variables):
        np.testing.assert_allclose(new.numpy(), old - 0.1 * gradient, atol=1e-6)


def test_pseudo_positive_is_the_share_of_what_could_be():
    # Clip 0, mixed: class 0 alone counts as present (0.5; 0.3 does not), theta is the
    # others' mean, 0.4: 1 of its 2 valid segments. Clip 1: classes 0 and 1 present,
    # theta 0.4: 3 of 4. Clip 2 without tags: 0 of nothing.
    probs = np.full((3, 3, C), 0.4, np.float32)
    probs[0, :, 0] = 0.5, 0.1, 0.9
    probs[1, :, :2] = [(0.5, 0.5), (0.5, 0.1), (0.9, 0.9)]
    outputs = {
        "clip_probs": probs.mean(1),
        "segment_probs": probs,
        "attention": np.full((3, 3, C), 0.5, np.float32),
        "attention_logits": np.zeros((3, 3, C), np.float32),
        "mask": np.array([[True, True, False]] * 3),
    }
    weak = np.array([[0.5, 0.3, 0.0], [1.0, 0.7, 0.0], [0.0, 0.0, 0.0]])
    terms = model_of("self", self_supervision="pseudo_labels").compute_terms(
        None, weak, outputs
    )
    np.testing.assert_allclose(terms["pseudo_positive"], [0.5, 0.75, 0.0])
    # A = 1/2 at all of the two valid segments of three classes: 6 log 2
    np.testing.assert_allclose(terms["loss_self"], 6 * np.log(2), rtol=1e-6)


def test_sample_weight_weights_clips():
    x, y = batch()
    model = model_of("self")
    weight = np.array([1.0, 2.0, 0.0, 0.5, 0.0])
    terms = model.compute_terms(x, y, model(x, training=True))
    total = np.array(terms["loss_pred"] + terms["loss_self"])
    history = model.fit(x, y, sample_weight=weight, batch_size=5, verbose=0).history
    assert history["loss"][0] == pytest.approx((weight * total).sum() / 5, rel=1e-5)
    mean = (weight * np.array(terms["loss_pred"])).sum() / weight.sum()
    assert history["loss_pred"][0] == pytest.approx(mean, rel=1e-5)


def test_plain_fit_on_features_and_tags_alone():
    x, y = batch()
    model = weak_model.WeakModel(network(), Supervision("self"))
    model.compile(
        optimizer="adam",
        metrics=[keras.metrics.AUC(multi_label=True, num_labels=C, name="auc")],
    )
    history = model.fit(
        x["features"], y["weak"], validation_split=0.2, epochs=2, verbose=0
    )
    assert {"loss", "auc", "val_loss", "val_auc", "val_loss_pred"} <= set(
        history.history
    )
    assert model.predict(x["features"], verbose=0)["clip_probs"].shape == (5, C)
    assert model.evaluate(x["features"], y["weak"], verbose=0, return_dict=True)["loss"]


def test_every_way_to_train_lowers_the_loss(embeddings):
    data = sources.open_data([embeddings])
    architecture = create("embedding_attention", C, hidden_units=32, dropout=0.1)
    for kind in SUPERVISIONS:
        keras.utils.set_random_seed(0)
        config = pipelines.InputConfig(
            16, grid=architecture.grid, num_segments=architecture.num_segments
        )
        model = weak_model.WeakModel(architecture.build(), Supervision(kind))
        model.compile(optimizer=keras.optimizers.Adam(6e-3), steps_per_execution=2)
        source = pipelines.TrainingInput(data, config)
        first = model.fit(source.epoch(0), verbose=0).history["loss_pred"][0]
        for epoch in range(1, 7):
            last = model.fit(source.epoch(epoch), verbose=0).history["loss_pred"][0]
        assert last < 0.7 * first


def test_regularisation_counts():
    plain, heavy = model_of("none"), model_of("none")
    heavy.network.get_layer("L8-a").kernel.regularizer = keras.regularizers.L2(0.5)
    x, y = batch()
    kernel = heavy.network.get_layer("L8-a").kernel.numpy()
    extra = (
        heavy.train_on_batch(x, y, return_dict=True)["loss"]
        - plain.train_on_batch(x, y, return_dict=True)["loss"]
    )
    assert extra == pytest.approx(0.5 * (kernel**2).sum(), rel=1e-4)


def test_float16_scales_the_loss():
    x, y = batch()
    model = weak_model.WeakModel(network(precision="float16"))
    model.compile(optimizer="adam")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    before = model.network.get_layer("L8-a").bias.numpy()
    for _ in range(3):
        logs = model.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(logs["loss"])
    after = model.network.get_layer("L8-a").bias.numpy()
    assert after.dtype == np.float32 and np.abs(after - before).max() > 0


def test_on_a_cpu_nothing_is_compiled_by_xla():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    model = model_of("none")
    assert model.jit_compile is False


def test_supervision_needs_what_it_supervises():
    with pytest.raises(InputError, match="attention"):
        weak_model.WeakModel(
            network("average"),
            Supervision("self", self_supervision="pseudo_labels"),
        )
    x, y = batch()
    model = model_of("strong")
    with pytest.raises(InputError, match="strong"):
        model.compute_loss(x, {"weak": y["weak"]}, model(x))
    for wrong in ({"kind": "both"}, {"target": "x"}, {"self_weight": -1.0}):
        with pytest.raises(InputError):
            Supervision(**wrong)


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


def batch_of_ten():
    rng = np.random.default_rng(3)
    x = {
        "features": rng.integers(0, 255, (10, T, 128)).astype(np.float32),
        "num_frames": rng.integers(1, T + 1, 10).astype(np.int32),
    }
    y = {
        "weak": (rng.random((10, C)) < 0.5).astype(np.float32),
        "strong": (rng.random((10, T, C)) < 0.5).astype(np.float32),
        "has_strong": rng.random(10) < 0.5,
    }
    return x, y


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


def test_weight_average_is_the_recurrence_and_swaps_back():
    x, y = batch()
    model = model_of("none")
    average = callbacks.WeightAverage(0.5)
    average.set_model(model)
    layer = model.network.get_layer("L8-a").bias
    expected = layer.numpy()
    average.on_train_begin()
    for step in range(4):
        model.train_on_batch(x, y)
        average.on_train_batch_end(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.numpy()
    own = layer.numpy()
    average.swap()
    np.testing.assert_allclose(layer.numpy(), expected, atol=1e-6)
    average.swap()
    np.testing.assert_array_equal(layer.numpy(), own)


def test_clip_scores_adds_the_exact_mean_average_precision(embeddings):
    data = sources.open_data([embeddings])
    batches = pipelines.evaluation_batches(data, pipelines.InputConfig(16))
    model = model_of("none")
    logs = {}
    callback = callbacks.ClipScores(batches)
    callback.set_model(model)
    callback.on_epoch_end(0, logs)
    from sklearn.metrics import average_precision_score

    weak, scores = callbacks.clip_scores(model, batches)
    assert logs["val_mAP"] == pytest.approx(
        average_precision_score(weak, scores, average="macro"), abs=1e-9
    )
    assert len(weak) == len(data)


def test_precision_names():
    assert precision.resolve_precision("float16") == "float16"
    with pytest.raises(InputError, match="float8"):
        precision.resolve_precision("float8")


@pytest.mark.parametrize(
    "gpus, has_bfloat16, expected",
    [
        ([], True, "bfloat16"),
        ([], False, "float32"),
        (["a GPU"], True, "float16"),
    ],
)
def test_precision_by_the_machine(monkeypatch, gpus, has_bfloat16, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(precision, "_cpu_computes_bfloat16", lambda: has_bfloat16)
    assert precision.resolve_precision("auto") == expected


def test_two_replicas_train_as_one():
    """The same batch split over two replicas gives the same step."""
    code = textwrap.dedent(
        """
        import numpy as np, keras, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from tfweak import Supervision, WeakModel
        from tfweak.models.architecture import create
        rng = np.random.default_rng(0)
        x = rng.integers(0, 255, (8, 5, 128)).astype(np.float32)
        y = (rng.random((8, 3)) < 0.5).astype(np.float32)
        def step():
            keras.utils.set_random_seed(1)
            network = create("embedding_attention", 3, hidden_units=8,
                                      hidden_layers=0).build()
            supervision = Supervision("self", self_supervision="pseudo_labels")
            model = WeakModel(network, supervision)
            model.compile(optimizer=keras.optimizers.SGD(0.1))
            data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
            loss = model.fit(data, verbose=0).history["loss"][0]
            return loss, network.get_layer("L8-b").kernel.numpy()
        one = step()
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            two = step()
        assert abs(one[0] - two[0]) < 1e-3 * one[0], (one[0], two[0])
        np.testing.assert_allclose(one[1], two[1], atol=1e-5)
        print("same")
        """
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip().endswith("same"), found.stderr[-2000:]
