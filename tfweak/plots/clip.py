"""A picture of what a model heard in a clip, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..labels import Event, SegmentGrid
from ..typing import Array
from .clip_view import ClipView

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    time in the class's row below. The classes with events come first, by onset, then
    those with the highest segment probability.

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
      A `matplotlib.figure.Figure`, which `kit.save` writes.

    Raises:
      InputError: arrays whose shapes do not fit each other or the class names, values
        that are NaN or infinite, events of classes that have no name.
    """
    from matplotlib.colors import Normalize, PowerNorm

    view = ClipView(log_mel, frame_hop_seconds, grid, class_names, events, title=title)
    probs, weights = view.valid(
        {"segment_probs": segment_probs, "attention": attention}
    )
    shown = view.choose(probs.max(axis=0), max_classes)
    figure, (upper, lower) = view.figure(shown, len(probs), 2)
    view.draw_classes(
        upper,
        probs,
        shown,
        "Blues",
        "probability",
        "segment probabilities",
        norm=Normalize(0, 1),
    )
    # The attention of an absent class means nothing: it does not set the scale. The
    # root scale keeps the small weights of long events visible.
    scaling = [label for label in shown if label in view.present] or shown
    view.draw_classes(
        lower,
        weights,
        shown,
        "Greens",
        "weight",
        "attention (sums to 1 over time; colours on a root scale)",
        norm=PowerNorm(0.5, 0, float(weights[:, scaling].max()) or 1.0),
    )
    return figure
