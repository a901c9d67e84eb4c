"""The losses against hand-derived values, NumPy and numerical gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from tfweak.learning import losses, pseudo_labels
from tfweak.learning.pseudo_labels import PSEUDO_LABELS

RNG = np.random.default_rng(3)


def test_prediction_loss_golden():
    # -(log 0.9 + log(1 - 0.2)) = 0.105361 + 0.223144
    found = losses.prediction_loss(np.array([[1.0, 0.0]]), np.array([[0.9, 0.2]]))
    np.testing.assert_allclose(found, [0.328504], atol=1e-6)


def test_prediction_loss_is_finite_at_the_ends():
    found = losses.prediction_loss(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    # both terms -log(1e-7) = 16.118, float32 rounds 1 - 1e-7 to 1 - 1.19e-7
    np.testing.assert_allclose(found, [16.118 + 15.942], atol=0.01)


def test_pseudo_strong_labels_by_hand():
    # One clip, 3 segments of which the last is padded, 3 classes, class 0 present.
    # theta = mean of the absent classes' valid cells = (.1 + .3 + .2 + .4) / 4 = .25:
    # class 0 is pseudo-positive at 0.25 (not below theta) and not at 0.2.
    probs = np.array([[[0.25, 0.1, 0.3], [0.2, 0.2, 0.4], [0.9, 0.9, 0.9]]], np.float32)
    weak = np.array([[1.0, 0.0, 0.0]])
    mask = np.array([[True, True, False]])
    found = pseudo_labels.pseudo_strong_labels(probs, weak, mask)
    np.testing.assert_array_equal(
        found, [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    )


def test_pseudo_strong_labels_of_clips_without_and_with_every_class():
    probs = RNG.random((2, 4, 3)).astype(np.float32)
    weak = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    found = np.array(
        pseudo_labels.pseudo_strong_labels(probs, weak, np.ones((2, 4), bool))
    )
    assert found[0].sum() == 0
    assert found[1].sum() == 12  # no absent class: theta is 0


def test_theta_is_each_clips_own():
    # Two classes of which the first is present; theta is the absent class's mean, 0.2
    # in clip 0 and 0.6 in clip 1: 0.4 lies above the one and below the other.
    probs = np.array([[[0.4, 0.1], [0.4, 0.3]], [[0.4, 0.5], [0.4, 0.7]]])
    weak = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = np.array(
        pseudo_labels.pseudo_strong_labels(probs, weak, np.ones((2, 2), bool))
    )
    np.testing.assert_array_equal(found[:, :, 0], [[1, 1], [0, 0]])


def test_mixed_clips_by_hand():
    # Shares of 0.5, 0.4 and 0.1: only class 0 is present. theta = mean of the others,
    # (0.5 + 0.3 + 0.1 + 0.1) / 4 = 0.25, between class 0's two values.
    probs = np.array([[[0.3, 0.5, 0.1], [0.2, 0.3, 0.1]]])
    weak = np.array([[0.5, 0.4, 0.1]])
    found = pseudo_labels.pseudo_strong_labels(probs, weak, np.ones((1, 2), bool))
    np.testing.assert_array_equal(found, [[[1, 0, 0], [0, 0, 0]]])


@pytest.mark.parametrize("rule", PSEUDO_LABELS.names())
def test_a_class_of_a_mixed_clip_is_present_from_a_share_of_a_half(rule):
    probs = np.random.default_rng(0).random((1, 6, 4)).astype(np.float32)
    mask = np.array([[True] * 5 + [False]])
    mixed, whole = np.array([[1.0, 0.5, 0.49, 0.01]]), np.array([[1.0, 1.0, 0.0, 0.0]])
    found = np.array(PSEUDO_LABELS.get(rule).labels(probs, mixed, mask))[0]
    assert found[:, 0].any() and found[:, 1].any()
    assert (found[:, 2:] == 0).all()
    alike = np.array(PSEUDO_LABELS.get(rule).labels(probs, whole, mask))[0]
    np.testing.assert_array_equal(found, alike)


@pytest.mark.parametrize("rule", PSEUDO_LABELS.names())
def test_pseudo_labels_have_no_gradient(rule):
    probs = tf.constant(RNG.random((2, 4, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(probs)
        weak = np.array([[1.0, 0, 0], [0, 1.0, 0]])
        total = tf.reduce_sum(
            PSEUDO_LABELS.get(rule).labels(probs, weak, np.ones((2, 4), bool)) * probs
        )
    # d(P X)/dX = P where P is a constant
    labels = PSEUDO_LABELS.get(rule).labels(probs, weak, np.ones((2, 4), bool))
    gradient = tape.gradient(total, probs).numpy()
    np.testing.assert_allclose(gradient, labels, rtol=1e-6)
    assert 0 < gradient.sum() <= 8  # two present classes, four segments each


def test_attention_loss_golden():
    # One class, two segments, A = (0.75, 0.25), Y = (1, 0):
    # -log 0.75 - log(1 - 0.25) = 2 * 0.287682
    labels = np.array([[[1.0], [0.0]]])
    attention = np.array([[[0.75], [0.25]]])
    logits = np.zeros((1, 2, 1))
    mask = np.ones((1, 2), bool)
    found = losses.attention_loss(labels, attention, logits, mask)
    np.testing.assert_allclose(found, [0.575364], atol=1e-6)
    # X^b = sigmoid(0) = 0.5 at both: 2 log 2
    found = losses.attention_loss(labels, attention, logits, mask, "activation")
    np.testing.assert_allclose(found, [2 * math.log(2)], atol=1e-6)


def test_time_normalised_target_is_least_at_the_even_spread():
    # Y = (1, 1, 0) becomes (1/2, 1/2, 0); BCE is least at A equal to it
    labels = np.array([[[1.0], [1.0], [0.0]]])
    mask = np.ones((1, 3), bool)

    def loss(attention):
        return float(
            losses.attention_loss(
                labels,
                np.array(attention)[None, :, None],
                None,
                mask,
                "time_normalised",
            )[0]
        )

    best = loss([0.5, 0.5, 0.0])
    assert best == pytest.approx(2 * math.log(2), abs=1e-4)
    assert best < loss([0.6, 0.4, 0.0]) and best < loss([0.45, 0.45, 0.1])


@pytest.mark.parametrize("target", losses.ATTENTION_TARGETS)
def test_attention_loss_ignores_padding_and_matches_numpy(target):
    labels = (RNG.random((2, 5, 3)) < 0.5).astype(np.float32)
    labels[1, :3, 0] = 0  # an absent class
    logits = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    attention = RNG.dirichlet(np.ones(5), (2, 3)).transpose(0, 2, 1).astype(np.float32)
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    found = losses.attention_loss(labels, attention, logits, mask, target)
    probs = 1 / (1 + np.exp(-logits)) if "activation" in target else attention
    for clip, count in enumerate((5, 3)):
        wanted, p = labels[clip, :count], probs[clip, :count].astype(np.float64)
        present = wanted.sum(0) > 0
        if target in ("time_normalised", "cross_entropy"):
            wanted = wanted / np.maximum(wanted.sum(0), 1)
        terms = -wanted * np.log(p)
        if target != "cross_entropy":
            terms -= (1 - wanted) * np.log(1 - p)
        if target.startswith("present"):
            terms = terms[:, present]
        assert float(found[clip]) == pytest.approx(terms.sum(), rel=1e-5)


def test_cross_entropy_target_is_least_where_attention_is_the_share():
    # P = (1, 1/4, 0) / 1.25 = (0.8, 0.2, 0); -0.8 log 0.8 - 0.2 log 0.2 = 0.500402
    labels = np.array([[[1.0], [0.25], [0.0]]])
    mask = np.ones((1, 3), bool)

    def loss(attention):
        attention = np.array(attention)[None, :, None]
        args = labels, attention, None, mask, "cross_entropy"
        return float(losses.attention_loss(*args)[0])

    assert loss([0.8, 0.2, 0.0]) == pytest.approx(0.500402, abs=1e-6)
    assert loss([0.8, 0.2, 0.0]) < min(loss([0.9, 0.1, 0.0]), loss([0.7, 0.2, 0.1]))


def test_soft_labels_by_hand():
    # One class, Y = (1/2, 0), A = (3/4, 1/4), X^b = 1/2 throughout.
    def loss(target):
        labels, attention = np.array([[[0.5], [0.0]]]), np.array([[[0.75], [0.25]]])
        mask, logits = np.ones((1, 2), bool), np.zeros((1, 2, 1))
        return float(losses.attention_loss(labels, attention, logits, mask, target)[0])

    # (-log 0.75 - log 0.25) / 2 = (0.287682 + 1.386294) / 2, then -log 0.75
    for target in ("attention", "present_attention"):
        assert loss(target) == pytest.approx(0.836988 + 0.287682, abs=1e-6)
    for target in ("activation", "present_activation"):
        assert loss(target) == pytest.approx(2 * math.log(2), abs=1e-6)
    # Y / sum Y = (1, 0)
    assert loss("cross_entropy") == pytest.approx(0.287682, abs=1e-6)


def test_pseudo_labels_relative_to_the_highest_segment_by_hand():
    # class 0 present: 0.8, 0.4, 0.2 and a padded 0.9; class 1 absent
    probs = np.array([[[0.8, 0.9], [0.4, 0.9], [0.2, 0.9], [0.9, 0.9]]])
    weak = np.array([[1.0, 0.0]])
    mask = np.array([[True, True, True, False]])
    soft = np.array(pseudo_labels.soft_pseudo_labels(probs, weak, mask))[0]
    np.testing.assert_allclose(soft[:, 0], [1, 0.25, 0.0625, 0], rtol=1e-6)
    relative = np.array(pseudo_labels.relative_pseudo_labels(probs, weak, mask))[0]
    assert relative[:, 0].tolist() == [1, 1, 0, 0]
    assert not soft[:, 1].any() and not relative[:, 1].any()


def test_half_of_the_highest_segment_is_positive_and_less_is_not():
    # 0.5 and 0.25 are exact; the float below 0.25 has a square below (0.5)^2 / 4.
    # The highest is the class's own: class 1's 0.3 is half of 0.6, not of 0.5.
    below = np.nextafter(np.float32(0.25), np.float32(0))
    probs = np.array([[[0.5, 0.6], [0.25, 0.3], [below, 0.2]]], np.float32)
    found = pseudo_labels.relative_pseudo_labels(
        probs, np.ones((1, 2)), np.ones((1, 3), bool)
    )
    np.testing.assert_array_equal(found, [[[1, 1], [1, 1], [0, 0]]])
    # and the clip's own: in clip 0 the highest is 0.2
    probs = np.array([[[0.2], [0.1]], [[0.8], [0.1]]], np.float32)
    found = pseudo_labels.relative_pseudo_labels(
        probs, np.ones((2, 1)), np.ones((2, 2), bool)
    )
    np.testing.assert_array_equal(found[:, :, 0], [[1, 1], [1, 0]])


def test_segment_loss_is_the_mean_over_valid_segments():
    # Clip 0: -log 0.9 - log(1 - 0.2) = 0.105361 + 0.223144 = 0.328504 in its first
    # segment, -log(1 - 0.4) - log 0.7 = 0.510826 + 0.356675 = 0.867501 in its second,
    # their mean 0.598002; the third is padded. Clip 1, of one segment:
    # -log 0.8 - log 0.5 = 0.223144 + 0.693147. Clip 2 has none: 0.
    probs = np.full((3, 3, 2), 0.1)
    probs[0, :2] = (0.9, 0.2), (0.4, 0.7)
    probs[1, 0] = 0.8, 0.5
    strong = np.ones((3, 3, 2), np.float32)
    strong[0, :2] = (1, 0), (0, 1)
    mask = np.array([[True, True, False], [True, False, False], [False] * 3])
    found = losses.segment_loss(strong, probs, mask)
    np.testing.assert_allclose(found, [0.598002, 0.916291, 0.0], atol=2e-6)


def test_micro_loss_golden():
    # present: 0.3; absent: 0.7; half present: (0.2 + 0.6) / 2
    weak = np.array([[1.0, 0.0, 0.5]])
    present, absent = np.array([[0.3, 9.0, 0.2]]), np.array([[9.0, 0.7, 0.6]])
    found = losses.micro_loss(weak, present, absent)
    np.testing.assert_allclose(found, [0.3 + 0.7 + 0.4], rtol=1e-6)


def test_unknown_target():
    with pytest.raises(ValueError, match="nonsense"):
        losses.attention_loss(None, None, None, np.ones((1, 1), bool), "nonsense")


def test_soft_labels_golden():
    # q = 0.25 at y_hat = 0.5: log 2, whatever q; q = 1 at 0.9: -log 0.9
    found = losses.prediction_loss(np.array([[0.25, 1.0]]), np.array([[0.5, 0.9]]))
    np.testing.assert_allclose(found, [math.log(2) + 0.105361], atol=1e-6)
