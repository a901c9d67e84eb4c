"""Pictures: what a model heard in a clip and when, and how training went.

Figures are built without pyplot, so they need no display and leave no state behind.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import atomic
from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array, StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

TRUTH_COLOUR = "#e66101"
_NAME_LENGTH = 36
_DOTS_PER_INCH = 110


def plot_clip(
    log_mel: Array,
    frame_hop_seconds: float,
    grid: SegmentGrid,
    class_names: Sequence[str],
    segment_probs: Array,
    attention: Array,
    events: Sequence[Event] | None,
    title: str = "",
    max_classes: int = 12,
) -> Figure:
    """A clip's log-mel, segment probabilities and attention on one time axis.

    The true events stand as named bars above the log-mel and as frames around their
    time in the class's row below. With more than `max_classes` classes the present
    ones are shown, then those with the highest segment probability; the figure says so.

    Args:
      log_mel: (frames, F).
      frame_hop_seconds: time from one frame to the next.
      grid: where the segments lie in time.
      class_names: C names.
      segment_probs: (T, C) in [0, 1], the papers' X^a or O.
      attention: (T, C), A, summing to 1 over time.
      events: the true events; empty where nothing happens, None where they are unknown.
      title: of the figure.
      max_classes: rows in the lower panels at most.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: arrays whose shapes do not fit each other or the class names.
    """
    from matplotlib.colors import Normalize, PowerNorm
    from matplotlib.figure import Figure

    log_mel, segment_probs, attention = map(
        np.asarray, (log_mel, segment_probs, attention)
    )
    if (
        segment_probs.ndim != 2
        or segment_probs.shape != attention.shape
        or segment_probs.shape[1] != len(class_names)
        or not segment_probs.size
    ):
        raise InputError(
            f"segment_probs {segment_probs.shape} and attention"
            f" {attention.shape}: both must be (segments,"
            f" {len(class_names)} classes)"
        )
    if log_mel.ndim != 2 or not log_mel.size:
        raise InputError(f"log_mel {log_mel.shape}: expected (frames, mel bands)")
    shown, note = _choose_classes(segment_probs, events, max_classes)
    lanes = [label for label in shown if label in {e.label for e in events or ()}]
    note += "; framed: true events" if lanes else ""

    strip_inches, panel_inches = 0.05 + 0.25 * len(lanes), 0.5 + 0.26 * len(shown)
    heights = (strip_inches, 2.0, panel_inches, panel_inches)
    figure = Figure(figsize=(10, sum(heights) + 1.3), layout="constrained")
    strip, mel, probs, weights = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    duration = len(log_mel) * frame_hop_seconds
    end = max(duration, float(grid.onsets(len(segment_probs) + 1)[-1]))

    draw_strip(strip, events, lanes, class_names)
    marked = [event for event in events or () if event.label in lanes]
    image = draw_features(mel, log_mel, frame_hop_seconds, marked)
    figure.colorbar(image, ax=mel, pad=0.01, aspect=12, label="log energy")
    mel.set_ylabel("mel band")

    # The attention of an absent class means nothing: it does not set the scale. The
    # root scale keeps the small weights of long events visible.
    highest = float(attention[:, lanes or shown].max()) or 1.0
    for axes, values, norm, colours, name, unit in (
        (
            probs,
            segment_probs,
            Normalize(0, 1),
            "Blues",
            "segment probabilities",
            "probability",
        ),
        (
            weights,
            attention,
            PowerNorm(0.5, 0, highest),
            "Greens",
            "attention (sums to 1 over time)",
            "weight (root scale)",
        ),
    ):
        image = draw_matrix(axes, values[:, shown], grid, norm, colours)
        above = "max" if values[:, shown].max() > norm.vmax else "neither"
        figure.colorbar(image, ax=axes, pad=0.01, aspect=12, label=unit, extend=above)
        axes.set_title(name + note, loc="left", fontsize=9, color="0.25")
        mark_truth(axes, events or (), shown, class_names)
    weights.set_xlabel("time in seconds")
    weights.set_xlim(0, end)
    return figure


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Losses and, where there is one, validation mAP against the epoch.

    Args:
      history: values by name, one an epoch, as `keras.callbacks.History.history` has
        them. Drawn are the names with `loss` in them, validation dashed in the colour
        of its training loss, and `val_mAP`, its best epoch marked.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: when nothing in `history` can be drawn.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    losses = [name for name in history if "loss" in name and len(history[name])]
    scores = [name for name in history if name == "val_mAP" and len(history[name])]
    panels = [names for names in (losses, scores) if names]
    if not panels:
        raise InputError(f"no loss and no val_mAP in the history: {sorted(history)}")
    figure = Figure(figsize=(4.8 * len(panels), 3.4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, names in zip(grid, panels):
        colours: dict[str, str] = {}
        for name in names:
            values = np.asarray(history[name], np.float64)
            training = name[len("val_") :] if name.startswith("val_") else name
            colour = colours.setdefault(training, f"C{len(colours) % 10}")
            axes.plot(
                np.arange(1, len(values) + 1),
                values,
                label=name,
                color=colour,
                linestyle="-" if name == training or names is scores else "--",
                marker="o" if len(values) < 20 else "",
                markersize=3,
            )
        axes.set(xlabel="epoch", ylabel="loss" if names is losses else "validation mAP")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    if losses:
        grid[0].legend(frameon=False, fontsize=8)
    values = np.asarray(history[scores[0]], np.float64) if scores else np.empty(0)
    if np.isfinite(values).any():
        best = int(np.nanargmax(values))
        grid[-1].plot(best + 1, values[best], "o", color=TRUTH_COLOUR)
        grid[-1].set_title(f"best {values[best]:.4f} in epoch {best + 1}", fontsize=9)
    return figure


def plot_curves(curves: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Values against the epoch, a line each with its name.

    Args:
      curves: by name, (epochs,) numbers each.
      label: of the value axis.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: when there is no curve, or one is empty.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not curves or not all(len(values) for values in curves.values()):
        raise InputError(
            f"no values to draw: { ({k: len(v) for k, v in curves.items()}) }"
        )
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(np.arange(1, len(values) + 1), values, ".-", label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def save(figure: Figure, path: StrPath) -> None:
    """Writes a figure as PNG, whole or not at all.

    Raises:
      InputError: when the path cannot be written.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise InputError(f"picture {path}: no such folder")
    try:
        with atomic.replaced(path) as temporary:
            figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise InputError(f"picture {path}: cannot be written ({error})") from error


