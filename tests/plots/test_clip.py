"""The picture of a clip: what is on it, and that it is readable."""

import numpy as np
import pytest
from figure_checks import (
    assert_nothing_is_cut_off_or_overlaps,
    frames,
    row_names,
    weights_of_names,
)

from tfweak import plot_clip
from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid

EVENTS = (Event(1, 1.0, 3.0),)
GRID = SegmentGrid(0.16, 0.975, 0.08)
STRIP, MEL, PROBS, ATTENTION = range(4)


def _clip(num_classes=5, num_segments=60, events=EVENTS, prefix="class", **options):
    """A figure of random scores, and the scores."""
    rng = np.random.default_rng(0)
    probs = rng.random((num_segments, num_classes)) * 0.5
    attention = probs / probs.sum(axis=0)
    num_frames = max(1, int(round(num_segments * GRID.hop_seconds / 0.01)))
    names = [f"{prefix} {i}" for i in range(num_classes)]
    figure = plot_clip(
        rng.normal(size=(num_frames, 64)),
        0.01,
        GRID,
        names,
        probs,
        attention,
        events,
        **options,
    )
    return figure, probs, attention


def test_panels_share_one_time_axis_in_seconds():
    figure, _, _ = _clip(num_segments=60)
    axes = figure.axes[:4]
    # 60 slots of 0.16 s from 0.08 s end at 9.68 s, after the 9.6 s of frames.
    for panel in axes:
        assert panel.get_xlim() == pytest.approx((0.0, 9.68))
    assert axes[MEL].images[0].get_extent()[:2] == pytest.approx([0.0, 9.6])
    for panel in (PROBS, ATTENTION):
        assert axes[panel].images[0].get_extent()[:2] == pytest.approx([0.08, 9.68])
    assert "seconds" in axes[ATTENTION].get_xlabel()


def test_matrices_are_drawn_class_by_row():
    figure, probs, attention = _clip()
    # The present class, then by the highest probability.
    order = [1] + sorted([0, 2, 3, 4], key=lambda i: -probs[:, i].max())
    for panel, expected in ((PROBS, probs), (ATTENTION, attention)):
        axes = figure.axes[panel]
        np.testing.assert_allclose(axes.images[0].get_array(), expected[:, order].T)
        assert row_names(axes) == [f"class {i}" for i in order]
        bottom, top = axes.get_ylim()
        assert bottom > top  # the first class on top
    assert figure.axes[PROBS].images[0].norm.vmax == 1.0


def test_true_events_are_marked_in_every_panel():
    events = [Event(1, 1.0, 3.0), Event(3, 2.0, 2.5), Event(1, 5.0, 6.0)]
    figure, _, _ = _clip(events=events)
    assert row_names(figure.axes[STRIP]) == ["class 1", "class 3"]
    bars = [
        path.get_extents().intervalx.tolist()
        for bars in figure.axes[STRIP].collections
        for path in bars.get_paths()
    ]
    assert bars == [[1.0, 3.0], [5.0, 6.0], [2.0, 2.5]]
    lines = sorted(line.get_xdata()[0] for line in figure.axes[MEL].lines)
    assert lines == [1.0, 2.0, 2.5, 3.0, 5.0, 6.0]
    for panel in (PROBS, ATTENTION):
        axes = figure.axes[panel]
        assert frames(axes) == [(1.0, 3.0, 0), (2.0, 2.5, 1), (5.0, 6.0, 0)]
        assert weights_of_names(axes) == ["bold"] * 2 + ["normal"] * 3
    assert "framed: true events" in figure.axes[ATTENTION].get_xlabel()


