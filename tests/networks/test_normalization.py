"""Masked batch normalisation against Keras's own and against automatic gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.models.networks.layers import ApplyMask
from tfweak.models.networks.normalization import MaskedBatchNormalization

CLIPS, ROWS, CHANNELS = 4, 9, 3
LENGTHS = np.array([9, 3, 1, 6])
MASK = np.arange(ROWS) < LENGTHS[:, np.newaxis]
SHAPES = [(CLIPS, ROWS, CHANNELS), (CLIPS, ROWS, 5, CHANNELS)]


def random(shape, seed, dtype="float32"):
    values = np.random.default_rng(seed).normal(1.5, 2.0, shape)
    return tf.constant(values, dtype)


def layer_for(shape, **settings):
    layer = MaskedBatchNormalization(**settings)
    layer.build(shape)
    layer.gamma.assign([0.5, -1.0, 2.0])
    layer.beta.assign([0.1, 0.2, -0.3])
    return layer


def over(shape):
    """The mask with axes to go with values of this shape."""
    return MASK.reshape(MASK.shape + (1,) * (len(shape) - 2))


@pytest.fixture(params=["CPU", "GPU"])
def device(request, monkeypatch):
    """Sums are taken in one way on a CPU and in another on a GPU."""
    if request.param == "GPU":
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])


@pytest.mark.parametrize("shape", SHAPES)
def test_valid_values_and_moving_statistics_are_those_of_keras(shape, device):
    """Keras's layer on the valid rows alone."""
    layer = layer_for(shape, momentum=0.9)
    oracle = keras.layers.BatchNormalization(momentum=0.9)
    values = random(shape, 1)
    alone = values.numpy()[MASK]
    oracle.build(alone.shape)
    oracle.gamma.assign(layer.gamma)
    oracle.beta.assign(layer.beta)
    for training in (True, True, False):
        found = layer(values, MASK, training=training).numpy()[MASK]
        expected = oracle(alone, training=training)
        np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(layer.moving_mean, oracle.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, oracle.moving_variance, rtol=1e-5)


def naive(values, gamma, beta, epsilon=1e-3):
    """Where TensorFlow finds the gradient."""
    weights = tf.cast(tf.broadcast_to(over(values.shape), values.shape), values.dtype)
    axes = list(range(len(values.shape) - 1))
    count = tf.reduce_sum(weights, axes)
    mean = tf.reduce_sum(weights * values, axes) / count
    variance = tf.reduce_sum(weights * (values - mean) ** 2, axes) / count
    return gamma * (values - mean) * tf.math.rsqrt(variance + epsilon) + beta


@pytest.mark.parametrize("how", ["eagerly", "graph", "XLA"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_the_automatic_one(shape, how, device):
    """In padded rows too, should anything read them."""
    layer = layer_for(shape)
    values, weights = random(shape, 2), random(shape, 3)

    def gradients(normalise, gamma, beta):
        with tf.GradientTape() as tape:
            tape.watch([values, gamma, beta])
            total = tf.reduce_sum(weights * normalise() ** 2)
        return tape.gradient(total, [values, gamma, beta])

    def own():
        gamma, beta = layer.gamma.value, layer.beta.value
        return gradients(lambda: layer(values, MASK, training=True), gamma, beta)

    gamma, beta = tf.constant(layer.gamma), tf.constant(layer.beta)
    expected = gradients(lambda: naive(values, gamma, beta), gamma, beta)
    found = own() if how == "eagerly" else tf.function(own, jit_compile=how == "XLA")()
    for mine, oracle in zip(found, expected):
        scale = float(np.abs(oracle).max())
        np.testing.assert_allclose(mine, oracle, atol=1e-5 * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_has_the_same_gradient_up_to_its_rounding(shape):
    weights = random(shape, 5)
    found = {}
    for policy in ("float32", "mixed_bfloat16"):
        layer = layer_for(shape, dtype=policy)
        values = random(shape, 4)
        with tf.GradientTape() as tape:
            tape.watch(values)
            out = layer(values, MASK, training=True)
            total = tf.reduce_sum(weights * tf.cast(out, "float32"))
        assert out.dtype == layer.compute_dtype
        found[policy] = tape.gradient(total, values)
    scale = float(np.abs(found["float32"]).max())
    np.testing.assert_allclose(*found.values(), atol=0.02 * scale)


def test_padding_changes_nothing():
    shape = SHAPES[1]
    values = random(shape, 6).numpy()
    other = np.where(over(shape), values, 77.0).astype(np.float32)
    layers = [layer_for(shape), layer_for(shape)]
    outputs = [
        layer(x, MASK, training=True).numpy()[MASK]
        for layer, x in zip(layers, (values, other))
    ]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    np.testing.assert_allclose(layers[0].moving_variance, layers[1].moving_variance)


def test_no_valid_row_gives_no_nan():
    shape = SHAPES[0]
    out = layer_for(shape)(random(shape, 7), np.zeros_like(MASK), training=True)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [0.0, -60000.0])
def test_apply_mask_sets_padding_even_where_it_is_not_finite(shape, value):
    values = random(shape, 8).numpy()
    kept = over(shape)
    broken = np.where(kept, values, np.nan).astype(np.float32)
    out = ApplyMask(value)(broken, MASK)
    np.testing.assert_array_equal(out, np.where(kept, values, np.float32(value)))
