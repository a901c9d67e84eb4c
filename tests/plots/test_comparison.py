"""Figures 4 and 5: what is on them, in which order, and that nothing is cut off."""

import numpy as np
import pytest
from figure_checks import (
    assert_nothing_is_cut_off_or_overlaps,
    assert_runs_alone,
    frames,
    row_names,
    weights_of_names,
)
from matplotlib.patches import Rectangle
from scipy import stats

from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid
from tfweak.plots import comparison
from tfweak.plots.clip_view import ClipView

GRID = SegmentGrid(0.16, 0.975, 0.08)
NAMES = [
    "Train horn",
    "Air horn, truck horn",
    "Car alarm",
    "Reversing beeps",
    "Bicycle",
    "Skateboard",
    "Ambulance (siren)",
    "Fire engine, fire truck (siren)",
    "Civil defense siren",
    "Police car (siren)",
    "Screaming",
    "Car",
    "Car passing by",
    "Bus",
    "Truck",
    "Motorcycle",
    "Train",
]


def _bar_lengths(axes):
    return [p.get_width() for p in axes.patches if isinstance(p, Rectangle)]


def _seventeen():
    rng = np.random.default_rng(0)
    durations = rng.uniform(1, 10, 17)
    gains = 0.05 - 0.006 * durations + rng.normal(0, 0.02, 17)
    return durations, gains, rng.uniform(0.001, 0.01, 17)


def test_classes_stand_by_duration_the_shortest_on_top():
    figure = comparison.plot_improvement_by_duration(
        ["long", "short", "middle"], [9.0, 1.5, 4.0], [-0.02, 0.05, 0.01]
    )
    left, right = figure.axes
    assert row_names(left) == ["short", "middle", "long"]
    assert _bar_lengths(left) == pytest.approx([1.5, 4.0, 9.0])
    assert _bar_lengths(right) == pytest.approx([5.0, 1.0, -2.0])  # AP points
    bottom, top = left.get_ylim()
    assert bottom > top
    colours = [patch.get_facecolor() for patch in right.patches]
    assert colours[0] == colours[1] != colours[2]  # gains and losses differ
    assert [line.get_xdata() for line in right.lines] == [[0, 0]]  # the zero line
    assert "AP points" in right.get_xlabel()
    assert "error" not in right.get_xlabel()
    assert "(s)" in left.get_xlabel()


def test_error_bars_follow_their_classes():
    figure = comparison.plot_improvement_by_duration(
        ["long", "short"], [9.0, 1.5], [0.02, 0.05], [0.001, 0.03]
    )
    right = figure.axes[1]
    (bars,) = right.collections
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([2.0, 8.0]), pytest.approx([1.9, 2.1])]
    assert "standard error" in right.get_xlabel()


def test_the_rank_correlation_stands_in_the_title():
    durations, gains, _ = _seventeen()
    gains = gains + np.random.default_rng(4).normal(0, 0.02, 17)
    figure = comparison.plot_improvement_by_duration(NAMES, durations, gains)
    # rho from its definition: the correlation of the ranks.
    ranks = stats.rankdata(durations), stats.rankdata(gains)
    rho = np.corrcoef(*ranks)[0, 1]
    p_value = stats.spearmanr(durations, gains).pvalue
    assert 0.0001 < p_value < 0.05
    expected = f"Spearman's ρ = {rho:+.2f} (17 classes, p = {p_value:.4f})"
    assert figure.axes[1].get_title(loc="right") == expected


