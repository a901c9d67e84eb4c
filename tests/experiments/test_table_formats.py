"""Tables of trials as text: golden documents, escaping, holes."""

import json
import math
import re

import numpy as np
import pytest

from tfweak.evaluation import statistics
from tfweak.evaluation.metrics import Metric
from tfweak.models.experiments import table_formats
from tfweak.models.experiments.trial_tables import Measured, TrialTable

ROWS = {
    "none, weak": {"attention": "none", "labels": "weak"},
    "self, weak": {"attention": "self-supervised", "labels": "weak"},
}
# Means 0.51, 0.53; 0.55, 0.57; deviations +-0.01, 0, so the standard error is
# 0.01 / sqrt(3) = 0.00577 throughout.
VALUES = {
    "none, weak": {"one-step": [0.50, 0.51, 0.52], "two-step": [0.52, 0.53, 0.54]},
    "self, weak": {"one-step": [0.56, 0.55, 0.54], "two-step": [0.56, 0.57, 0.58]},
}
REFERENCE = {
    "none, weak": {"one-step": "50.0±0.33"},
    "self, weak": {"one-step": "54.4±0.12"},
}


def _measured(name, values, reference=(), **printed):
    metric = Metric(name, lambda _: None, **printed)
    return Measured(metric, values, dict(reference))


def _table(values=VALUES, reference=REFERENCE, **options):
    options = {
        "rows": ROWS,
        "columns": ["one-step", "two-step"],
        "notes": ["seeds 0 to 2", "`tfweak-experiment`"],
        **options,
    }
    return TrialTable(
        "Table I", metrics=[_measured("mAP", values, reference)], **options
    )


# Differences none - self: -0.06, -0.04, -0.02 and three times -0.04: in both columns
# all of one sign, so p = 2 / 2^3. Between the columns of `none` too; in `self` they are
# 0, -0.02, -0.04: two pairs are left, p = 2 / 2^2. Holm over the two: 2 * 0.25, 0.5.
GOLDEN_MARKDOWN = """\
## Table I

### mAP × 100

Mean ± standard error of 3 trials.

| model | attention | labels | one-step | paper | two-step |
| --- | --- | --- | ---: | ---: | ---: |
| none, weak | none | weak | 51.00 ± 0.58 | 50.0±0.33 | 53.00 ± 0.58 |
| self, weak | self-supervised | weak | 55.00 ± 0.58 | 54.4±0.12 | 57.00 ± 0.58 |

Between rows, one-step: two-sided Wilcoxon signed-rank test over 3 trials, paired; in \
brackets corrected by Holm for 1 comparison. 3 pairs cannot give p below 0.25, nor \
below 0.25 after correction: too few to reach 0.05 at all.

| p (Holm) | self, weak |
| --- | ---: |
| none, weak | 0.2500 (0.2500) |

Between rows, two-step: two-sided Wilcoxon signed-rank test over 3 trials, paired; in \
brackets corrected by Holm for 1 comparison. 3 pairs cannot give p below 0.25, nor \
below 0.25 after correction: too few to reach 0.05 at all.

| p (Holm) | self, weak |
| --- | ---: |
| none, weak | 0.2500 (0.2500) |

Between columns: two-sided Wilcoxon signed-rank test over 3 trials, paired; in \
brackets corrected by Holm for 2 comparisons. 3 pairs cannot give p below 0.25, nor \
below 0.5 after correction: too few to reach 0.05 at all.

| p (Holm) | one-step / two-step |
| --- | ---: |
| none, weak | 0.2500 (0.5000) |
| self, weak | 0.5000 (0.5000) |

- seeds 0 to 2
- `tfweak-experiment`
"""

GOLDEN_LATEX = r"""% needs \usepackage{booktabs}
\begin{table}
\centering
\caption{Table I: mAP $\times$ 100. Mean $\pm$ standard error of 3 trials.}
\begin{tabular}{lllrrr}
\toprule
model & attention & labels & one-step & paper & two-step \\
\midrule
none, weak & none & weak & 51.00 $\pm$ 0.58 & 50.0$\pm$0.33 & 53.00 $\pm$ 0.58 \\
self, weak & self-supervised & weak & 55.00 $\pm$ 0.58 & 54.4$\pm$0.12 & 57.00 $\pm$ 0.58 \\
\bottomrule
\end{tabular}
\end{table}
"""  # noqa: E501