def test_many_classes_show_the_present_then_the_highest():
    rng = np.random.default_rng(1)
    probs = rng.random((10, 527)) * 0.1
    probs[4, 300], probs[2, 7] = 0.9, 0.8
    figure = plot_clip(
        np.zeros((160, 64)),
        0.01,
        GRID,
        [f"class {i}" for i in range(527)],
        probs,
        np.full((10, 527), 0.1),
        [Event(500, 0.5, 1.0), Event(20, 0.0, 1.0)],
        max_classes=4,
    )
    axes = figure.axes[PROBS]
    assert row_names(axes) == ["class 20", "class 500", "class 300", "class 7"]
    np.testing.assert_allclose(
        axes.images[0].get_array(), probs[:, [20, 500, 300, 7]].T
    )
    note = "4 of 527 classes; bold: present; framed"
    assert note in figure.axes[ATTENTION].get_xlabel()
    # Frames sit in the rows of their classes: 500 in row 1, 20 in row 0.
    assert frames(axes) == [(0.5, 1.0, 1), (0.0, 1.0, 0)]


def test_more_present_classes_than_rows():
    events = [Event(i, 0.1 * i, 0.1 * i + 0.5) for i in range(6)]
    figure, _, _ = _clip(num_classes=8, events=events, max_classes=3)
    note = "3 of 8 classes; bold: present (3 of 6)"
    assert note in figure.axes[ATTENTION].get_xlabel()
    assert row_names(figure.axes[STRIP]) == ["class 0", "class 1", "class 2"]
    assert len(figure.axes[MEL].lines) == 2 * 3


def test_attention_scale_is_set_by_the_present_classes():
    attention = np.zeros((10, 2))
    attention[0, 0] = 1.0
    attention[:, 1] = 0.1
    arguments = (np.zeros((160, 64)), 0.01, GRID, ["absent", "present"])
    figure = plot_clip(
        *arguments, np.full((10, 2), 0.5), attention, [Event(1, 0.0, 1.6)]
    )
    assert figure.axes[ATTENTION].images[0].norm.vmax == pytest.approx(0.1)
    figure = plot_clip(*arguments, np.full((10, 2), 0.5), attention, [])
    assert figure.axes[ATTENTION].images[0].norm.vmax == pytest.approx(1.0)


@pytest.mark.parametrize(
    "events, message", [([], "true events: none"), (None, "true events: unknown")]
)
def test_without_events_the_figure_says_so(events, message):
    figure, _, _ = _clip(events=events)
    assert figure.axes[STRIP].get_title(loc="left") == message
    assert not frames(figure.axes[PROBS])
    assert figure.axes[ATTENTION].get_xlabel().endswith("5 of 5 classes")


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    "options",
    [
        {"num_classes": 1, "events": [Event(0, 1.0, 2.0)], "title": "one class"},
        {"num_classes": 527, "title": "many"},
        {"num_segments": 1, "events": [Event(2, 0.0, 0.1)]},
        {"events": []},
        {"events": None},
    ],
)
def test_nothing_is_cut_off(options):
    figure, _, _ = _clip(prefix="A class with a long name", **options)
    assert_nothing_is_cut_off_or_overlaps(figure)


def test_attention_of_zeros_is_drawn():
    figure = plot_clip(
        np.zeros((10, 4)), 0.01, GRID, ["a"], np.zeros((2, 1)), np.zeros((2, 1)), []
    )
    assert figure.axes[ATTENTION].images[0].norm.vmax == 1.0


@pytest.mark.parametrize(
    "log_mel, probs, attention, names, message",
    [
        ((10, 4), (3, 2), (4, 2), "ab", r"\(3, 2\), attention \(4, 2\)"),
        ((10, 4), (3, 2), (3, 2), "abc", "3 classes"),
        ((10, 4), (0, 2), (0, 2), "ab", r"\(0, 2\)"),
        ((10,), (3, 2), (3, 2), "ab", r"features \("),
        ((0, 4), (3, 2), (3, 2), "ab", r"features \("),
    ],
)
def test_shapes_that_do_not_fit(log_mel, probs, attention, names, message):
    with pytest.raises(InputError, match=message):
        plot_clip(
            np.zeros(log_mel),
            0.01,
            GRID,
            list(names),
            np.zeros(probs),
            np.zeros(attention),
            [],
        )
