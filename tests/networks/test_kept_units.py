"""Dropout of the same units for a whole batch, against zeros and full products."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.learning.weak_model import WeakModel
from tfweak.models.architecture import create
from tfweak.models.networks.kept_units import Dense, KeptUnits
from tfweak.models.networks.normalization import (
    BatchNormalization,
    MaskedBatchNormalization,
)

RNG = np.random.default_rng(0)
SETTINGS = {"hidden_units": 8, "hidden_layers": 2, "feature_units": 6}


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def test_as_many_units_are_kept_as_the_rate_leaves():
    draw = KeptUnits(10, 0.3)
    drawn = [draw(np.zeros((2, 3)), training=True).numpy() for _ in range(50)]
    assert all(len(kept) == 7 and np.all(np.diff(kept) > 0) for kept in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert 20 < counts.min() and counts.max() < 50
    np.testing.assert_array_equal(draw(np.zeros((2, 3))), np.arange(10))
    assert len(KeptUnits(4, 0.99)(np.zeros(1), training=True)) == 1
    np.testing.assert_array_equal(
        KeptUnits(4, 0.0)(np.zeros(1), training=True), np.arange(4)
    )


def test_the_draws_follow_from_the_seed():
    def draws():
        keras.utils.set_random_seed(3)
        draw = KeptUnits(100, 0.5)
        return [draw(np.zeros(1), training=True).numpy() for _ in range(3)]

    first, again = draws(), draws()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("how", ["eagerly", "graph", "XLA"])
def test_a_product_of_kept_units_is_that_of_zeros(how):
    """Values and gradients; of what is left out the gradient is zero, and no slices."""
    layer = Dense(5)
    layer.build((None, 6))
    layer.set_weights([normal(6, 5), normal(5)])
    inputs, kept_in, kept_out = normal(3, 4, 6), np.array([0, 2, 5]), np.array([1, 4])
    upstream = normal(3, 4, 2)

    def found():
        values = tf.gather(tf.constant(inputs), kept_in, axis=-1)
        with tf.GradientTape() as tape:
            tape.watch(values)
            answers = layer(values, kept_in, kept_out, training=True)
            total = tf.reduce_sum(answers * upstream)
        weights = [weight.value for weight in layer.weights]
        return answers, tape.gradient(total, [*weights, values])

    if how != "eagerly":
        found = tf.function(found, jit_compile=how == "XLA")
    answers, (to_kernel, to_bias, to_values) = found()
    assert isinstance(to_kernel, tf.Tensor) and isinstance(to_bias, tf.Tensor)
    zeros = np.zeros_like(inputs)
    zeros[..., kept_in] = 2 * inputs[..., kept_in]  # three of six inputs
    kernel, bias = layer.get_weights()
    expected = (zeros @ kernel + bias)[..., kept_out]
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-6)
    full = np.zeros((3, 4, 5))
    full[..., kept_out] = upstream
    by_hand = np.einsum("bti,bto->io", zeros, full)
    np.testing.assert_allclose(to_kernel, by_hand, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_bias, full.sum((0, 1)), rtol=1e-4, atol=1e-5)
    to_inputs = 2 * (full @ kernel.T)[..., kept_in]
    np.testing.assert_allclose(to_values, to_inputs, rtol=1e-4, atol=1e-5)
    whole = layer(inputs, kept_in, kept_out)
    np.testing.assert_allclose(whole, inputs @ kernel + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("trainable", [True, False])
def test_kept_channels_are_normalised_as_if_there_were_no_others(trainable):
    kept = np.array([0, 3])
    values, mask = normal(4, 5, 2), np.arange(5) < np.array([[5], [2], [3], [1]])
    wide, narrow = MaskedBatchNormalization(), MaskedBatchNormalization()
    wide.build((4, 5, 4))
    narrow.build((4, 5, 2))
    wide.set_weights([normal(4), normal(4), normal(4), normal(4) ** 2])
    narrow.set_weights([weight[kept] for weight in wide.get_weights()])
    others = [np.delete(weight, kept) for weight in wide.get_weights()]
    wide.trainable = narrow.trainable = trainable
    found = wide(values, mask, kept, training=True)
    expected = narrow(values, mask, training=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for now, small, other in zip(wide.get_weights(), narrow.get_weights(), others):
        np.testing.assert_allclose(now[kept], small, rtol=1e-6)
        np.testing.assert_array_equal(np.delete(now, kept), other)


def test_rows_are_normalised_as_keras_does():
    layer, oracle = BatchNormalization(), keras.layers.BatchNormalization()
    layer.build((None, 3))
    oracle.build((None, 3))
    weights = [normal(3), normal(3), normal(3), normal(3) ** 2]
    layer.set_weights(weights)
    oracle.set_weights(weights)
    for training in (True, False):
        values = normal(7, 3)
        found = layer(values, training=training)
        expected = oracle(values, training=training)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for found, expected in zip(layer.get_weights(), oracle.get_weights()):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    values, mask = normal(4, 3), np.array([True, False, True, True])
    found = layer(values, mask, training=True).numpy()
    expected = oracle(values[mask], training=True)
    np.testing.assert_allclose(found[mask], expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[False, True], ids=["plain", "residual and gated"])
def settings(request):
    return {**SETTINGS, "residual": request.param, "feature_gates": request.param}


def networks(settings):
    """One with dropout of units and one of values, of the same weights."""
    found = []
    for kind in ("units", "values"):
        made = create("embedding_attention", 3, dropout_of=kind, **settings)
        found.append(made.build())
    found[0].set_weights([normal(*w.shape) ** 2 for w in found[0].get_weights()])
    return found


def batch():
    x = {
        "features": RNG.integers(0, 255, (5, 4, 128)).astype("float32"),
        "num_frames": np.array([4, 2, 3, 4, 1]),
    }
    return x, RNG.integers(0, 2, (5, 3)).astype("float32")


def test_both_kinds_of_dropout_have_the_same_weights_and_answers(settings, tmp_path):
    units, values = networks(settings)
    units.save(tmp_path / "units.keras")
    values.load_weights(tmp_path / "units.keras")
    x, _ = batch()
    found, expected = units(x), values(x)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])
    again = keras.saving.load_model(tmp_path / "units.keras")
    np.testing.assert_array_equal(again(x)["clip_probs"], found["clip_probs"])


def test_without_dropout_both_kinds_train_alike(settings, tmp_path):
    units, values = networks(settings | {"dropout": 0.0})
    units.save(tmp_path / "units.keras")
    values.load_weights(tmp_path / "units.keras")
    x, y = batch()
    for network in (units, values):
        model = WeakModel(network)
        model.compile(optimizer=keras.optimizers.SGD(0.01))
        model.fit(x, y, epochs=3, batch_size=5, shuffle=False, verbose=0)
    for layer in (layer for layer in units.layers if layer.weights):
        others = values.get_layer(layer.name).get_weights()
        for found, expected in zip(layer.get_weights(), others):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_step_changes_what_it_kept(policy, settings):
    made = create("embedding_attention", 3, dropout=0.5, **settings)
    network = made.build("bfloat16" if policy == "mixed_bfloat16" else "float32")
    model = WeakModel(network)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    before = network.get_layer("L7-2").get_weights()
    features = network.get_layer("L8-u").get_weights()
    model.fit(*batch(), epochs=1, batch_size=5, verbose=0)
    for name, old, count in (("L7-2", before, (4, 4)), ("L8-u", features, (4, 3))):
        kernel, bias = network.get_layer(name).get_weights()
        changed = kernel != old[0]
        rows, columns = changed.any(1).sum(), changed.any(0).sum()
        assert 0 < rows <= count[0] and 0 < columns <= count[1]
        assert (bias != old[1]).sum() <= count[1]