def test_columns_that_are_no_settings_have_a_line_a_pair():
    text = table_formats.to_markdown(_table(compare_columns=False))
    assert (
        "| p (Holm) | one-step | two-step |\n| --- | ---: | ---: |\n"
        "| none, weak / self, weak | 0.2500 (0.5000) | 0.2500 (0.5000) |\n"
    ) in text
    holes = {**VALUES, "self, weak": {"one-step": [0.56, 0.55, 0.54]}}
    text = table_formats.to_markdown(_table(holes, compare_columns=False))
    assert "| none, weak / self, weak | 0.2500 (0.2500) | - |" in text


def test_markdown():
    assert table_formats.to_markdown(_table()) == GOLDEN_MARKDOWN


def test_latex():
    assert table_formats.to_latex(_table()) == GOLDEN_LATEX


def test_json_holds_everything():
    document = json.loads(table_formats.to_json(_table()))
    assert document["title"] == "Table I"
    assert document["rows"][1] == {
        "name": "self, weak",
        "description": {"attention": "self-supervised", "labels": "weak"},
    }
    assert document["columns"] == ["one-step", "two-step"]
    assert document["notes"] == ["seeds 0 to 2", "`tfweak-experiment`"]
    (metric,) = document["metrics"]
    assert metric["name"] == "mAP"
    assert metric["cells"]["none, weak"]["one-step"] == {
        "trials": [0.50, 0.51, 0.52],
        "mean": pytest.approx(0.51),
        "standard_error": pytest.approx(0.01 / math.sqrt(3)),
        "num_trials": 3,
        "paper": "50.0±0.33",
    }
    assert metric["cells"]["self, weak"]["two-step"]["paper"] is None
    assert metric["between_rows"]["one-step"] == [
        {
            "one": "none, weak",
            "other": "self, weak",
            "p_value": 0.25,
            "median_difference": pytest.approx(-0.04),
            "mean_difference": pytest.approx(-0.04),
            "num_pairs": 3,
            "method": "exact",
            "p_holm": 0.25,
        }
    ]
    (comparison,) = metric["between_columns"]["self, weak"]
    assert (comparison["one"], comparison["other"]) == ("one-step", "two-step")
    assert (comparison["p_value"], comparison["p_holm"]) == (0.5, 0.5)
    (comparison,) = metric["between_columns"]["none, weak"]
    assert (comparison["p_value"], comparison["p_holm"]) == (0.25, 0.5)


def test_json_takes_numpy_values_and_keeps_every_digit():
    values = {"a": {"x": np.array([0.1, 1 / 3])}, "b": {"x": np.float32([0.5, 0.25])}}
    table = TrialTable("t", {"a": {}, "b": {}}, ["x"], [_measured("mAP", values)])
    (metric,) = json.loads(table_formats.to_json(table))["metrics"]
    assert metric["cells"]["a"]["x"]["trials"] == [0.1, 1 / 3]
    assert metric["cells"]["b"]["x"]["trials"] == [0.5, 0.25]


