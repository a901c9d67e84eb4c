"""Trials: mean, standard error, and p values against enumerations by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tfweak.errors import InputError
from tfweak.evaluation import statistics

PAIRS = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20
)


def _enumerated_p(differences):
    """Two-sided p from the definition: every sign pattern is equally likely."""
    sizes = [abs(d) for d in differences if d]
    if not sizes:
        return 1.0
    # The mean rank of a size: those below it, and half of those equal to it.
    ranks = [
        sum(s < size for s in sizes) + (sum(s == size for s in sizes) + 1) / 2
        for size in sizes
    ]
    total = sum(ranks)
    observed = sum(r for r, d in zip(ranks, [d for d in differences if d]) if d > 0)
    as_extreme = sum(
        abs(sum(itertools.compress(ranks, signs)) - total / 2)
        >= abs(observed - total / 2)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    )
    return as_extreme / 2 ** len(ranks)


def test_summary_by_hand():
    summary = statistics.summarise([1, 2, 6, 3])
    # Mean 3; squared deviations 4 + 1 + 9 + 0 = 14; sqrt(14 / 3 / 4).
    assert summary == statistics.Summary(3.0, pytest.approx(math.sqrt(14 / 12)), 4)


def test_summary_of_one_trial_has_no_standard_error():
    assert statistics.summarise([0.25]) == statistics.Summary(0.25, None, 1)


@pytest.mark.parametrize(
    "values, message",
    [
        ([], "no trials"),
        ([0.1, math.nan], "trial 1 is nan"),
        ([math.inf, 0.1], "trial 0 is inf"),
        ([[0.1, 0.2]], r"shape \(1, 2\)"),
    ],
)
def test_summary_refuses(values, message):
    with pytest.raises(InputError, match=message):
        statistics.summarise(values)


def test_wilcoxon_by_hand():
    # Differences -1, 2, 3, 4: the positive ranks 2 + 3 + 4 = 9, the negative 1. Of the
    # 16 sign patterns two have a rank sum of at most 1 ({} and {1}), so p = 2 * 2 / 16.
    comparison = statistics.wilcoxon([1, 4, 6, 8], [2, 2, 3, 4])
    assert comparison == statistics.Comparison(0.25, 2.5, 2.0, 4, "exact")


def test_ties_are_counted_and_never_below_the_smallest_p():
    # Five equal differences: SciPy's normal approximation gives 0.025 to 0.037 here.
    comparison = statistics.wilcoxon([2, 3, 4, 5, 6], [1, 2, 3, 4, 5])
    assert (comparison.p_value, comparison.method) == (2 / 32, "exact")
    # +1, +1, -1, ranks 2, 2, 2: sums 0, 2, 4, 6 in 1, 3, 3, 1 of 8 patterns. The
    # smaller sum is 2, so p = min(1, 2 * 4 / 8).
    assert statistics.wilcoxon([1, 1, 0], [0, 0, 1]).p_value == 1.0


def test_rounding_breaks_no_ties_and_makes_no_differences():
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit, 0.1 + 0.2 and 0.3 as well.
    assert 0.3 - 0.2 != 0.2 - 0.1
    tied = statistics.wilcoxon([0.3, 0.2, 0.0], [0.2, 0.1, 0.1])
    assert tied.p_value == statistics.wilcoxon([3, 2, 0], [2, 1, 1]).p_value
    assert statistics.wilcoxon([0.1 + 0.2, 1.0], [0.3, 1.0]).method == "no difference"


def test_what_counts_as_equal_follows_the_largest_value_of_either_row():
    # A step of 0.25 beside values of 2^50 is rounding (2^-52 of them, below 1e-12),
    # in whichever row they stand; beside values of 1e6 it is a step.
    for large, method in ((2.0**50, "no difference"), (1e6, "exact")):
        high, low = [large + 0.25, large], [large, large]
        assert statistics.wilcoxon(high, low).method == method
        assert statistics.wilcoxon(low, high).method == method
    # Sizes that differ by 1e-13 of themselves are tied: +2, +2, -2 as above, p = 1.
    # Ranks of 3, 1.5 and -1.5 would give 2 * 3 / 8.
    large = [1e6 + 1e-7, 1e6, -1e6]
    for one, other in ((large, [0, 0, 0]), ([0, 0, 0], large)):
        assert statistics.wilcoxon(one, other).p_value == 1.0


def test_differences_of_a_millionth_count():
    comparison = statistics.wilcoxon([1.000001, 1.000002, 1.000003], [1.0, 1.0, 1.0])
    assert (comparison.p_value, comparison.method) == (0.25, "exact")


def test_zeros_are_dropped_but_counted_as_pairs():
    with_zeros = statistics.wilcoxon([1, 4, 6, 8, 5, 7], [2, 2, 3, 4, 5, 7])
    assert with_zeros.p_value == statistics.wilcoxon([1, 4, 6, 8], [2, 2, 3, 4]).p_value
    assert with_zeros.num_pairs == 6
    # -1, 2, 3, 4, 0, 0: median (0 + 2) / 2, mean 8 / 6.
    assert with_zeros.median_difference == 1.0
    assert with_zeros.mean_difference == pytest.approx(8 / 6)


def test_no_difference_is_p_1():
    comparison = statistics.wilcoxon([0.5, 0.6], [0.5, 0.6])
    assert (comparison.p_value, comparison.method) == (1.0, "no difference")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=8))
def test_exact_p_is_the_share_of_sign_patterns(differences):
    # Few values, so that ties and zeros are common.
    comparison = statistics.wilcoxon(differences, [0] * len(differences))
    assert comparison.p_value == pytest.approx(_enumerated_p(differences), abs=1e-12)


@pytest.mark.parametrize("count", range(2, 9))
def test_exact_p_without_ties_for_all_sign_patterns(count):
    ranks = np.arange(1, count + 1)
    for signs in itertools.product((-1, 1), repeat=count):
        differences = ranks * signs
        p_value = statistics.wilcoxon(differences, np.zeros(count)).p_value
        assert p_value == pytest.approx(_enumerated_p(differences.tolist()), abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_swapping_the_rows_turns_the_differences_alone(pairs):
    one, other = zip(*pairs)
    there, back = statistics.wilcoxon(one, other), statistics.wilcoxon(other, one)
    assert there.p_value == back.p_value
    assert there.median_difference == -back.median_difference
    assert there.mean_difference == pytest.approx(-back.mean_difference)


@settings(max_examples=80, deadline=None)
@given(PAIRS, st.integers(-1000, 1000), st.sampled_from([0.001, 0.5, 3.0]))
def test_shift_and_scale_of_both_rows_change_no_p(pairs, shift, scale):
    one, other = np.array(pairs, np.float64).T
    moved = statistics.wilcoxon(scale * (one + shift), scale * (other + shift))
    assert moved.p_value == statistics.wilcoxon(one, other).p_value


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_p_is_at_least_the_smallest_possible(pairs):
    one, other = zip(*pairs)
    p_value = statistics.wilcoxon(one, other).p_value
    assert statistics.smallest_p(len(pairs)) <= p_value <= 1.0


def test_smallest_p_is_reached_where_all_differences_have_one_sign():
    for count in (2, 5, 6, 20):
        p_value = statistics.wilcoxon(np.arange(1, count + 1), np.zeros(count)).p_value
        assert p_value == statistics.smallest_p(count)
    # Five trials cannot reach 0.05, six can.
    assert statistics.smallest_p(5) == 0.0625 and statistics.smallest_p(6) == 0.03125
    assert statistics.smallest_p(0) == statistics.smallest_p(1) == 1.0


def test_many_pairs_use_the_normal_approximation():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 1.0, 60)
    comparison = statistics.wilcoxon(differences, np.zeros(60))
    assert comparison.method == "normal approximation"
    # z = (W - n(n+1)/4) / sqrt(n(n+1)(2n+1)/24), without ties.
    rank_sum = stats.rankdata(np.abs(differences))[differences > 0].sum()
    z = (rank_sum - 60 * 61 / 4) / math.sqrt(60 * 61 * 121 / 24)
    assert comparison.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    # At 50 pairs it is exact and close to it.
    exact = statistics.wilcoxon(differences[:50], np.zeros(50))
    assert exact.method == "exact"
    approximate = stats.wilcoxon(differences[:50], method="approx").pvalue
    assert exact.p_value == pytest.approx(approximate, rel=0.25)


@pytest.mark.parametrize(
    "one, other, message",
    [
        ([1, 2, 3], [1, 2], "3 trials against 2"),
        ([1], [2], "1 pairs"),
        ([], [], "0 pairs"),
        ([1, math.nan], [1, 2], "first trials: trial 1 is nan"),
        ([1, 2], [math.inf, 2], "second: trial 0 is inf"),
    ],
)
def test_wilcoxon_refuses(one, other, message):
    with pytest.raises(InputError, match=message):
        statistics.wilcoxon(one, other)


def test_holm_by_hand():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 gives 0.03, 0.06, 0.04 -> 0.06.
    given_p = {"a": 0.04, "b": 0.01, "c": 0.03}
    corrected = statistics.with_holm(
        {k: statistics.Comparison(p, 0.0, 0.0, 20, "exact") for k, p in given_p.items()}
    )
    assert list(corrected) == ["a", "b", "c"]
    found = {key: c.p_holm for key, c in corrected.items()}
    assert found == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert {key: c.p_value for key, c in corrected.items()} == given_p


def test_corrected_p_is_1_at_most():
    # 2 * 0.6 = 1.2 -> 1; then 0.9, not below the one before
    corrected = statistics.with_holm(
        {p: statistics.Comparison(p, 0.0, 0.0, 20, "exact") for p in (0.9, 0.6)}
    )
    assert [c.p_holm for c in corrected.values()] == [1.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    comparisons = {
        i: statistics.Comparison(p, 0.0, 0.0, 20, "exact")
        for i, p in enumerate(p_values)
    }
    corrected = statistics.with_holm(comparisons)
    # Holm's procedure at 0.05: go on from the smallest p while p <= 0.05 / (m - k).
    rejected = set()
    for k, i in enumerate(sorted(comparisons, key=lambda i: p_values[i])):
        if p_values[i] * (len(p_values) - k) > 0.05:
            break
        rejected.add(i)
    assert {i for i, c in corrected.items() if c.p_holm <= 0.05} == rejected


def test_compare_all_pairs_every_two_rows_in_order():
    rows = {"c": [1, 4, 6, 8], "a": [2, 2, 3, 4], "b": [0, 0, 0, 0]}
    found = statistics.compare_all(rows)
    assert list(found) == [("c", "a"), ("c", "b"), ("a", "b")]
    # p: 0.25 (by hand above), 2/16 and 2/16. Holm: 3 * 0.125, 2 * 0.125 -> 0.375, and
    # 1 * 0.25 -> 0.375.
    assert [c.p_value for c in found.values()] == [0.25, 0.125, 0.125]
    assert [c.p_holm for c in found.values()] == [0.375, 0.375, 0.375]


def test_compare_all_takes_the_trials_that_both_have():
    found = statistics.compare_all(
        {
            "a": [1, 9, 4, 6, 8, None],
            "b": [2, None, 2, 3, 4, 7],
            "c": [None, None, None, None, 1, 2],
        }
    )
    assert set(found) == {("a", "b"), ("b", "c")}  # a and c share one trial
    assert found["a", "b"].p_value == 0.25 and found["a", "b"].num_pairs == 4
    assert found["b", "c"].num_pairs == 2
    assert statistics.compare_all({"a": [1, 2]}) == {}


def test_compare_all_refuses():
    with pytest.raises(InputError, match="'a': 2, 'b': 3"):
        statistics.compare_all({"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(InputError, match="'a' against 'b'.*trial 1 is nan"):
        statistics.compare_all({"a": [1, math.nan], "b": [1, 2]})
