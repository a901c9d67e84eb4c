"""Figures of tagging against small hand counts and their own definitions."""

import math
import warnings

import numpy as np
import pytest

from tfweak.evaluation import tagging


def _random(seed, positives=0.2, decimals=9):
    rng = np.random.default_rng(seed)
    labels = rng.random((300, 7)) < positives
    return labels, np.round(rng.normal(labels * 0.8, 1.0), decimals)


def test_values_counted_by_hand():
    # Ranked: 0.9 +, 0.8 -, 0.7 +, 0.1 -.
    labels, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    # Precision is 1/1 at the first and 2/3 at the second positive: mean 5/6.
    assert tagging.average_precision(labels, scores) == pytest.approx(5 / 6)
    # Of the four (positive, negative) pairs one is in the wrong order.
    assert tagging.auc(labels, scores) == 3 / 4
    # ROC: (0,0) (0,.5) (.5,.5) (.5,1) (1,1); misses equal false alarms at (.5,.5).
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # All tied: a curve of one straight piece; AP is the share of positives.
    tied = np.zeros(4)
    assert tagging.average_precision(labels, tied) == pytest.approx(0.5)
    assert tagging.auc(labels, tied) == 0.5
    assert tagging.equal_error_rate(labels, tied) == pytest.approx(0.5)
    # One positive among four tied clips: the piece from (0, 0) to (1, 1) still.
    assert tagging.equal_error_rate(np.array([1, 0, 0, 0]), tied) == pytest.approx(0.5)
    # All positives above all negatives.
    perfect = np.array([4.0, 1.0, 3.0, 2.0])
    assert tagging.equal_error_rate(labels, perfect) == 0.0
    assert tagging.auc(labels, perfect) == 1.0
    assert tagging.equal_error_rate(labels, -perfect) == pytest.approx(1.0)


def test_equal_error_rate_interpolates():
    # Ranked + - - + -; ROC (0,0) (0,1/2) (1/3,1/2) (2/3,1/2) (2/3,1) (1,1). Misses are
    # 1/2 from the second point to the fourth: false alarms reach 1/2 half-way between
    # 1/3 and 2/3.
    labels, scores = np.array([1, 0, 0, 1, 0]), np.array([5, 4, 3, 2, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # Ranked (+ -) tied, then + + -: from (0,0) to (1/2, 1/3), then (1/2, 2/3): on that
    # vertical piece misses fall through 1/2.
    labels, scores = np.array([1, 0, 1, 1, 0]), np.array([5, 5, 3, 2, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # Ranked +, then (+ - -) tied: from (0, 1/2) to (1, 1), misses (1-x)/2 = x at 1/3.
    labels, scores = np.array([1, 1, 0, 0]), np.array([2, 1, 1, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(1 / 3)


def test_lwlrap_by_hand():
    # Clip 0 ranks A(+) B C(+): precisions 1/1 and 2/3. Clip 1 ranks C B(+) A, with B
    # and A tied: B's rank is 3, the precision 1/3. Clip 2 has no label.
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.5, 0.1], [0.3, 0.3, 0.8], [0.5, 0.5, 0.5]])
    overall, per_class = tagging.lwlrap(labels, scores)
    assert overall == pytest.approx((1 + 2 / 3 + 1 / 3) / 3)
    np.testing.assert_allclose(per_class, [1, 1 / 3, 2 / 3])


def test_lwlrap_spans_chunks(monkeypatch):
    labels, scores = _random(8, decimals=1)
    whole, whole_classes = tagging.lwlrap(labels, scores)
    monkeypatch.setattr(tagging, "_PAIRS_AT_A_TIME", 5)
    chunked, chunked_classes = tagging.lwlrap(labels, scores)
    assert chunked == whole
    np.testing.assert_array_equal(chunked_classes, whole_classes)


def test_lwlrap_overall_weights_classes_by_positives():
    labels, scores = _random(9, positives=0.1)
    overall, per_class = tagging.lwlrap(labels, scores)
    weights = labels.sum(axis=0) / labels.sum()
    assert overall == pytest.approx(per_class @ weights, abs=1e-12)


def test_d_prime():
    assert tagging.d_prime(0.5) == 0.0
    # Phi(1) = 0.841344746..., so d' is sqrt(2).
    assert tagging.d_prime(0.8413447460685429) == pytest.approx(math.sqrt(2), abs=1e-9)
    assert tagging.d_prime(1.0) == math.inf
    assert math.isnan(tagging.d_prime(math.nan))


def test_one_kind_of_clip_has_no_roc_curve():
    scores = np.array([0.1, 0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn is not even asked
        for labels in (np.zeros(2), np.ones(2)):
            assert math.isnan(tagging.auc(labels, scores))
            assert math.isnan(tagging.equal_error_rate(labels, scores))
    assert math.isnan(tagging.average_precision(np.zeros(2), scores))
    assert tagging.average_precision(np.ones(2), scores) == 1.0
