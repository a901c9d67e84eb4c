"""Pooling: the paper's quotient, masks, extreme logits, gradients, serialisation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.learning import pooling

RNG = np.random.default_rng(1)


def test_attention_is_the_papers_quotient():
    logits = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    probs = RNG.random((2, 5, 3)).astype(np.float32)
    found = pooling.AttentionPooling()(probs, logits, np.ones((2, 5), bool))
    activation = 1 / (1 + np.exp(-logits.astype(np.float64)))
    attention = activation / activation.sum(1, keepdims=True)
    np.testing.assert_allclose(found["attention"], attention, atol=1e-6)
    np.testing.assert_allclose(
        found["clip_probs"], (attention * probs).sum(1), atol=1e-6
    )


def test_what_a_pooled_model_answers():
    # sigmoid(0) = 1/2 and sigmoid(log 3) = 3/4: A = (2/5, 3/5); y_hat = 0.1 + 0.36
    probs = np.array([[[0.25], [0.6]]], np.float32)
    logits = np.array([[[0.0], [np.log(3)]]], np.float32)
    mask = np.ones((1, 2), bool)
    found = pooling.pool("attention", probs, logits, mask)
    names = {"clip_probs", "segment_probs", "attention"}
    assert set(found) == names | {"attention_logits"}
    np.testing.assert_allclose(found["attention"][0, :, 0], [0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found["clip_probs"], [[0.46]], rtol=1e-6)
    np.testing.assert_array_equal(found["segment_probs"], probs)
    np.testing.assert_array_equal(found["attention_logits"], logits)
    found = pooling.pool("average", probs, logits, mask)
    assert set(found) == names
    np.testing.assert_allclose(found["clip_probs"], [[0.425]], rtol=1e-6)


def test_padding_takes_nothing_even_from_logits_far_below_zero():
    # log sigmoid(-200) = -200: padded segments must weigh less than that
    logits = np.full((1, 3, 1), -200.0, np.float32)
    probs = np.array([[[0.2], [0.4], [0.9]]], np.float32)
    mask = np.array([[True, True, False]])
    found = pooling.AttentionPooling()(probs, logits, mask)
    np.testing.assert_allclose(found["attention"][0, :, 0], [0.5, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(found["clip_probs"], [[0.3]], rtol=1e-6)


def test_average_golden():
    # two valid segments of three: (0.2 + 0.6) / 2
    probs = np.array([[[0.2], [0.6], [0.9]]], np.float32)
    found = pooling.AveragePooling()(probs, np.array([[True, True, False]]))
    np.testing.assert_allclose(found["clip_probs"], [[0.4]], atol=1e-7)
    np.testing.assert_allclose(found["attention"][0, :, 0], [0.5, 0.5, 0.0])


MASK = np.array([[True] * 6, [True, True, True, True, False, False]])


def localization(logits):
    """The softmax over classes of each segment, in float64."""
    z = np.exp(logits - logits.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def test_localization_pooling_is_eq_8():
    probs = RNG.random((2, 6, 3)).astype(np.float32)
    z = localization(RNG.normal(size=(2, 6, 3)))
    found = pooling.LocalizationPooling()(probs, z.astype(np.float32), MASK)
    z = z * MASK[:, :, None]
    np.testing.assert_allclose(found["attention"], z / z.sum(1)[:, None], atol=1e-6)
    expected = (z * probs).sum(1) / z.sum(1)
    np.testing.assert_allclose(found["clip_probs"], expected, rtol=1e-5)


def test_even_localization_averages():
    probs = RNG.random((2, 6, 3)).astype(np.float32)
    found = pooling.LocalizationPooling()(probs, np.full_like(probs, 1 / 3), MASK)
    means = [probs[0].mean(0), probs[1, :4].mean(0)]
    np.testing.assert_allclose(found["clip_probs"], means, rtol=1e-5)


def test_a_class_that_no_segment_belongs_to_is_absent_not_nan():
    probs = RNG.random((2, 6, 3)).astype(np.float32)
    z = np.zeros((2, 6, 3), np.float32)
    z[:, :, 0] = 1.0
    z[:, 0, 2] = 1e-9  # the sum of the other segments' 1e-9 stands beside it
    found = pooling.LocalizationPooling()(probs, z, MASK)
    clip = np.array(found["clip_probs"])
    assert not clip[:, 1].any()
    np.testing.assert_allclose(clip[:, 2], probs[:, 0, 2] / [6, 4], rtol=1e-5)


@pytest.mark.parametrize("logit", [-1e4, -200.0, 0.0, 200.0])
def test_equal_logits_give_uniform_attention_even_where_every_activation_underflows(
    logit,
):
    logits = np.full((1, 4, 2), logit, np.float32)
    probs = RNG.random((1, 4, 2)).astype(np.float32)
    found = pooling.AttentionPooling()(probs, logits, np.ones((1, 4), bool))
    np.testing.assert_allclose(found["attention"], 0.25, atol=1e-6)


@pytest.mark.parametrize("kind", pooling.POOLINGS)
def test_padding_changes_nothing(kind):
    probs = RNG.random((1, 6, 3)).astype(np.float32)
    logits = RNG.normal(size=(1, 6, 3)).astype(np.float32)
    alone = pooling.pool(kind, probs[:, :4], logits[:, :4], np.ones((1, 4), bool))
    padded = pooling.pool(kind, probs, logits, np.array([[True] * 4 + [False] * 2]))
    np.testing.assert_allclose(padded["clip_probs"], alone["clip_probs"], atol=1e-7)
    np.testing.assert_array_equal(padded["attention"][:, 4:], 0)


@pytest.mark.parametrize("kind", pooling.POOLINGS)
def test_a_clip_without_valid_segments_is_zero_not_nan(kind):
    probs = RNG.random((1, 3, 2)).astype(np.float32)
    found = pooling.pool(kind, probs, probs, np.zeros((1, 3), bool))
    np.testing.assert_array_equal(found["clip_probs"], 0)


def test_gradient_against_differences():
    layer = pooling.AttentionPooling(dtype="float64")
    probs = tf.constant(RNG.random((1, 4, 2)))
    logits = tf.constant(RNG.normal(size=(1, 4, 2)))
    mask = tf.constant([[True, True, True, False]])

    def clip(values):
        scores = layer(probs, values, mask)
        return tf.cast(scores["clip_probs"], tf.float64)

    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(clip(logits) * [[1.0, 2.0]])
    gradient = tape.gradient(total, logits).numpy()
    step = 1e-3
    for index in np.ndindex(1, 4, 2):
        moved = np.zeros((1, 4, 2))
        moved[index] = step
        weights = tf.constant([[1.0, 2.0]], tf.float64)
        high = tf.reduce_sum(clip(logits + moved) * weights)
        low = tf.reduce_sum(clip(logits - moved) * weights)
        assert gradient[index] == pytest.approx(
            float(high - low) / (2 * step), abs=2e-4
        )
    np.testing.assert_array_equal(gradient[0, 3], 0)


LAYERS = [
    pooling.AveragePooling,
    pooling.AttentionPooling,
    pooling.LocalizationPooling,
]


@pytest.mark.parametrize("layer", LAYERS)
def test_serialises_and_stays_in_float32(layer):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made = layer(name="pooling")
    finally:
        keras.config.set_dtype_policy(before)
    assert made.compute_dtype == "float32"
    again = layer.from_config(made.get_config())
    assert again.name == "pooling" and again.compute_dtype == "float32"
