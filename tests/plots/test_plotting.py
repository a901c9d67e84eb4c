"""Pictures: what is on them, that they are readable, and that files come out whole."""

import numpy as np
import pytest
from figure_checks import assert_runs_alone
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid
from tfweak.plots import plotting

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
    figure = plotting.plot_clip(
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


def _row_names(axes):
    return [text.get_text() for text in axes.get_yticklabels()]


def _frames(axes):
    return [p for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()]


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
    for panel, expected in ((PROBS, probs), (ATTENTION, attention)):
        axes = figure.axes[panel]
        np.testing.assert_allclose(axes.images[0].get_array(), expected.T)
        assert _row_names(axes) == [f"class {i}" for i in range(5)]
        bottom, top = axes.get_ylim()
        assert bottom > top  # the first class on top
    assert figure.axes[PROBS].images[0].norm.vmax == 1.0


def test_true_events_are_marked_in_every_panel():
    events = [Event(1, 1.0, 3.0), Event(3, 2.0, 2.5), Event(1, 5.0, 6.0)]
    figure, _, _ = _clip(events=events)
    assert _row_names(figure.axes[STRIP]) == ["class 1", "class 3"]
    bars = [
        path.get_extents().intervalx.tolist()
        for bars in figure.axes[STRIP].collections
        for path in bars.get_paths()
    ]
    assert bars == [[1.0, 3.0], [5.0, 6.0], [2.0, 2.5]]
    lines = sorted(line.get_xdata()[0] for line in figure.axes[MEL].lines)
    assert lines == [1.0, 2.0, 2.5, 3.0, 5.0, 6.0]
    for panel in (PROBS, ATTENTION):
        frames = [
            (
                p.get_x(),
                p.get_x() + p.get_width(),
                round(p.get_y() + p.get_height() / 2),
            )
            for p in _frames(figure.axes[panel])
        ]
        assert frames == [(e[1], e[2], e[0]) for e in events]
        bold = [t.get_fontweight() for t in figure.axes[panel].get_yticklabels()]
        assert bold == ["normal", "bold", "normal", "bold", "normal"]
        assert "true events" in figure.axes[panel].get_title(loc="left")


def test_many_classes_show_the_present_then_the_highest():
    rng = np.random.default_rng(1)
    probs = rng.random((10, 527)) * 0.1
    probs[4, 300], probs[2, 7] = 0.9, 0.8
    figure = plotting.plot_clip(
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
    assert _row_names(axes) == ["class 20", "class 500", "class 300", "class 7"]
    np.testing.assert_allclose(
        axes.images[0].get_array(), probs[:, [20, 500, 300, 7]].T
    )
    assert "4 of 527 classes: 2 present, then the highest" in axes.get_title(loc="left")
    # Frames sit in the rows of their classes: 500 in row 1, 20 in row 0.
    assert [round(p.get_y() + 0.46) for p in _frames(axes)] == [1, 0]


def test_more_present_classes_than_rows():
    events = [Event(i, 0.1 * i, 0.1 * i + 0.5) for i in range(6)]
    figure, _, _ = _clip(num_classes=8, events=events, max_classes=3)
    title = figure.axes[PROBS].get_title(loc="left")
    assert "3 of 8 classes: the first of 6 present" in title
    assert _row_names(figure.axes[STRIP]) == ["class 0", "class 1", "class 2"]
    assert len(figure.axes[MEL].lines) == 2 * 3


def test_attention_scale_is_set_by_the_present_classes():
    attention = np.zeros((10, 2))
    attention[0, 0] = 1.0
    attention[:, 1] = 0.1
    arguments = (np.zeros((160, 64)), 0.01, GRID, ["absent", "present"])
    figure = plotting.plot_clip(
        *arguments, np.full((10, 2), 0.5), attention, [Event(1, 0.0, 1.6)]
    )
    assert figure.axes[ATTENTION].images[0].norm.vmax == pytest.approx(0.1)
    figure = plotting.plot_clip(*arguments, np.full((10, 2), 0.5), attention, [])
    assert figure.axes[ATTENTION].images[0].norm.vmax == pytest.approx(1.0)


@pytest.mark.parametrize(
    "events, message", [([], "true events: none"), (None, "true events: unknown")]
)
def test_without_events_the_figure_says_so(events, message):
    figure, _, _ = _clip(events=events)
    assert figure.axes[STRIP].get_title(loc="left") == message
    assert not _frames(figure.axes[PROBS])
    assert "true events" not in figure.axes[PROBS].get_title(loc="left")


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
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # lays the figure out
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox(canvas.get_renderer())
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= width + 1 and box.y1 <= height + 1


def test_attention_of_zeros_is_drawn(tmp_path):
    figure = plotting.plot_clip(
        np.zeros((10, 4)), 0.01, GRID, ["a"], np.zeros((2, 1)), np.zeros((2, 1)), []
    )
    assert figure.axes[ATTENTION].images[0].norm.vmax == 1.0
    plotting.save(figure, tmp_path / "zeros.png")
    assert (tmp_path / "zeros.png").stat().st_size > 1000


def test_long_names_are_shortened():
    name = "Heavy metal, thrash metal and all their many relations"
    figure = plotting.plot_clip(
        np.zeros((10, 4)), 0.01, GRID, [name], np.zeros((2, 1)), np.zeros((2, 1)), []
    )
    (shown,) = _row_names(figure.axes[PROBS])
    assert shown.endswith("…") and name.startswith(shown[:-1]) and len(shown) <= 36


@pytest.mark.parametrize(
    "log_mel, probs, attention, names, message",
    [
        ((10, 4), (3, 2), (4, 2), "ab", r"\(3, 2\) and attention \(4, 2\)"),
        ((10, 4), (3, 2), (3, 2), "abc", "3 classes"),
        ((10, 4), (0, 2), (0, 2), "ab", r"\(0, 2\)"),
        ((10,), (3, 2), (3, 2), "ab", "mel bands"),
        ((0, 4), (3, 2), (3, 2), "ab", "mel bands"),
    ],
)
def test_shapes_that_do_not_fit(log_mel, probs, attention, names, message):
    with pytest.raises(InputError, match=message):
        plotting.plot_clip(
            np.zeros(log_mel),
            0.01,
            GRID,
            list(names),
            np.zeros(probs),
            np.zeros(attention),
            [],
        )


HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "val_loss": [3.1, 2.5, 2.6],
    "val_mAP": [0.1, 0.3, 0.2],
    "learning_rate": [1e-3, 1e-3, 1e-3],
}


def test_history_draws_losses_and_the_best_epoch():
    figure = plotting.plot_history(HISTORY)
    losses, scores = figure.axes
    loss, val_loss = losses.lines
    assert [line.get_label() for line in losses.lines] == ["loss", "val_loss"]
    np.testing.assert_array_equal(loss.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(val_loss.get_ydata(), HISTORY["val_loss"])
    assert loss.get_color() == val_loss.get_color()
    assert (loss.get_linestyle(), val_loss.get_linestyle()) == ("-", "--")
    assert scores.get_title() == "best 0.3000 in epoch 2"


def test_history_with_only_a_loss_or_with_nan():
    assert len(plotting.plot_history({"loss": [1.0]}).axes) == 1
    figure = plotting.plot_history({"loss": [1.0, 2.0], "val_mAP": [np.nan, 0.5]})
    assert figure.axes[1].get_title() == "best 0.5000 in epoch 2"
    with pytest.raises(InputError, match="learning_rate"):
        plotting.plot_history({"learning_rate": [1.0]})


def test_save_writes_a_png_whole(tmp_path):
    path = tmp_path / "clip.png"
    path.write_text("old")
    plotting.save(plotting.plot_history(HISTORY), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.png"]


def test_save_leaves_the_old_picture_when_it_fails(tmp_path):
    path = tmp_path / "clip.png"
    path.write_text("old")

    class Broken(Figure):
        def savefig(self, target, **options):
            target.write_bytes(b"half a picture")
            raise OSError("disk full")

    with pytest.raises(InputError, match="clip.png: cannot be written .disk full"):
        plotting.save(Broken(), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.png"]
    with pytest.raises(InputError, match="no such folder"):
        plotting.save(Figure(), tmp_path / "missing" / "clip.png")


def test_matplotlib_is_imported_on_use_and_pyplot_never():
    code = (
        "import sys, tfweak.plots.plotting as p\n"
        "assert 'matplotlib' not in sys.modules\n"
        "p.plot_history({'loss': [1.0]})\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    assert_runs_alone(code)
