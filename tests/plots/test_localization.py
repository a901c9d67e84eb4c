"""Figure 3 of Xu et al. 2017: what is on it, where, and that nothing is cut off."""

import numpy as np
import pytest
from figure_checks import (
    assert_nothing_is_cut_off_or_overlaps,
    assert_runs_alone,
    frames,
    row_names,
    weights_of_names,
)
from matplotlib.patches import StepPatch

from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid
from tfweak.plots.clip_view import ClipView
from tfweak.plots.localization import plot_localization

# Xu et al. 2017: 249 frames of 32 ms every 16 ms. The segments begin a little late,
# so that a picture that forgot `offset_seconds` would be found out.
HOP = 0.016
GRID = SegmentGrid(HOP, 0.032, 0.008)
NUM_SEGMENTS = 249
NAMES = ["broadband noise", "child", "woman", "man", "other", "percussive", "TV"]
EVENTS = (Event(5, 2.0, 2.25), Event(1, 0.5, 1.5), Event(1, 2.5, 3.5))
FEATURE_VALUES = np.random.default_rng(1).normal(size=(NUM_SEGMENTS, 40))
STRIP, FEATURES, MAP, CURVE = range(4)


def _localization(num_segments=NUM_SEGMENTS, num_classes=7, seed=0):
    values = np.random.default_rng(seed).random((num_segments, num_classes))
    return values / values.sum(axis=1, keepdims=True)


def _attention(num_segments=NUM_SEGMENTS):
    return np.linspace(0.5, 1.0, num_segments)


def _draw(
    events=EVENTS,
    features=FEATURE_VALUES,
    names=NAMES,
    tags=(),
    num_valid_segments=None,
    **options,
):
    view = ClipView(
        features,
        HOP,
        GRID,
        names,
        events,
        tags,
        title="a clip",
        num_valid_segments=num_valid_segments,
    )
    outputs = {"localization": _localization(), "global_attention": _attention()}
    return plot_localization(view, **{**outputs, **options})


def _shades(axes):
    """(onset, offset) of the shaded times behind the curve."""
    shades = (patch.get_extents() for patch in _spans(axes))
    inverse = axes.transData.inverted()
    return [tuple(box.transformed(inverse).intervalx) for box in shades]


def _spans(axes):
    return [patch for patch in axes.patches if not isinstance(patch, StepPatch)]


def test_map_and_curve_stand_below_the_features_on_one_time_axis():
    localization, attention = _localization(), _attention()
    figure = _draw(localization=localization, global_attention=attention)
    # Four panels, and colour bars of the features and of the map.
    assert len(figure.axes) == 6
    panels = figure.axes[:4]
    tops = [axes.get_subplotspec().rowspan.start for axes in panels]
    assert tops == [0, 1, 2, 3]
    # 249 slots of 16 ms from 8 ms on end at 3.992 s, the frames at 3.984 s.
    for axes in panels:
        assert axes.get_xlim() == pytest.approx((0.0, 3.992))
    (image,) = panels[FEATURES].images
    assert image.get_extent() == pytest.approx([0.0, 3.984, -0.5, 39.5])
    np.testing.assert_array_equal(image.get_array(), FEATURE_VALUES.T)
    (image,) = panels[MAP].images
    assert image.get_extent()[:2] == pytest.approx([0.008, 3.992])
    (step,) = [p for p in panels[CURVE].patches if isinstance(p, StepPatch)]
    values, edges, _ = step.get_data()
    np.testing.assert_array_equal(values, attention)
    np.testing.assert_allclose(edges, 0.008 + 0.016 * np.arange(250))
    assert panels[CURVE].get_ylim() == pytest.approx((0, 1), abs=0.05)
    assert panels[CURVE].get_xlabel().startswith("time in seconds")
    assert not panels[MAP].get_xlabel()
    assert panels[FEATURES].get_ylabel() == "mel band"


def test_present_classes_come_first_in_bold():
    localization = _localization()
    axes = _draw(localization=localization).axes[MAP]
    # Child before percussive, by onset; then by the highest share at any time.
    highest = localization.max(axis=0)
    order = [1, 5] + sorted([0, 2, 3, 4, 6], key=lambda i: -highest[i])
    assert row_names(axes) == [NAMES[i] for i in order]
    assert weights_of_names(axes) == ["bold"] * 2 + ["normal"] * 5
    np.testing.assert_array_equal(axes.images[0].get_array(), localization[:, order].T)


def test_the_truth_stands_above_within_and_behind():
    figure = _draw()
    strip, features, located, curve = figure.axes[:4]
    assert row_names(strip) == ["child", "percussive"]
    bars = [
        path.get_extents().intervalx.tolist()
        for collection in strip.collections
        for path in collection.get_paths()
    ]
    assert bars == [[0.5, 1.5], [2.5, 3.5], [2.0, 2.25]]
    times = sorted(line.get_xdata()[0] for line in features.lines)
    assert times == [0.5, 1.5, 2.0, 2.25, 2.5, 3.5]
    assert frames(located) == [(2.0, 2.25, 1), (0.5, 1.5, 0), (2.5, 3.5, 0)]
    assert np.sort(_shades(curve), axis=0) == pytest.approx(
        np.array([(0.5, 1.5), (2.0, 2.25), (2.5, 3.5)])
    )
    # Opaque: two events at a time look as one does, and lie behind the curve.
    assert all(not patch.get_alpha() for patch in _spans(curve))
    (step,) = [p for p in curve.patches if isinstance(p, StepPatch)]
    assert all(patch.get_zorder() < step.get_zorder() for patch in _spans(curve))
    assert "shaded: true events" in curve.get_title(loc="left")
    assert "framed: true events" in curve.get_xlabel()


