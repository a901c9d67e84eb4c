"""Figures of clip-level tagging: AP, AUC, d', lwlrap and EER.

All of them depend on the order of the scores alone, so probabilities and logits
give the same numbers; clips of equal score share one threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from ..errors import InputError
from ..typing import Array

# (clip, class) pairs compared at a time in lwlrap: bounds the memory.
_PAIRS_AT_A_TIME = 4096


def check_scores(
    labels: Array, scores: Array, class_names: Sequence[str]
) -> tuple[Array, Array]:
    """Checks labels and scores of the same clips and brings them to one form.

    Args:
      labels: (N, C) of 0 and 1, any dtype.
      scores: (N, C) finite numbers.
      class_names: C unique names, used in the messages.

    Returns:
      labels as (N, C) bool, scores as (N, C) float of at least 32 bits.

    Raises:
      InputError: shapes that differ, no clips, class names that do not fit, labels
        other than 0 and 1, scores that are NaN or infinite.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise InputError(
            f"labels of shape {labels.shape} and scores of shape"
            f" {scores.shape}: both must be (clips, classes)"
        )
    if labels.shape[1] != len(class_names):
        raise InputError(
            f"scores of {labels.shape[1]} classes but {len(class_names)} class names"
        )
    if len(set(class_names)) != len(class_names):
        raise InputError("a class name appears twice; the results are keyed by name")
    if not labels.size:
        raise InputError(f"nothing to score: labels of shape {labels.shape}")
    if scores.dtype != np.float32:
        scores = scores.astype(np.float64)
    for wrong, values, what in (
        ((labels != 0) & (labels != 1), labels, "a label must be 0 or 1"),
        (~np.isfinite(scores), scores, "a score must be a finite number"),
    ):
        if wrong.any():
            clip, label = np.argwhere(wrong)[0]
            raise InputError(
                f"clip {clip}, class {class_names[label]!r}: {what}, found"
                f" {values[clip, label]} ({wrong.sum()} such in all)"
            )
    return labels.astype(bool), scores


def threshold_counts(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Hits and false alarms of one class at each distinct score used as a threshold.

    Args:
      labels: (N,) of 0 and 1.
      scores: (N,).

    Returns:
      thresholds (K,) decreasing; and, counting the clips whose score is at least the
      threshold, true positives (K,) and false positives (K,), int64.
    """
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last_of_ties = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(labels[order], dtype=np.int64)[last_of_ties]
    return ranked[last_of_ties], hits, last_of_ties + 1 - hits


def average_precision(labels: Array, scores: Array) -> float:
    """Area under the precision-recall curve: sum_k (R_k - R_{k-1}) P_k.

    scikit-learn's, without interpolation.

    Args:
      labels: (N,) of 0 and 1.
      scores: (N,).

    Returns:
      A value in (0, 1]; NaN without positives.
    """
    if not np.any(labels):
        return math.nan
    return float(average_precision_score(labels, scores))


def auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve, scikit-learn's.

    The probability that a positive clip scores higher than a negative one, a tie
    counting one half.

    Args:
      labels: (N,) of 0 and 1.
      scores: (N,).

    Returns:
      A value in [0, 1]; NaN without positives or without negatives.
    """
    if np.all(labels) or not np.any(labels):
        return math.nan
    return float(roc_auc_score(labels, scores))


def d_prime(area: float) -> float:
    """d' = sqrt(2) * Phi^-1(AUC), Phi the standard normal distribution function.

    The distance of two unit-variance normal distributions, of positive and negative
    scores, that have this AUC. 0.5 gives 0; 1 gives infinity; NaN stays NaN.
    """
    return math.sqrt(2) * float(norm.ppf(area))


def equal_error_rate(labels: Array, scores: Array) -> float:
    """The error rate at which false alarms and misses are equal (DCASE 2016 task 4).

    The first point of the ROC curve, begun at (0, 0), with
    false positive rate >= 1 - true positive rate, interpolated linearly with the point
    before. The challenge's scripts drop collinear points of the curve first; that
    leaves the straight pieces, and so the result, unchanged, and is not done here.

    Args:
      labels: (N,) of 0 and 1.
      scores: (N,).

    Returns:
      A value in [0, 1]; NaN without positives or without negatives.
    """
    _, hits, alarms = threshold_counts(labels, scores)
    if not hits[-1] or not alarms[-1]:
        return math.nan
    false_positive_rate = np.append(0, alarms) / alarms[-1]
    miss_rate = 1 - np.append(0, hits) / hits[-1]
    excess = false_positive_rate - miss_rate  # rises from -1 at (0, 0) to 1
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    before, reached = false_positive_rate[after - 1 : after + 1]
    return float(before + share * (reached - before))


def lwlrap(labels: Array, scores: Array) -> tuple[float, Array]:
    """Label-weighted label-ranking average precision (DCASE 2019 task 2).

    For each positive (clip, class) pair the classes of that clip are ranked by score;
    the precision at the pair's rank is the share of positives among the classes that
    score at least as high. The per-class value is the mean over the class's pairs, the
    overall value the mean over all pairs: that of the classes weighted by their
    positives, and scikit-learn's `label_ranking_average_precision_score` with each
    clip weighted by its number of labels.

    Args:
      labels: (N, C) of 0 and 1.
      scores: (N, C).

    Returns:
      The overall value, and (C,) float64 per class; NaN without positives.
    """
    labels = np.asarray(labels, bool)
    clips, classes = np.nonzero(labels)
    precision = np.empty(len(clips))
    for start in range(0, len(clips), _PAIRS_AT_A_TIME):
        rows = clips[start : start + _PAIRS_AT_A_TIME]
        columns = classes[start : start + _PAIRS_AT_A_TIME]
        at_least = scores[rows] >= scores[rows, columns][:, None]
        precision[start : start + len(rows)] = np.count_nonzero(
            at_least & labels[rows], axis=1
        ) / np.count_nonzero(at_least, axis=1)
    sums = np.bincount(classes, weights=precision, minlength=labels.shape[1])
    return _ratio(precision.sum(), len(clips)), np.array(
        [_ratio(s, n) for s, n in zip(sums, labels.sum(axis=0))]
    )


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else math.nan
