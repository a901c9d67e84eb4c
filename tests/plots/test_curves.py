"""Pictures of a training: each loss can be read, and the best epoch is marked."""

import numpy as np
import pytest
from figure_checks import assert_nothing_is_cut_off_or_overlaps

from tfweak.errors import InputError
from tfweak.plots import curves

HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "val_loss": [3.1, 2.5, 2.6],
    "val_mAP": [0.1, 0.3, 0.2],
    "learning_rate": [1e-3, 1e-3, 1e-3],
}


def test_history_draws_losses_and_the_best_epoch():
    losses, scores = curves.plot_history(HISTORY).axes
    loss, val_loss = losses.lines
    assert [line.get_label() for line in losses.lines] == ["training", "validation"]
    np.testing.assert_array_equal(loss.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(val_loss.get_ydata(), HISTORY["val_loss"])
    assert loss.get_color() == val_loss.get_color()
    assert (loss.get_linestyle(), val_loss.get_linestyle()) == ("-", "--")
    title = scores.get_title(loc="left")
    assert title == "validation mAP: best 0.3000 in epoch 2"


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_small_loss_is_not_flattened_by_a_large_one():
    history = {
        "loss": [33.0, 31.0],
        "loss_self": [30.0, 29.0],
        "loss_pred": [0.5, 0.3],
        **HISTORY,
        "val_loss_pred": [0.6, 0.2],
    }
    figure = curves.plot_history(history)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    weighted = "loss: weighted sum of the others"
    assert list(panels)[:3] == [weighted, "loss_self", "loss_pred"]
    # four panels are two by two
    assert len({axes.get_position().x0.round(3) for axes in figure.axes}) == 2
    assert len(panels) == 4
    for name, values in (("loss_self", [30, 29]), ("loss_pred", [0.5, 0.3, 0.6, 0.2])):
        bottom, top = panels[name].get_ylim()
        # the values fill most of the height
        assert bottom < min(values) and max(values) < top
        assert np.ptp(values) > 0.8 * (top - bottom)
    assert_nothing_is_cut_off_or_overlaps(figure)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_first_epoch_does_not_flatten_those_after_it():
    # as self-supervision of the printed form starts
    values = [1200.0, 300.0, 40.0, 20.0, 12.0, 10.0]
    figure = curves.plot_history({"loss": [1.0] * 6, "loss_self": values, **HISTORY})
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    axes = panels["loss_self (log scale)"]
    assert axes.get_yscale() == "log" and panels["loss"].get_yscale() == "linear"
    assert_nothing_is_cut_off_or_overlaps(figure)
    # 40 to 10 is 0.29 of the height; 1200 to 10 being 2.08 decades, and these 0.60
    down, up = axes.transAxes.inverted().transform(
        axes.transData.transform([(1, 10.0), (1, 40.0)])
    )[:, 1]
    assert 0.25 < up - down < 0.3
    shown = [tick.get_text() for tick in axes.get_yticklabels()]
    assert {"10", "100", "1000"} <= set(shown)


@pytest.mark.parametrize("values", [[0.0, 100.0], [-1.0, 100.0], [1.0, 10.0]])
def test_other_losses_have_a_linear_scale(values):
    (axes,) = curves.plot_history({"loss": values}).axes
    assert axes.get_yscale() == "linear" and axes.get_title(loc="left") == "loss"


def test_history_with_only_a_loss_or_with_nan():
    assert len(curves.plot_history({"loss": [1.0]}).axes) == 1
    figure = curves.plot_history({"loss": [1.0, 2.0], "val_mAP": [np.nan, 0.5]})
    assert figure.axes[1].get_title(loc="left").endswith("best 0.5000 in epoch 2")
    figure = curves.plot_history({"val_mAP": [np.nan]})
    assert figure.axes[0].get_title(loc="left") == "validation mAP"
    with pytest.raises(InputError, match="learning_rate"):
        curves.plot_history({"learning_rate": [1.0]})


@pytest.mark.filterwarnings("error::UserWarning")
def test_curves_of_many_systems_look_different():
    figure = curves.plot_curves(
        {f"system {i}": [0.1 * i, 0.2] for i in range(30)}, "validation mAP"
    )
    (axes,) = figure.axes
    assert axes.get_ylabel() == "validation mAP"
    np.testing.assert_allclose(axes.lines[3].get_ydata(), [0.3, 0.2])
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 30
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][29] == "system 29"
    assert_nothing_is_cut_off_or_overlaps(figure)
    box = legend.get_window_extent()
    assert box.y0 >= 0 and box.x1 <= figure.bbox.width
    assert box.x0 >= axes.get_window_extent().x1  # beside the curves


@pytest.mark.parametrize("values", [{}, {"a": []}])
def test_no_values_to_draw(values):
    with pytest.raises(InputError, match="no values to draw"):
        curves.plot_curves(values, "mAP")
