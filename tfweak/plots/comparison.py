"""Pictures that compare systems: Figures 4 and 5 of Kim & Ghaffarzadegan 2019.

Figures are built as in `plotting`, whose `save` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from . import clip_view, plotting

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

    Fig. 4 of Kim & Ghaffarzadegan 2019. A class a line, the shortest events on top: on
    the left the mean duration, on the right the improvement. The title gives Spearman's
    rank correlation of the two and, from ten classes on, its p.

    Args:
      names: C >= 1 class names.
      durations_seconds: C mean durations of an event, above 0.
      improvements: C differences of average precision in [-1, 1], drawn in points
        (times 100).
      standard_errors: C standard errors of the improvements over trials, at least 0, on
        the same scale; None leaves the error bars out.
      title: stands before the correlation.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: lengths that differ, nothing to draw, or values outside their range.
    """
    from matplotlib.figure import Figure

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
    figure = Figure(figsize=(9, 1.5 + 0.29 * num_classes), layout="constrained")
    left, right = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": (1, 2.2)}
    )
    correlation = _correlation(durations, gains)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    right.set_title(correlation, loc="right", fontsize=9, color="0.25")

    bars = left.barh(lines, durations[order], 0.66, color=_DURATION_COLOUR)
    left.bar_label(bars, fmt="%.1f", padding=2, fontsize=8, color="0.35")
    left.margins(x=0.2)
    left.set_yticks(lines, [plotting.short_name(names[i]) for i in order], fontsize=9)
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
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    left.set_ylim(num_classes - 0.4, -0.6)  # the shortest on top
    return figure


def plot_attention_comparison(
    features: Array,
    frame_hop_seconds: float,
    grid: SegmentGrid,
    class_names: Sequence[str],
    matrices: Mapping[str, Array],
    events: Sequence[Event] | None,
    tags: Sequence[int] = (),
    scores: Array | None = None,
    num_valid_segments: int | None = None,
    feature_kind: str = "log_mel",
    title: str = "",
    max_classes: int = 8,
) -> Figure:
    """A clip's features and, below them, the attention matrix of each system.

    Fig. 5 of Kim & Ghaffarzadegan 2019, on one time axis. The classes are the same in
    all panels: first those that are present (with events, by onset, then with tags
    alone), their names in bold, then those of the highest score, `max_classes` at most.
    True events stand as bars above the features and as frames around their time in the
    class's line. As A sums to 1 over time for each class, its values depend on how long
    the attention rests: the colours of a panel go linearly from 0 to the highest weight
    shown in it. The title gives that, and the 1/T of an attention that is even over
    time; where both are close, a dark panel means no preference.

    Args:
      features: (frames, F), valid frames only.
      frame_hop_seconds: time from one frame to the next; 0.96 for VGGish embeddings.
      grid: where the segments lie in time.
      class_names: C names.
      matrices: by system, in the order of the panels: A, (T, C), at least 0.
      events: the true events; empty where nothing happens, None where they are unknown.
      tags: classes that the clip is tagged with; those of the events need not be named.
      scores: (C,), which absent classes come first, such as clip probabilities; by
        default the highest attention in any system.
      num_valid_segments: how many segments from the first on are no padding; None
        stands for all. Only these are shown.
      feature_kind: `log_mel`, `constant_q` or `embedding`, for the labels of the axis.
      title: of the figure.
      max_classes: lines in a panel at most.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: no matrices, shapes that do not fit, values that are negative, NaN or
        infinite, class indices or settings outside their range.
    """
    valid = _valid_matrices(matrices, len(class_names), num_valid_segments)
    view = clip_view.ClipView(
        features, frame_hop_seconds, grid, class_names, events, tags, feature_kind
    )
    highest = np.max([matrix.max(axis=0) for matrix in valid.values()], axis=0)
    shown = view.choose(highest if scores is None else scores, max_classes)
    num_segments = len(next(iter(valid.values())))
    heights = [clip_view.class_panel_inches(shown)] * len(valid)
    figure, panels = view.figure(shown, num_segments, heights, title)
    for axes, (system, matrix) in zip(panels, valid.items()):
        what = f"{system}; a class sums to 1 over time"
        even = 1 / num_segments
        view.draw_classes(axes, matrix, shown, "Greens", "weight", what, even)
    return figure


def _valid_matrices(
    matrices: Mapping[str, Array], num_classes: int, num_valid: int | None
) -> dict[str, Array]:
    """The matrices without padding, (valid segments, C) float64, checked."""
    shapes = {name: np.shape(matrix) for name, matrix in matrices.items()}
    if len(set(shapes.values())) != 1:
        raise InputError(
            f"attention matrices of shapes {shapes}: expected one matrix at least, and"
            " the same shape for all systems"
        )
    return {
        name: clip_view.valid_segments(
            matrix, (num_classes,), num_valid, f"attention of {name!r}"
        )
        for name, matrix in matrices.items()
    }


def _values(values: Sequence[float], count: int, what: str) -> Array:
    array = np.asarray(values, np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise InputError(
            f"{what} of shape {array.shape}: expected {count} finite numbers, one a"
            " class"
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
