"""Statistics of repeated trials: mean and standard error, and paired tests.

Trials are paired by their index: trial i of every system has the same seed and data.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

from ..errors import InputError
from ..typing import Array

# Up to this many pairs p is exact, beyond it is the normal approximation's.
_MAX_EXACT_PAIRS = 50

_Key = TypeVar("_Key", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Summary:
    """Mean of some trials and its standard error.

    Attributes:
      mean: of the trials.
      standard_error: sample standard deviation (n - 1 in the denominator) divided by
        sqrt(n); None for a single trial.
      num_trials: n.
    """

    mean: float
    standard_error: float | None
    num_trials: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A two-sided Wilcoxon signed-rank test of paired trials.

    Attributes:
      p_value: of the hypothesis that the differences lie symmetrically around 0.
      median_difference: median of one - other over the pairs.
      mean_difference: mean of one - other over the pairs.
      num_pairs: all pairs, those without a difference included.
      method: `exact`, `normal approximation` or `no difference`, see `wilcoxon`.
      p_holm: p after Holm's correction for the other comparisons made with it, or
        None where it stands alone.
    """

    p_value: float
    median_difference: float
    mean_difference: float
    num_pairs: int
    method: str
    p_holm: float | None = None


def summarise(values: Sequence[float]) -> Summary:
    """Mean and standard error of trials.

    Args:
      values: n >= 1 finite numbers, one a trial.

    Returns:
      A `Summary`.

    Raises:
      InputError: no values, or one that is NaN or infinite.
    """
    trials = _trials(values, "the trials")
    if not trials.size:
        raise InputError("no trials to summarise: at least one value is needed")
    error = None
    if trials.size > 1:
        error = float(trials.std(ddof=1) / math.sqrt(trials.size))
    return Summary(float(trials.mean()), error, trials.size)


def smallest_p(num_pairs: int) -> float:
    """The smallest p that `wilcoxon` can give on so many pairs: 2 / 2^n.

    Reached where all differences have one sign. 0.0625 for 5 pairs, 0.03125 for 6, so
    fewer than 6 pairs never reach 0.05. Beyond 50 pairs p is an approximation, and
    this stays the smallest that an exact count would give.
    """
    return min(1.0, 2.0 * 0.5**num_pairs)


def wilcoxon(one: Sequence[float], other: Sequence[float]) -> Comparison:
    """Two-sided Wilcoxon signed-rank test of paired trials.

    Differences of 0 are dropped, as by Wilcoxon 1945, and the others ranked by their
    size; equal sizes share their mean rank. Differences that agree to 1e-12 of the
    largest value count as equal, so that rounding does not break ties.

    p is exact for up to 50 pairs that differ: `scipy.stats.wilcoxon` where all sizes
    differ, else counted over the signs of the shared ranks, because the normal
    approximation can fall below what so few pairs allow (five equal differences:
    0.025, exactly 0.0625). For more pairs it is SciPy's normal approximation, corrected
    for ties. It is 1 where no pair differs, and never below `smallest_p`, 2 / 2^n.

    Args:
      one: n >= 2 finite numbers, one a trial.
      other: n numbers; pair i is one[i], other[i].

    Returns:
      A `Comparison` of one - other, without Holm's correction.

    Raises:
      InputError: different lengths, fewer than two pairs, NaN or infinity.
    """
    first, second = _trials(one, "the first trials"), _trials(other, "the second")
    if first.size != second.size:
        raise InputError(
            f"{first.size} trials against {second.size}: a paired test needs the same"
            " trials of both"
        )
    if first.size < 2:
        raise InputError(f"{first.size} pairs of trials: a paired test needs two")
    differences = first - second
    scale = float(np.maximum(np.abs(first), np.abs(second)).max()) or 1.0
    steps = np.round(differences / scale, 12)
    steps = steps[steps != 0]
    if not steps.size:
        p_value, method = 1.0, "no difference"
    elif steps.size > _MAX_EXACT_PAIRS:
        p_value = stats.wilcoxon(steps, method="approx").pvalue
        method = "normal approximation"
    else:
        method = "exact"
        if len(np.unique(np.abs(steps))) == steps.size:
            p_value = stats.wilcoxon(steps, method="exact").pvalue
        else:
            p_value = _exact_p_of_ties(steps)
    return Comparison(
        float(p_value),
        float(np.median(differences)),
        float(differences.mean()),
        differences.size,
        method,
    )


def with_holm(comparisons: Mapping[_Key, Comparison]) -> dict[_Key, Comparison]:
    """Adds Holm's correction over all these comparisons (Holm 1979).

    With p_(1) <= ... <= p_(m), the corrected value of p_(k) is the maximum over j <= k
    of min(1, (m - j + 1) p_(j)): the chance of any false finding among the m stays
    below the level at which they are read.

    Returns:
      The same keys in the same order, with `p_holm`.
    """
    corrected, highest = {}, 0.0
    ascending = sorted(comparisons, key=lambda key: comparisons[key].p_value)
    for rank, key in enumerate(ascending):
        factor = len(comparisons) - rank
        highest = max(highest, min(1.0, factor * comparisons[key].p_value))
        corrected[key] = highest
    return {
        key: dataclasses.replace(comparison, p_holm=corrected[key])
        for key, comparison in comparisons.items()
    }


def compare_all(
    rows: Mapping[str, Sequence[float | None]],
) -> dict[tuple[str, str], Comparison]:
    """`wilcoxon` between any two rows of trials, with Holm's correction over all pairs.

    Args:
      rows: trials by name, all equally many; None for a trial that is not done.

    Returns:
      By (name, later name), in the order of `rows`: the comparison over the trials
      that both have. Pairs of rows with fewer than two common trials are left out.

    Raises:
      InputError: rows of different lengths, NaN or infinity.
    """
    lengths = {name: len(trials) for name, trials in rows.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"rows of different numbers of trials: {lengths}; give None for a trial"
            " that is not done"
        )
    comparisons = {}
    for one, other in itertools.combinations(rows, 2):
        both = [
            (a, b)
            for a, b in zip(rows[one], rows[other])
            if a is not None and b is not None
        ]
        if len(both) >= 2:
            try:
                comparisons[one, other] = wilcoxon(
                    [a for a, _ in both], [b for _, b in both]
                )
            except InputError as error:
                raise InputError(f"{one!r} against {other!r}: {error}") from None
    return with_holm(comparisons)


def _exact_p_of_ties(steps: Array) -> float:
    """Two-sided exact p for shared ranks; steps (n,) without zeros, n <= 50."""
    # Mean ranks are multiples of 1/2: doubled they are integers, and counts[s] is the
    # number of sign patterns whose positive ranks sum to s / 2 (below 2^53: exact).
    doubled = np.rint(2 * stats.rankdata(np.abs(steps))).astype(np.int64)
    counts = np.zeros(doubled.sum() + 1)
    counts[0] = 1
    for rank in doubled:
        counts[rank:] += counts[:-rank]
    positive = int(doubled[steps > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    return min(1.0, 2 * counts[: smaller + 1].sum() / 2**steps.size)


def _trials(values: Sequence[float], what: str) -> Array:
    trials = np.asarray(values, np.float64)
    if trials.ndim != 1:
        raise InputError(f"{what} of shape {trials.shape}: expected one value a trial")
    wrong = np.flatnonzero(~np.isfinite(trials))
    if wrong.size:
        raise InputError(
            f"{what}: trial {wrong[0]} is {trials[wrong[0]]}, expected a finite number"
        )
    return trials
