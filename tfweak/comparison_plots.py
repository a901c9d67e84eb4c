"""Pictures that compare systems: Figures 4 and 5 of Kim & Ghaffarzadegan 2019.

Figures are built as in `plotting`, whose `save` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from tfweak import plotting
from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAIN_COLOUR, _LOSS_COLOUR, _DURATION_COLOUR = "#1b7837", "#b2182b", "0.72"
# SciPy's p of Spearman's rho is an approximation: with three classes in order it is 0.
_MIN_CLASSES_FOR_P = 10
# Kind of features -> what is on the y axis and on the colour bar.
_FEATURE_LABELS = {
    "log_mel": ("mel band", "log energy"),
    "constant_q": ("constant-Q bin", "log magnitude"),
    "embedding": ("embedding dimension", "value"),
}


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
    features: np.ndarray,
    frame_hop_seconds: float,
    grid: SegmentGrid,
    class_names: Sequence[str],
    matrices: Mapping[str, np.ndarray],
    events: Sequence[Event] | None,
    tags: Sequence[int] = (),
    scores: np.ndarray | None = None,
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
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    features = np.asarray(features)
    if features.ndim != 2 or not features.size:
        raise InputError(f"features {features.shape}: expected (frames, values)")
    if feature_kind not in _FEATURE_LABELS:
        raise InputError(
            f"feature_kind {feature_kind!r}: expected one of {list(_FEATURE_LABELS)}"
        )
    valid = _valid_matrices(matrices, len(class_names), num_valid_segments)
    for label in [*(event.label for event in events or ()), *tags]:
        if not 0 <= label < len(class_names):
            raise InputError(
                f"class {label} of an event or tag: there are {len(class_names)} names"
            )
    highest = np.max([matrix.max(axis=0) for matrix in valid.values()], axis=0)
    ranking = highest if scores is None else np.asarray(scores, np.float64)
    if ranking.shape != (len(class_names),) or max_classes < 1:
        raise InputError(
            f"scores {ranking.shape}, max_classes {max_classes}: expected"
            f" {len(class_names)} scores and at least one class to show"
        )
    shown = _choose(events or (), tags, ranking, max_classes)
    lanes = [label for label in shown if label in {e.label for e in events or ()}]

    strip_inches, panel_inches = 0.05 + 0.25 * len(lanes), 0.6 + 0.25 * len(shown)
    heights = (strip_inches, 1.9, *(panel_inches for _ in valid))
    figure = Figure(figsize=(10, sum(heights) + 1.0), layout="constrained")
    strip, top, *panels = figure.subplots(
        len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    plotting.draw_strip(strip, events, lanes, class_names)
    marked = [event for event in events or () if event.label in lanes]
    image = plotting.draw_features(top, features, frame_hop_seconds, marked)
    axis_label, unit = _FEATURE_LABELS[feature_kind]
    figure.colorbar(image, ax=top, pad=0.01, aspect=12, label=unit)
    top.set_ylabel(axis_label)
    for axes, (system, matrix) in zip(panels, valid.items()):
        most = float(matrix[:, shown].max())
        image = plotting.draw_matrix(
            axes, matrix[:, shown], grid, Normalize(0, most or 1.0), "Greens"
        )
        figure.colorbar(image, ax=axes, pad=0.01, aspect=12, label="weight")
        axes.set_title(
            f"{system}; a class sums to 1 over time: darkest {most:.3g}, even"
            f" {1 / len(matrix):.3g}",
            loc="left",
            fontsize=9,
            color="0.25",
        )
        plotting.mark_truth(axes, events or (), shown, class_names, tags)
    note = "bold: present" + ("; framed: true events" if lanes else "")
    panels[-1].set_xlabel(
        f"time in seconds        ({len(shown)} of {len(class_names)} classes; {note})"
    )
    num_segments = len(next(iter(valid.values())))
    end = float(grid.onsets(num_segments + 1)[-1])
    panels[-1].set_xlim(0, max(len(features) * frame_hop_seconds, end))
    return figure


def _valid_matrices(
    matrices: Mapping[str, np.ndarray], num_classes: int, num_valid: int | None
) -> dict[str, np.ndarray]:
    """The matrices without padding, (valid segments, C) float64, checked."""
    if not matrices:
        raise InputError("no attention matrices to draw: at least one is needed")
    arrays = {name: np.asarray(values) for name, values in matrices.items()}
    shape = next(iter(arrays.values())).shape
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape != shape or array.shape[1] != num_classes:
            raise InputError(
                f"attention of {name!r} {array.shape}: expected (segments,"
                f" {num_classes} classes), the same for all systems"
            )
    count = shape[0] if num_valid is None else num_valid
    if not 1 <= count <= shape[0]:
        raise InputError(f"{count} valid segments: expected 1 to {shape[0]}")
    valid = {name: array[:count].astype(np.float64) for name, array in arrays.items()}
    for name, array in valid.items():
        if not np.isfinite(array).all() or array.min() < 0:
            raise InputError(
                f"attention of {name!r}: a weight must be a finite number of at least 0"
            )
    return valid


def _choose(
    events: Sequence[Event],
    tags: Sequence[int],
    ranking: np.ndarray,
    max_classes: int,
) -> list[int]:
    """The classes to show, from top to bottom."""
    by_onset = sorted(events, key=lambda event: event.onset_seconds)
    by_score = np.argsort(-ranking, kind="stable").tolist()
    candidates = [*(event.label for event in by_onset), *tags, *by_score]
    return list(dict.fromkeys(candidates))[:max_classes]


def _values(values: Sequence[float], count: int, what: str) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise InputError(
            f"{what} of shape {array.shape}: expected {count} finite numbers, one a"
            " class"
        )
    return array


def _correlation(durations: np.ndarray, gains: np.ndarray) -> str:
    """Spearman's rho as text, with its p where the classes are enough for it."""
    if min(len(np.unique(durations)), len(np.unique(gains))) < 2:
        return "Spearman's ρ is not defined: all values are equal"
    rho, p_value = stats.spearmanr(durations, gains)
    shown_p = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    if len(gains) < _MIN_CLASSES_FOR_P:
        shown_p = "too few for p"
    return f"Spearman's ρ = {rho:+.2f} ({len(gains)} classes, {shown_p})"
