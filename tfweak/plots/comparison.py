"""Pictures that compare systems: Figures 4 and 5 of Kim & Ghaffarzadegan 2019."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..errors import InputError
from ..typing import Array
from . import kit
from .clip_view import ClipView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAIN_COLOUR, _LOSS_COLOUR, _DURATION_COLOUR = "#1b7837", "#b2182b", "0.72"
# SciPy's p of Spearman's rho is an approximation: with three classes in order it is 0.
_MIN_CLASSES_FOR_P = 10


def plot_improvement_by_duration(
    names: Sequence[str],
    durations_seconds: Sequence[float],
    improvements: Sequence[float],
    standard_errors: Sequence[float] | None = None,
    title: str = "Class-wise improvement",
) -> Figure:
    """Class-wise improvement of one system over another against the events' duration.

    Fig. 4 of Kim & Ghaffarzadegan 2019. A line for each class, the shortest events on
    top: on the left the mean duration, on the right the improvement. The caption gives
    Spearman's rank correlation of the two and, from ten classes on, its p.

    Args:
      names: C >= 1 class names.
      durations_seconds: C mean durations of an event, above 0.
      improvements: C differences of average precision in [-1, 1], drawn in points
        (times 100).
      standard_errors: C standard errors of the improvements over trials, at least 0, on
        the same scale; None leaves the error bars out.
      title: of the figure.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: lengths that differ, nothing to draw, or values outside their range.
    """
    num_classes = len(names)
    if not num_classes:
        raise InputError("no classes to draw: at least one is needed")
    durations = _values(durations_seconds, num_classes, "durations_seconds")
    gains = _values(improvements, num_classes, "improvements")
    errors = None
    if standard_errors is not None:
        errors = _values(standard_errors, num_classes, "standard_errors")
    for wrong, values, what in (
        (durations <= 0, durations, "a mean duration must be above 0"),
        (np.abs(gains) > 1, gains, "a difference of AP must lie in [-1, 1]"),
        (
            np.zeros(num_classes, bool) if errors is None else errors < 0,
            gains if errors is None else errors,
            "a standard error must be at least 0",
        ),
    ):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise InputError(f"class {names[first]!r}: {what}, found {values[first]}")

    order = np.argsort(durations, kind="stable")
    lines = np.arange(num_classes)
    figure = kit.new_figure(9, 1.5 + 0.29 * num_classes, title)
    left, right = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": (1, 2.2)}
    )
    kit.caption(right, _correlation(durations, gains), "right")

    bars = left.barh(lines, durations[order], 0.66, color=_DURATION_COLOUR)
    left.bar_label(bars, fmt="%.1f", padding=2, fontsize=8, color="0.35")
    left.margins(x=0.2)
    left.set_yticks(lines, [kit.short_name(names[i]) for i in order], fontsize=9)
    left.set_xlabel("mean event duration (s)", fontsize=9)

    right.barh(
        lines,
        100 * gains[order],
        0.66,
        color=[_GAIN_COLOUR if gain >= 0 else _LOSS_COLOUR for gain in gains[order]],
        xerr=None if errors is None else 100 * errors[order],
        error_kw={"ecolor": "0.15", "elinewidth": 1.0, "capsize": 2.5},
    )
    right.axvline(0, color="black", linewidth=0.9)
    right.margins(x=0.06)
    bars_are = "" if errors is None else "; error bars: ± standard error"
    right.set_xlabel(f"improvement in AP points{bars_are}", fontsize=9)
    for axes in (left, right):
        kit.open_panel(axes, "x")
        axes.tick_params(axis="y", length=0)
    left.set_ylim(num_classes - 0.4, -0.6)  # the shortest on top
    return figure


def plot_attention_comparison(
    view: ClipView,
    matrices: Mapping[str, Array],
    scores: Array | None = None,
    max_classes: int = 8,
) -> Figure:
    """A clip's features and, below them, the attention matrix of each system.

    Fig. 5 of Kim & Ghaffarzadegan 2019, on one time axis. The classes are the same in
    all panels: first those that are present (with events, by onset, then with tags
    alone), their names in bold, then those of the highest score, `max_classes` at most.
    True events stand as bars above the features and as frames around their time in the
    class's line. As A sums to 1 over time for each class, its values depend on how long
    the attention rests: the colours of a panel go linearly from 0 to the highest weight
    shown in it. The caption gives that, and the 1/T of an attention that is even over
    time; where both are close, a dark panel means no preference.

    Args:
      view: the clip.
      matrices: by system, in the order of the panels: A, (T, C), at least 0.
      scores: (C,), which absent classes come first, such as clip probabilities; by
        default the highest attention in any system.
      max_classes: lines in a panel at most.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: no matrices, shapes that do not fit, values that are negative, NaN or
        infinite, or no class to show.
    """
    valid = view.valid({f"attention of {name!r}": m for name, m in matrices.items()})
    highest = np.max(valid, axis=(0, 1))
    shown = view.choose(highest if scores is None else scores, max_classes)
    num_segments = len(valid[0])
    figure, panels = view.figure(shown, num_segments, len(valid))
    for axes, system, matrix in zip(panels, matrices, valid):
        what = f"{system}; a class sums to 1 over time"
        view.draw_classes(
            axes, matrix, shown, "Greens", "weight", what, 1 / num_segments
        )
    return figure


def _values(values: Sequence[float], count: int, what: str) -> Array:
    array = np.asarray(values, np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise InputError(
            f"{what} of shape {array.shape}: expected {count} finite numbers, one for"
            " each class"
        )
    return array


def _correlation(durations: Array, gains: Array) -> str:
    """Spearman's rho as text, with its p where the classes are enough for it."""
    if min(len(np.unique(durations)), len(np.unique(gains))) < 2:
        return "Spearman's ρ is not defined: all values are equal"
    rho, p_value = stats.spearmanr(durations, gains)
    shown_p = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    if len(gains) < _MIN_CLASSES_FOR_P:
        shown_p = "too few for p"
    return f"Spearman's ρ = {rho:+.2f} ({len(gains)} classes, {shown_p})"