@pytest.mark.parametrize(
    "durations, gains, message",
    [
        ([1, 2, 3], [0.3, 0.2, 0.1], "ρ = -1.00 (3 classes, too few for p)"),
        ([1, 2, 3], [0.1, 0.1, 0.1], "not defined"),
        ([2, 2, 2], [0.1, 0.2, 0.3], "not defined"),
        ([2], [0.1], "not defined"),
        (range(1, 31), [0.001 * i for i in range(30)], "+1.00 (30 classes, p < 0.0001"),
    ],
)
def test_correlations_at_the_edges(durations, gains, message):
    names = [f"class {i}" for i in range(len(gains))]
    figure = comparison.plot_improvement_by_duration(names, durations, gains)
    assert message in figure.axes[1].get_title(loc="right")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"names": []}, "no classes"),
        ({"durations_seconds": [1.0]}, r"durations_seconds of shape \(1,\)"),
        ({"improvements": [0.1, np.nan]}, "improvements of shape .* finite"),
        ({"standard_errors": [0.1]}, r"standard_errors of shape \(1,\)"),
        ({"durations_seconds": [1.0, 0.0]}, "'b': a mean duration .* found 0.0"),
        ({"improvements": [5.0, 0.1]}, "'a': a difference of AP .* found 5.0"),
        ({"standard_errors": [0.1, -0.1]}, "'b': a standard error .* found -0.1"),
    ],
)
def test_improvements_that_cannot_be_drawn(change, message):
    given = {
        "names": ["a", "b"],
        "durations_seconds": [1.0, 2.0],
        "improvements": [0.1, 0.2],
        **change,
    }
    with pytest.raises(InputError, match=message):
        comparison.plot_improvement_by_duration(**given)


EVENTS = (Event(3, 5.0, 6.0), Event(1, 1.0, 3.0))
STRIP, FEATURES, FIRST, SECOND = range(4)


def _attention(num_segments=60, num_classes=5, seed=0):
    weights = np.random.default_rng(seed).random((num_segments, num_classes))
    return weights / weights.sum(axis=0)


def _compare(
    matrices=None,
    events=EVENTS,
    names=None,
    num_frames=960,
    scores=None,
    max_classes=8,
    **view,
):
    if matrices is None:
        matrices = {"one": _attention(seed=1), "two": _attention(seed=2)}
    names = names or [
        f"class {i}" for i in range(next(iter(matrices.values())).shape[1])
    ]
    clip = ClipView(np.zeros((num_frames, 64)), 0.01, GRID, names, events, **view)
    return comparison.plot_attention_comparison(clip, matrices, scores, max_classes)


def test_systems_stand_below_the_features_on_one_time_axis():
    matrices = {"one": _attention(seed=1), "two": _attention(seed=2)}
    figure = _compare(matrices)
    panels = figure.axes[:4]
    # 60 slots of 0.16 s from 0.08 s end at 9.68 s, the 960 frames at 9.6 s.
    for axes in panels:
        assert axes.get_xlim() == pytest.approx((0.0, 9.68))
    assert panels[FEATURES].images[0].get_extent()[:2] == pytest.approx([0.0, 9.6])
    assert panels[FEATURES].get_ylabel() == "mel band"
    assert "seconds" in panels[SECOND].get_xlabel()
    # Present classes by onset (1, then 3), then by the highest attention anywhere.
    highest = np.maximum(matrices["one"].max(axis=0), matrices["two"].max(axis=0))
    order = [1, 3] + sorted([0, 2, 4], key=lambda i: -highest[i])
    for panel, system in ((FIRST, "one"), (SECOND, "two")):
        axes = panels[panel]
        assert axes.get_title(loc="left").startswith(f"{system};")
        assert axes.images[0].get_extent()[:2] == pytest.approx([0.08, 9.68])
        assert row_names(axes) == [f"class {i}" for i in order]
        np.testing.assert_allclose(
            axes.images[0].get_array(), matrices[system][:, order].T
        )


def test_colours_go_to_the_highest_weight_shown():
    attention = np.full((10, 3), 0.1)
    attention[:, 2] = [1.0] + [0.0] * 9  # not shown
    attention[:5, 1] = 0.2 - attention[5:, 1]
    attention[0, 1], attention[1, 1] = 0.15, 0.05
    even = np.full((10, 3), 0.1)
    figure = _compare(
        {"peaked": attention, "even": even},
        [Event(1, 0.1, 0.3)],
        scores=[0.5, 0.1, 0.4],
        max_classes=2,
    )
    assert row_names(figure.axes[FIRST]) == ["class 1", "class 0"]
    for panel, most in ((FIRST, 0.15), (SECOND, 0.1)):
        norm = figure.axes[panel].images[0].norm
        assert (norm.vmin, norm.vmax) == (0, pytest.approx(most))
        title = figure.axes[panel].get_title(loc="left")
        assert f"darkest {most}, even 0.1" in title
        assert "sums to 1 over time" in title
    assert "2 of 3 classes" in figure.axes[SECOND].get_xlabel()