def _cells(markdown):
    """The rows of all tables in a Markdown text, split at bars that are not escaped."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]


def test_trials_that_are_not_done():
    rng = np.random.default_rng(0)
    trials = {name: rng.normal(0.5, 0.01, 7).tolist() for name in "abc"}
    trials["b"][2] = None
    trials["c"] = [0.4] + [None] * 6
    values = {name: {"mAP": list(v)} for name, v in trials.items()}
    metric = _measured("mAP", values, decimals=1)
    table = TrialTable("t", {name: {} for name in "abcd"}, ["mAP"], [metric])
    markdown = table_formats.to_markdown(table)
    cells = {row[0]: row[1:] for row in _cells(markdown)[2:6]}
    done = np.delete(trials["b"], 2).astype(float)
    error = 100 * done.std(ddof=1) / math.sqrt(6)
    assert cells["b"] == [f"{100 * done.mean():.1f} ± {error:.1f} (n = 6)"]
    assert cells["c"] == ["40.0 (n = 1)"]
    assert cells["d"] == ["-"]
    assert "Mean ± standard error of 7 trials, or n where n is given." in markdown
    # Only a and b share two trials or more: six, of which all pairs count.
    expected = statistics.wilcoxon(np.delete(trials["a"], 2), done).p_value
    p_values = _cells(markdown)[6:]
    assert p_values[0] == ["p (Holm)", "b", "c", "d"]
    assert p_values[2] == ["a", f"{expected:.4f} ({expected:.4f})", "-", "-"]
    assert p_values[3] == ["b", "", "-", "-"]
    assert p_values[4] == ["c", "", "", "-"]
    assert "test over 6 trials, paired" in markdown
    document = json.loads(table_formats.to_json(table))["metrics"][0]
    assert document["cells"]["b"]["mAP"]["trials"][2] is None
    assert document["cells"]["d"]["mAP"] == {
        "trials": [],
        "mean": None,
        "standard_error": None,
        "num_trials": 0,
        "paper": None,
    }
    assert len(document["between_rows"]["mAP"]) == 1


def test_comparisons_of_fewer_pairs_say_so():
    rows = {name: {} for name in "abc"}
    ramp = [0.01 * i for i in range(8)]
    values = {
        "a": {"x": ramp},
        "b": {"x": [0.5 + 2 * v for v in ramp]},
        "c": {"x": [0.9 + 3 * v for v in ramp[:6]] + [None] * 2},
    }
    markdown = table_formats.to_markdown(
        TrialTable("t", rows, ["x"], [_measured("mAP", values)])
    )
    # All differences of one sign: 2 / 2^8 = 0.0078 and 2 / 2^6 = 0.03125; Holm times 3
    # and times 2, 1 -> 0.0234, 0.0625, 0.0625.
    assert _cells(markdown)[-2:] == [
        ["a", "0.0078 (0.0234)", "0.0312 (0.0625), n = 6"],
        ["b", "", "0.0312 (0.0625), n = 6"],
    ]
    assert "over 8 trials, or n where n is given, paired" in markdown
    assert "too few" not in markdown


@pytest.mark.parametrize(
    "num_trials, num_rows, message",
    [
        (5, 2, "5 pairs cannot give p below 0.0625, .* too few to reach 0.05 at all"),
        # 2 / 2^6 = 0.03125 for one of three comparisons: 0.09375 after correction.
        (6, 3, "6 pairs .* nor below 0.09375 after .* too few to reach 0.05 after it"),
        (6, 2, None),
        (20, 6, None),
    ],
)
def test_too_few_trials_are_said(num_trials, num_rows, message):
    rows = {f"row {i}": {} for i in range(num_rows)}
    values = {
        row: {"x": [0.1 * i + (i + 1) * 0.001 * trial for trial in range(num_trials)]}
        for i, row in enumerate(rows)
    }
    markdown = table_formats.to_markdown(
        TrialTable("t", rows, ["x"], [_measured("mAP", values)])
    )
    assert "Wilcoxon" in markdown
    if message:
        assert re.search(message, markdown)
    else:
        assert "too few" not in markdown


def test_small_p_values_are_bounds():
    values = {
        "a": {"x": [0.5 + 0.001 * i for i in range(20)]},
        "b": {"x": [0.6 + 0.002 * i for i in range(20)]},
    }
    table = TrialTable("t", {"a": {}, "b": {}}, ["x"], [_measured("mAP", values)])
    assert "| a | <0.0001 (<0.0001) |" in table_formats.to_markdown(table)


def test_one_trial_and_no_trial():
    table = _table({"none, weak": {"one-step": [0.5]}}, {})
    markdown = table_formats.to_markdown(table)
    assert "One trial, no standard error." in markdown
    assert "| none, weak | none | weak | 50.00 | - |" in markdown
    assert "Wilcoxon" not in markdown
    empty = _table({"none, weak": {"one-step": [None, None]}}, {})
    assert "No trial is done." in table_formats.to_markdown(empty)
    assert r"none, weak & none & weak & - & - \\" in table_formats.to_latex(empty)


NASTY = "Air horn, truck horn & 50% _x_"


def test_latex_escapes():
    table = TrialTable(
        "A & B",
        {NASTY: {"#": r"a\b{c}~^$ <|>"}, "[15] *": {"#": "x"}},
        ["50 %"],
        [_measured("F_1", {NASTY: {"50 %": [1.0, 1.0]}}, scale=1, decimals=3)],
    )
    lines = table_formats.to_latex(table).splitlines()
    assert lines[3].startswith(r"\caption{A \& B: F\_1. Mean $\pm$")
    assert lines[6] == r"model & \# & 50 \% \\"
    assert lines[8] == (
        r"Air horn, truck horn \& 50\% \_x\_ & a\textbackslash{}b\{c\}"
        r"\textasciitilde{}\textasciicircum{}\$ \textless{}\textbar{}\textgreater{}"
        r" & 1.000 $\pm$ 0.000 \\"
    )
    # An opening bracket right after \\ would be read as its argument.
    assert lines[9] == r"{[}15] {*} & x & - \\"


def test_markdown_escapes():
    table = TrialTable(
        "a*b*",
        {NASTY: {}, "x|y <br> <5": {}},
        ["`z`"],
        [_measured("mAP", {NASTY: {"`z`": [0.5]}})],
    )
    markdown = table_formats.to_markdown(table)
    assert markdown.startswith("## a\\*b\\*\n")
    assert _cells(markdown)[0] == ["model", r"\`z\`"]
    assert _cells(markdown)[2][0] == r"Air horn, truck horn & 50% \_x\_"
    assert _cells(markdown)[3] == [r"x\|y \<br> <5", "-"]


def test_several_metrics_follow_each_other():
    f1 = {row: {"one-step": [0.5, 0.25, 0.75]} for row in ROWS}
    table = TrialTable(
        "Table I",
        ROWS,
        ["one-step"],
        [
            _measured("mAP", {r: {"one-step": VALUES[r]["one-step"]} for r in ROWS}),
            _measured("segment F1", f1, scale=1, decimals=3),
        ],
    )
    markdown = table_formats.to_markdown(table)
    assert re.findall("^### (.*)$", markdown, re.MULTILINE) == [
        "mAP × 100",
        "segment F1",
    ]
    # Standard error of 0.5, 0.25, 0.75: 0.25 / sqrt(3).
    assert "| none, weak | none | weak | 0.500 ± 0.144 |" in markdown
    assert "Between columns" not in markdown
    assert table_formats.to_latex(table).count(r"\begin{tabular}") == 2
    assert [m["name"] for m in json.loads(table_formats.to_json(table))["metrics"]] == [
        "mAP",
        "segment F1",
    ]


def test_the_order_of_the_values_changes_nothing():
    backwards = {
        row: dict(reversed(list(cells.items())))
        for row, cells in reversed(list(VALUES.items()))
    }
    for render in (
        table_formats.to_json,
        table_formats.to_markdown,
        table_formats.to_latex,
    ):
        assert render(_table(backwards)) == render(_table())


def test_less_is_better_is_written_as_more_is_better():
    rng = np.random.default_rng(1)
    rates = {row: {"EER": rng.uniform(0.1, 0.3, 8)} for row in "ab"}
    found = []
    for values in (rates, {r: {"EER": 1 - v["EER"]} for r, v in rates.items()}):
        metric = _measured("EER", values, scale=1, decimals=3)
        table = TrialTable("t", {"a": {}, "b": {}}, ["EER"], [metric])
        found.append(_cells(table_formats.to_markdown(table)))
    rates_cells, mirrored_cells = found
    mean = rates["a"]["EER"].mean()
    error = rates["a"]["EER"].std(ddof=1) / math.sqrt(8)
    # No cell is marked as the best, and the p values are two-sided.
    assert rates_cells[2] == ["a", f"{mean:.3f} ± {error:.3f}"]
    assert mirrored_cells[2] == ["a", f"{1 - mean:.3f} ± {error:.3f}"]
    assert rates_cells[4:] == mirrored_cells[4:]
