"""The training step: its terms, its promises to Keras."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from weak_models import C, batch, batch_of_ten, model_of, network

from tfweak.data import pipelines, sources
from tfweak.errors import InputError
from tfweak.learning import (
    losses,
    pasting,
    pooling,
    pseudo_labels,
    weak_model,
)
from tfweak.learning.supervision import SUPERVISIONS, Supervision
from tfweak.models.architecture import create
from tfweak.models.networks import layers
from tfweak.models.networks.attention_head import segment_head


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


def test_each_head_learns_by_itself():
    keras.utils.set_random_seed(2)
    settings = {"hidden_layers": 0, "feature_units": 4}
    network_ = create("embedding_attention", C, **settings).build("float32")
    model = weak_model.WeakModel(network_, Supervision())
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x, y = batch()
    outputs = model(x, training=False)
    first, second = (np.array(outputs["head_probs"])[:, i] for i in (0, 1))
    weak = y["weak"]
    by_hand = -sum(
        np.where(weak, np.log(probs), np.log1p(-probs)) for probs in (first, second)
    )
    expected = by_hand.sum(1) / 2
    found = model.compute_terms(x, y, outputs)["loss_pred"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    model.train_on_batch(x, y)
    pastes = weak_model.WeakModel(network_, Supervision("self"))
    pastes.compile(optimizer=keras.optimizers.SGD(0.1))
    assert np.isfinite(pastes.test_on_batch(x, y, return_dict=True)["loss_pasted"])


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


@pytest.mark.parametrize("self_supervision", ["pasting", "pseudo_labels"])
def test_sample_weight_weights_clips(self_supervision, monkeypatch):
    # an untrained network has no peaks: what is close to the highest score is short
    monkeypatch.setattr(pasting, "_SHARE", 0.999)
    x, y = batch_of_ten()
    x["num_frames"][:] = x["features"].shape[1]
    y["weak"] = np.eye(C, dtype=np.float32)[np.arange(10) % C]
    model = model_of("self", self_supervision=self_supervision)
    weight = np.array([1.0, 2.0, 0.0, 0.5, 0.0, 1.0, 3.0, 0.1, 1.0, 1.0])
    terms = model.compute_terms(x, y, model(x, training=True), training=True)
    total = np.array(terms["loss_pred"] + terms["loss_self"])
    if self_supervision == "pasting":
        # at the place of the clip that it was cut from
        assert (np.array(terms["loss_pasted"]) > 0).sum() > 2
        total = total + np.array(terms["loss_pasted"])
    # in their order, for others are pasted together in another one
    logs = model.train_on_batch(x, y, sample_weight=weight, return_dict=True)
    assert logs["loss"] == pytest.approx((weight * total).sum() / 10, rel=1e-5)
    mean = (weight * np.array(terms["loss_pred"])).sum() / weight.sum()
    assert logs["loss_pred"] == pytest.approx(mean, rel=1e-5)


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
            network = create("embedding_attention", 3, feature_units=0,
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