def test_true_events_are_framed_in_every_system():
    figure = _compare()
    for panel in (FIRST, SECOND):
        axes = figure.axes[panel]
        assert frames(axes) == [(5.0, 6.0, 1), (1.0, 3.0, 0)]
        assert weights_of_names(axes) == ["bold"] * 2 + ["normal"] * 3
    assert row_names(figure.axes[STRIP]) == ["class 1", "class 3"]
    times = sorted(line.get_xdata()[0] for line in figure.axes[FEATURES].lines)
    assert times == [1.0, 3.0, 5.0, 6.0]
    assert "framed: true events" in figure.axes[SECOND].get_xlabel()


def test_tags_without_times_are_bold_and_not_framed():
    figure = _compare(events=None, tags=[4, 2], scores=np.arange(5.0), max_classes=3)
    axes = figure.axes[FIRST]
    assert row_names(axes) == ["class 4", "class 2", "class 3"]
    assert weights_of_names(axes) == ["bold", "bold", "normal"]
    assert not frames(axes)
    assert figure.axes[STRIP].get_title(loc="left") == "true events: unknown"
    assert "framed" not in figure.axes[SECOND].get_xlabel()
    # Events come first, then tags that have none.
    figure = _compare(tags=[0, 3], max_classes=3)
    assert row_names(figure.axes[FIRST]) == ["class 1", "class 3", "class 0"]


def test_padding_is_not_shown():
    padded = _attention()
    padded[40:] = 0.9
    figure = _compare(
        {"one": padded, "two": _attention()},
        num_frames=640,
        num_valid_segments=40,
    )
    image = figure.axes[FIRST].images[0]
    assert image.get_array().shape == (5, 40)
    assert image.norm.vmax == pytest.approx(padded[:40].max())
    assert "even 0.025" in figure.axes[FIRST].get_title(loc="left")  # 1 / 40
    # 0.08 s + 40 slots of 0.16 s
    assert figure.axes[FIRST].get_xlim() == pytest.approx((0.0, 6.48))


def test_attention_of_zeros_is_drawn():
    figure = _compare({"only": np.zeros((4, 2))}, [])
    assert figure.axes[FIRST].images[0].norm.vmax == 1.0
    assert figure.axes[STRIP].get_title(loc="left") == "true events: none"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"matrices": {}, "names": NAMES}, "no outputs: expected"),
        ({"matrices": {"a": np.ones((3, 5)), "b": np.ones((4, 5))}}, r"'b' \(4, 5\)"),
        ({"matrices": {"a": np.ones((3, 5))}, "names": NAMES}, "17 classes"),
        ({"matrices": {"a": np.full((3, 5), np.nan)}}, "'a': every value must be"),
        ({"scores": [0.1]}, r"scores \(1,\)"),
        ({"max_classes": 0}, "max_classes 0"),
    ],
)
def test_comparisons_that_cannot_be_drawn(change, message):
    with pytest.raises(InputError, match=message):
        _compare(**change)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("kind", ["improvement", "long names", "one", "four systems"])
def test_nothing_is_cut_off_or_overlaps(kind):
    durations, gains, errors = _seventeen()
    long_names = [f"{name}, and all its many relations" for name in NAMES]
    figure = {
        "improvement": lambda: comparison.plot_improvement_by_duration(
            long_names, durations, gains, errors, "Self-supervised, minus unsupervised"
        ),
        "long names": lambda: _compare(
            {"one": _attention(60, 17)}, names=long_names, title="clip", max_classes=17
        ),
        "one": lambda: comparison.plot_improvement_by_duration(["a"], [1.0], [-0.1]),
        "four systems": lambda: _compare(
            {f"system {i}": _attention(seed=i) for i in range(4)}, max_classes=1
        ),
    }[kind]()
    assert_nothing_is_cut_off_or_overlaps(figure)


def test_matplotlib_is_imported_on_use_and_pyplot_never():
    code = (
        "import sys, tfweak.plots.comparison as c\n"
        "import tfweak.models.experiments.table_formats\n"
        "assert 'matplotlib' not in sys.modules\n"
        "assert 'tensorflow' not in sys.modules\n"
        "c.plot_improvement_by_duration(['a'], [1.0], [0.1])\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    assert_runs_alone(code)
