"""A picture of where a model hears each class: Figure 3 of Xu et al. 2017."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from . import kit
from .clip_view import ClipView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVE_INCHES = 1.2
_CURVE_COLOUR, _EVENT_COLOUR = "#08519c", "#fee3c8"
# How far a segment's sum over the classes may be from 1, for half precision's sake.
_SUM_TOLERANCE = 0.01


def plot_localization(
    view: ClipView,
    localization: Array,
    global_attention: Array | None,
    scores: Array | None = None,
    max_classes: int = 8,
    background: bool = False,
) -> Figure:
    """A clip's features, its localisation map and its global attention, in one column.

    Fig. 3 of Xu et al. 2017, on one time axis. The classes of the map: first those that
    are present (with events, by onset, then with tags alone), their names in bold, then
    those of the highest score, `max_classes` at most. True events stand as bars above
    the features, as frames around their time in the class's line, and as shades behind
    the curve, which has nothing to do with one class more than with another. As Z_loc
    sums to 1 over all classes, it goes to some class where nothing happens too: there
    the curve should be low, unless there is a `background` to take it. The map's
    colours go linearly from 0 to the highest value shown; its caption gives that, and
    the 1/C of a map that prefers no class.

    Args:
      view: the clip.
      localization: (T, C), Z_loc of Eq. (6), in [0, 1], summing to 1 over the classes;
        an architecture's output `localization` for the clip.
      global_attention: (T,), Z_att of Eq. (3), in [0, 1]; the output
        `global_attention`. None for a model that has none: there is no curve then.
      scores: (C,), which absent classes come first, such as clip probabilities; by
        default the highest value of the map.
      max_classes: lines of the map at most.
      background: whether a part of the map belongs to no class and is not given, so
        that the classes may sum to less than 1.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: shapes that do not fit, values outside their range, NaN or infinite,
        a map that does not sum to 1 over the classes, or no class to show.
    """
    outputs = {"localization": localization}
    if global_attention is not None:
        outputs["global_attention"] = global_attention
    located, *curves = view.valid(outputs, curves=("global_attention",))
    sums = located.sum(axis=1)
    off = sums - 1 if background else np.abs(sums - 1)
    furthest = int(off.argmax())
    if off[furthest] > _SUM_TOLERANCE:
        raise InputError(
            f"localization: segment {furthest} sums to {sums[furthest]:.4g} over the"
            f" classes, expected {'at most ' if background else ''}1; is it padding"
            " that num_valid_segments should leave out, or attention, which sums to 1"
            " over time?"
        )
    if curves and curves[0].max() > 1:
        raise InputError(
            f"global_attention: found {curves[0].max():.4g}, expected at most 1"
        )
    shown = view.choose(located.max(axis=0) if scores is None else scores, max_classes)
    figure, panels = view.figure(shown, len(located), 1, *[_CURVE_INCHES] * len(curves))
    view.draw_classes(
        panels[0],
        located,
        shown,
        "Blues",
        "share",
        "localisation; all classes"
        f"{' and the background' if background else ''} sum to 1 at any time",
        1 / (len(view.class_names) + background),
    )
    for axes, curve in zip(panels[1:], curves):
        _draw_curve(axes, curve, view.grid, view.events_of(shown))
    return figure


def _draw_curve(
    axes: Axes, curve: Array, grid: SegmentGrid, events: Sequence[Event]
) -> None:
    """The curve as steps, one for each segment, over the true events' time."""
    for event in events:
        # opaque, so that events at the same time look as one does
        axes.axvspan(
            event.onset_seconds,
            event.offset_seconds,
            color=_EVENT_COLOUR,
            linewidth=0,
            zorder=0,  # behind the grid
        )
    axes.stairs(
        curve,
        grid.onsets(len(curve) + 1),
        baseline=None,
        color=_CURVE_COLOUR,
        linewidth=1.4,
    )
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks((0, 0.5, 1))
    kit.open_panel(axes, "y")
    shaded = "; shaded: true events" if events else ""
    kit.caption(axes, f"global attention, one for all classes{shaded}")
