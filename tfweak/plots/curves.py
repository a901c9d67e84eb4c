"""Pictures of a training: values against the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import kit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCORE = "val_mAP"
_PANELS_IN_A_ROW = 3
# A loss whose largest value is so many times its least is drawn on a logarithmic scale.
_FLATTENING = 10


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """The losses and, where there is one, validation mAP against the epoch.

    Each loss has a panel and a scale of its own, as one of them may be a hundred times
    as large as another; the scale is logarithmic where a loss becomes ten times as
    small or large, as what it does later would be a flat line else.

    Args:
      history: values by name, one for each epoch, as `keras.callbacks.History.history`
        has them. Drawn are the names with `loss` in them, the one for validation
        (`val_` and the same name) dashed in the same panel, and `val_mAP`, its best
        epoch marked.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: when nothing in `history` can be drawn.
    """
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in history.items():
        if len(values) and ("loss" in name or name == _SCORE):
            panel = name if name == _SCORE else name.removeprefix("val_")
            part = "training" if name == panel else "validation"
            panels.setdefault(panel, {})[part] = values
    if not panels:
        raise InputError(f"no loss and no {_SCORE} in the history: {sorted(history)}")
    scores = panels.pop(_SCORE, {}).get("training")
    num_panels = len(panels) + (scores is not None)
    down = -(-num_panels // _PANELS_IN_A_ROW)
    across = -(-num_panels // down)
    figure = kit.new_figure(0.4 + 3.6 * across, 2.9 * down)
    all_axes = figure.subplots(down, across, squeeze=False).ravel()
    for unused in all_axes[num_panels:]:
        unused.remove()
    for axes, (name, parts) in zip(all_axes, panels.items()):
        for part, values in parts.items():
            _draw(axes, values, part, "C0", "-" if part == "training" else "--")
        text = name
        if name == "loss" and len(panels) > 2:
            text += ": weighted sum of the others"
        if _is_flattened([x for values in parts.values() for x in values]):
            _scale_by_factors(axes)
            text += " (log scale)"
        kit.caption(axes, text)
        if "validation" in parts:
            axes.legend(frameon=False, fontsize=8)
    if scores is not None:
        axes, text = all_axes[num_panels - 1], "validation mAP"
        _draw(axes, scores, _SCORE, "C2", "-")
        if np.isfinite(scores).any():
            best = int(np.nanargmax(scores))
            axes.plot(best + 1, scores[best], "o", color=kit.TRUTH_COLOUR)
            text += f": best {scores[best]:.4f} in epoch {best + 1}"
        kit.caption(axes, text)
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
    if not curves or not all(len(values) for values in curves.values()):
        raise InputError(
            f"no values to draw: { ({k: len(v) for k, v in curves.items()}) }"
        )
    figure = kit.new_figure(7.6, max(3.6, 0.2 * len(curves)))
    axes = figure.subplots()
    for i, (name, values) in enumerate(curves.items()):
        _draw(axes, values, name, f"C{i % 10}", ("-", "--", ":")[i // 10 % 3])
    axes.set_ylabel(label)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _is_flattened(values: Sequence[float]) -> bool:
    known = [value for value in values if np.isfinite(value)]
    return bool(known) and 0 < min(known) * _FLATTENING < max(known)


def _scale_by_factors(axes: Axes) -> None:
    """A logarithmic scale of values, with plain numbers beside it."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw(
    axes: Axes, values: Sequence[float], label: str, colour: str, linestyle: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(
        np.arange(1, len(values) + 1),
        values,
        label=label,
        color=colour,
        linestyle=linestyle,
        marker="o" if len(values) < 20 else "",
        markersize=3,
    )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    kit.open_panel(axes, "both")
