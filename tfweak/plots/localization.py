"""A picture of where a model hears each class: Figure 3 of Xu et al. 2017.

Built as in `plotting`, whose `save` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from . import clip_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVE_INCHES = 1.2
_CURVE_COLOUR, _EVENT_COLOUR = "#08519c", "#fee3c8"
# How far a segment's sum over the classes may be from 1, for half precision's sake.
_SUM_TOLERANCE = 0.01


def plot_localization(
    features: Array,
    frame_hop_seconds: float,
    grid: SegmentGrid,
    class_names: Sequence[str],
    localization: Array,
    global_attention: Array | None,
    events: Sequence[Event] | None,
    tags: Sequence[int] = (),
    scores: Array | None = None,
    num_valid_segments: int | None = None,
    feature_kind: str = "log_mel",
    title: str = "",
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
    colours go linearly from 0 to the highest value shown; its title gives that, and the
    1/C of a map that prefers no class.

    Args:
      features: (frames, F), valid frames only.
      frame_hop_seconds: time from one frame to the next.
      grid: where the segments lie in time.
      class_names: C names.
      localization: (T, C), Z_loc of Eq. (6), in [0, 1], summing to 1 over the classes;
        an architecture's output `localization` for the clip.
      global_attention: (T,), Z_att of Eq. (3), in [0, 1]; the output
        `global_attention`. None for a model that has none: there is no curve then.
      events: the true events; empty where nothing happens, None where they are unknown.
      tags: classes that the clip is tagged with; those of the events need not be named.
      scores: (C,), which absent classes come first, such as clip probabilities; by
        default the highest value of the map.
      num_valid_segments: how many segments from the first on are no padding; None
        stands for all. Only these are shown.
      feature_kind: `log_mel`, `constant_q` or `embedding`, for the labels of the axis.
      title: of the figure.
      max_classes: lines of the map at most.
      background: whether a part of the map belongs to no class and is not given, so
        that the classes may sum to less than 1.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      InputError: shapes that do not fit, values outside their range, NaN or infinite,
        a map that does not sum to 1 over the classes, class indices or settings outside
        their range.
    """
    num_classes = len(class_names)
    located = clip_view.valid_segments(
        localization, (num_classes,), num_valid_segments, "localization"
    )
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
    curve = None
    if global_attention is not None:
        curve = _valid_curve(global_attention, localization, num_valid_segments)
    view = clip_view.ClipView(
        features, frame_hop_seconds, grid, class_names, events, tags, feature_kind
    )
    shown = view.choose(located.max(axis=0) if scores is None else scores, max_classes)
    heights = [clip_view.class_panel_inches(shown)]
    if curve is not None:
        heights.append(_CURVE_INCHES)
    figure, panels = view.figure(shown, len(located), heights, title)
    view.draw_classes(
        panels[0],
        located,
        shown,
        "Blues",
        "share",
        "localisation; all classes"
        f"{' and the background' if background else ''} sum to 1 at any time",
        1 / (num_classes + background),
    )
    if curve is not None:
        _draw_curve(panels[1], curve, grid, view.events_of(shown))
    return figure


def _valid_curve(
    global_attention: Array, localization: Array, num_valid: int | None
) -> Array:
    if len(np.atleast_1d(global_attention)) != len(localization):
        raise InputError(
            f"global_attention {np.shape(global_attention)} and localization"
            f" {np.shape(localization)}: expected as many segments in both"
        )
    curve = clip_view.valid_segments(
        global_attention, (), num_valid, "global_attention"
    )
    if curve.max() > 1:
        raise InputError(
            f"global_attention: found {curve.max():.4g}, expected at most 1"
        )
    return curve


def _draw_curve(
    axes: Axes, curve: Array, grid: SegmentGrid, events: Sequence[Event]
) -> None:
    """The curve as steps, one a segment, over the true events' time."""
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
    axes.grid(axis="y", color="0.85")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    shaded = "; shaded: true events" if events else ""
    axes.set_title(
        f"global attention, one for all classes{shaded}",
        loc="left",
        fontsize=9,
        color="0.25",
    )
