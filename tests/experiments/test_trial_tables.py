"""Tables of trials: summaries, the families of tests, and what is refused."""

import math

import pytest

from tfweak.errors import InputError
from tfweak.evaluation import statistics
from tfweak.evaluation.metrics import Metric
from tfweak.models.experiments import table_formats
from tfweak.models.experiments.trial_tables import Measured, TrialTable

ROWS = {name: {"labels": "weak"} for name in ("none", "self", "strong")}
COLUMNS = ("one-step", "two-step")
# Rising by unequal steps, so that no two differences tie.
RAMP = [0.01 * i * i for i in range(6)]
VALUES = {
    "none": {"one-step": RAMP, "two-step": [0.10 + 1.5 * v for v in RAMP]},
    "self": {"one-step": [0.30 + 2 * v for v in RAMP], "two-step": [0.41] * 6},
    "strong": {"one-step": [0.9 - v for v in RAMP[:5]] + [None]},
}


def _measured(name, values, reference=(), **printed):
    metric = Metric(name, lambda _: None, **printed)
    return Measured(metric, values, dict(reference))


def _table(values=VALUES, reference=(), **options):
    options = {"rows": ROWS, "columns": COLUMNS, **options}
    return TrialTable("t", metrics=[_measured("mAP", values, reference)], **options)


def test_summaries_are_of_the_trials_that_are_done():
    measured = _measured("mAP", {"a": {"x": [0.5, None, 0.7], "y": [None]}})
    found = measured.summary("a", "x")
    # deviations +-0.1: sqrt(0.02 / 1) / sqrt(2) = 0.1
    assert found.mean == pytest.approx(0.6)
    assert found.standard_error == pytest.approx(0.1)
    assert found.num_trials == 2
    assert measured.summary("a", "y") is None
    assert measured.summary("a", "never run") is measured.summary("b", "x") is None
    assert len(measured.trials("b", "x")) == 0


@pytest.mark.parametrize(
    "scale, heading", [(100.0, "EER × 100"), (1, "EER"), (0.5, "EER × 0.5")]
)
def test_headings_say_the_scale(scale, heading):
    assert _measured("EER", {}, scale=scale).heading == heading


def test_rows_are_compared_within_a_column():
    table = _table()
    found = table.between_rows(table.metrics[0])
    # `strong` has no trial in the second column and therefore no comparison there.
    assert {column: set(pairs) for column, pairs in found.items()} == {
        "one-step": {("none", "self"), ("none", "strong"), ("self", "strong")},
        "two-step": {("none", "self")},
    }
    one = found["one-step"]
    # All differences of one sign: 2 / 2^6, and 2 / 2^5 for the five shared trials.
    assert one["none", "self"].p_value == 2 / 2**6
    assert one["none", "strong"].num_pairs == 5
    # Holm over the column's three: 3 * 2/2^6, then 2 * 2/2^5 or what is above.
    assert one["none", "self"].p_holm == pytest.approx(3 * 2 / 2**6)
    assert one["none", "strong"].p_holm == pytest.approx(2 * 2 / 2**5)
    assert one["none", "self"].mean_difference == pytest.approx(
        -0.30 - sum(RAMP) / len(RAMP)
    )


def test_columns_are_compared_within_a_row_and_corrected_over_all_rows():
    table = _table()
    found = table.between_columns(table.metrics[0])
    assert list(found) == list(ROWS)
    assert not found["strong"]
    none, own = found["none"][COLUMNS], found["self"][COLUMNS]
    assert none.p_value == 2 / 2**6
    assert none.p_holm == pytest.approx(2 * 2 / 2**6)  # of two comparisons
    alone = statistics.wilcoxon(VALUES["self"]["one-step"], VALUES["self"]["two-step"])
    assert own.p_value == alone.p_value > none.p_value
    assert own.p_holm == pytest.approx(own.p_value)


def test_columns_that_are_no_settings_are_not_compared():
    table = _table(compare_columns=False)
    assert table.between_columns(table.metrics[0]) == {row: {} for row in ROWS}
    assert "Between columns" not in table_formats.to_markdown(table)
    assert "Between rows, all columns" in table_formats.to_markdown(table)
    # One family: three comparisons in the first column and one in the second.
    found = table.between_rows(table.metrics[0])
    assert found["one-step"]["none", "self"].p_value == 2 / 2**6
    assert found["one-step"]["none", "self"].p_holm == pytest.approx(4 * 2 / 2**6)
    assert "Between columns" in table_formats.to_markdown(_table())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rows": {}}, "at least one row, column and metric"),
        ({"columns": []}, "at least one row, column and metric"),
        ({"columns": ["one-step"] * 2}, "a column appears twice"),
        ({"columns": ["one-step"]}, "'none': 'two-step' is none of .'one-step'."),
        ({"rows": {"none": {}}}, "'self' is none of"),
        ({"reference": {"other": {}}}, "mAP: 'other' is none of"),
        (
            {"values": {"none": {"one-step": [1, 2], "two-step": [1]}}},
            "different numbers of trials",
        ),
        (
            {"values": {"none": {"one-step": [1.0, math.nan]}}},
            "'none', 'one-step': .*trial 1 is nan",
        ),
    ],
)
def test_refused(change, message):
    with pytest.raises(InputError, match=message):
        _table(**change)


def test_a_metric_twice_is_refused():
    with pytest.raises(InputError, match="a metric appears twice"):
        TrialTable("t", {"a": {}}, ["x"], [_measured("mAP", {}), _measured("mAP", {})])