def _choose_classes(
    segment_probs: Array, events: Sequence[Event] | None, max_classes: int
) -> tuple[list[int], str]:
    """The classes to show, from top to bottom, and a note where some are left out."""
    num_classes = segment_probs.shape[1]
    if num_classes <= max_classes:
        return list(range(num_classes)), ""
    by_onset = sorted(events or (), key=lambda event: event.onset_seconds)
    present = list(dict.fromkeys(event.label for event in by_onset))
    by_score = np.argsort(-segment_probs.max(axis=0), kind="stable").tolist()
    shown = list(dict.fromkeys(present + by_score))[:max_classes]
    if len(present) > max_classes:
        what = f"the first of {len(present)} present"
    elif present:
        what = f"{len(present)} present, then the highest"
    else:
        what = "the highest"
    return shown, f"; {len(shown)} of {num_classes} classes: {what}"


def draw_strip(
    axes: Axes,
    events: Sequence[Event] | None,
    lanes: Sequence[int],
    class_names: Sequence[str],
) -> None:
    """The true events as bars, a lane a class, named at the left."""
    axes.spines[:].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False, left=False)
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    axes.set_yticks(
        range(len(lanes)),
        [short_name(class_names[i]) for i in lanes],
        fontweight="bold",
        color=TRUTH_COLOUR,
        fontsize=9,
    )
    for row, label in enumerate(lanes):
        axes.broken_barh(
            [
                (e.onset_seconds, e.offset_seconds - e.onset_seconds)
                for e in events or ()
                if e.label == label
            ],
            (row - 0.35, 0.7),
            facecolors=TRUTH_COLOUR,
        )
    title = "true events"
    if not lanes:
        title += ": unknown" if events is None else ": none"
    axes.set_title(title, loc="left", fontsize=9, color="0.25")


def draw_features(
    axes: Axes,
    features: Array,
    frame_hop_seconds: float,
    events: Sequence[Event],
) -> AxesImage:
    """Features (frames, F) as an image, dashed lines at the events' ends."""
    axes.set_facecolor("0.85")
    for event in events:
        for time in (event.onset_seconds, event.offset_seconds):
            axes.axvline(time, color="white", linewidth=0.9, linestyle=(0, (4, 2)))
    return axes.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        interpolation="nearest",
        extent=(0, len(features) * frame_hop_seconds, -0.5, features.shape[1] - 0.5),
    )


def draw_matrix(
    axes: Axes, values: Array, grid: SegmentGrid, norm: Normalize, colours: str
) -> AxesImage:
    """Segments x classes as an image, first class on top; returns the image."""
    edges = grid.onsets(len(values) + 1)
    rows = values.shape[1]
    axes.set_facecolor("0.95")
    return axes.imshow(
        values.T.astype(np.float64),
        origin="upper",
        aspect="auto",
        cmap=colours,
        norm=norm,
        interpolation="nearest",
        extent=(edges[0], edges[-1], rows - 0.5, -0.5),
    )


def mark_truth(
    axes: Axes,
    events: Sequence[Event],
    shown: Sequence[int],
    class_names: Sequence[str],
    tags: Sequence[int] = (),
) -> None:
    """Names the rows, present classes in bold, and frames the true events in them.

    Classes with events are present, and those that the clip is tagged with.
    """
    from matplotlib.patches import Rectangle

    present = {event.label for event in events} | set(tags)
    axes.set_yticks(
        range(len(shown)), [short_name(class_names[i]) for i in shown], fontsize=8
    )
    for label, text in zip(shown, axes.get_yticklabels()):
        if label in present:
            text.set(fontweight="bold", color=TRUTH_COLOUR)
    rows = {label: row for row, label in enumerate(shown)}
    for event in events:
        if event.label in rows:
            axes.add_patch(
                Rectangle(
                    (event.onset_seconds, rows[event.label] - 0.46),
                    event.offset_seconds - event.onset_seconds,
                    0.92,
                    fill=False,
                    edgecolor=TRUTH_COLOUR,
                    linewidth=1.8,
                    zorder=3,
                )
            )


def short_name(name: str) -> str:
    """A class name cut to what fits beside a picture."""
    return (
        name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1].rstrip()}…"
    )