def test_events_of_classes_that_are_not_shown_are_marked_nowhere():
    figure = _draw(max_classes=1)
    strip, features, located, curve = figure.axes[:4]
    assert row_names(located) == row_names(strip) == ["child"]
    assert len(features.lines) == 4
    assert len(_spans(curve)) == len(frames(located)) == 2
    assert "1 of 7 classes" in curve.get_xlabel()


@pytest.mark.parametrize("events, title", [(None, "unknown"), ((), "none")])
def test_tags_without_times_are_bold_and_not_marked(events, title):
    figure = _draw(events, tags=[6, 1], scores=np.arange(7), max_classes=4)
    strip, features, located, curve = figure.axes[:4]
    assert row_names(located) == ["TV", "child", "percussive", "other"]
    assert weights_of_names(located) == ["bold", "bold", "normal", "normal"]
    assert strip.get_title(loc="left") == f"true events: {title}"
    assert not (features.lines or frames(located) or _spans(curve))
    assert "shaded" not in curve.get_title(loc="left")
    assert "framed" not in curve.get_xlabel()


def test_no_global_attention_no_curve():
    figure = _draw(global_attention=None)
    assert len(figure.axes) == 5  # three panels, two colour bars
    assert figure.axes[MAP].get_xlabel().startswith("time in seconds")
    assert not any(
        isinstance(patch, StepPatch) for axes in figure.axes for patch in axes.patches
    )


def test_colours_go_to_the_highest_share_shown():
    localization = np.full((10, 4), 0.1)
    localization[:, 3] = 0.7  # not shown
    localization[0] = [0.4, 0.2, 0.2, 0.2]
    figure = _draw(
        [Event(0, 0.0, 0.1)],
        names=NAMES[:4],
        localization=localization,
        global_attention=_attention(10),
        scores=[0, 1, 1, 0],
        max_classes=3,
    )
    norm = figure.axes[MAP].images[0].norm
    assert (norm.vmin, norm.vmax) == (0, 0.4)
    title = figure.axes[MAP].get_title(loc="left")
    assert "sum to 1" in title and "darkest 0.4, even 0.25" in title  # 1 / 4 classes


def test_padding_is_not_shown():
    # As the models give it: both outputs are 0 in padded frames.
    localization, attention = _localization(), _attention()
    localization[100:] = attention[100:] = 0
    figure = _draw(
        features=np.zeros((100, 40)),
        localization=localization,
        global_attention=attention,
        num_valid_segments=100,
    )
    assert figure.axes[MAP].images[0].get_array().shape == (7, 100)
    (step,) = [p for p in figure.axes[CURVE].patches if isinstance(p, StepPatch)]
    assert len(step.get_data().values) == 100
    # 8 ms and 100 slots of 16 ms
    assert figure.axes[CURVE].get_xlim() == pytest.approx((0.0, 1.608))
    with pytest.raises(InputError, match="segment 100 sums to 0 .* padding"):
        _draw(localization=localization, global_attention=attention)


def test_a_background_may_take_a_part():
    share = 0.7 * _localization()
    with pytest.raises(InputError, match="expected 1;"):
        _draw(localization=share)
    figure = _draw(localization=share, background=True)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert any("and the background sum to 1" in title for title in titles)
    with pytest.raises(InputError, match="expected at most 1;"):
        _draw(localization=np.ones_like(share), background=True)


def test_half_precision_sums_are_near_enough():
    _draw(localization=_localization().astype(np.float16))


@pytest.mark.parametrize(
    "change, message",
    [
        # attention over time, the likeliest mistake
        (
            {"localization": np.full((249, 7), 1 / 249)},
            "segment 0 sums to 0.02811 .* time",  # 7 / 249
        ),
        ({"localization": np.full((249, 7), np.nan)}, "localization: every value"),
        ({"global_attention": np.ones(248)}, r"\(249, 7\), global_attention \(248,\)"),
        ({"global_attention": np.float64(1)}, r"global_attention \(\): expected"),
        ({"global_attention": np.ones((249, 1))}, r"\(249, 1\): .* curve \(segments,"),
        ({"global_attention": np.full(249, -0.1)}, "global_attention: every value"),
        ({"global_attention": np.full(249, 1.5)}, "found 1.5, expected at most 1"),
        ({"scores": [0.1]}, r"scores \(1,\)"),
        ({"max_classes": 0}, "max_classes 0"),
    ],
)
def test_what_cannot_be_drawn(change, message):
    with pytest.raises(InputError, match=message):
        _draw(**change)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    "options",
    [
        {"names": [f"{name}, and all its many relations" for name in NAMES]},
        {"max_classes": 1, "global_attention": None},
        {"events": None},
    ],
)
def test_nothing_is_cut_off_or_overlaps(options):
    assert_nothing_is_cut_off_or_overlaps(_draw(**options))


def test_matplotlib_is_imported_on_use_and_tensorflow_never():
    code = (
        "import sys, numpy as np, tfweak.plots.localization as p\n"
        "from tfweak.labels import SegmentGrid\n"
        "view = p.ClipView(np.ones((2, 3)), 1, SegmentGrid(1, 1), 'a', None)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "p.plot_localization(view, np.ones((2, 1)), None)\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert not {'matplotlib.pyplot', 'tensorflow'} & set(sys.modules)\n"
    )
    assert_runs_alone(code)
