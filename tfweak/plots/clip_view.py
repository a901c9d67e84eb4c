"""What pictures of one clip share: truth and features above, panels of classes below.

`comparison_plots` and `localization_plots` draw with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from . import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Kind of features -> what is on the y axis and on the colour bar.
_FEATURE_LABELS = {
    "log_mel": ("mel band", "log energy"),
    "constant_q": ("constant-Q bin", "log magnitude"),
    "embedding": ("embedding dimension", "value"),
}
_FEATURES_INCHES = 1.9


@dataclasses.dataclass(frozen=True, eq=False)
class ClipView:
    """A clip as its pictures show it: the features, and what is known to be in it.

    Attributes:
      features: (frames, F), valid frames only.
      frame_hop_seconds: time from one frame to the next; 0.96 for VGGish embeddings.
      grid: where the segments lie in time.
      class_names: C names.
      events: the true events; empty where nothing happens, None where they are unknown.
      tags: classes that the clip is tagged with; those of the events need not be named.
      feature_kind: `log_mel`, `constant_q` or `embedding`, for the labels of the axis.

    Raises:
      InputError: features that are no finite matrix or of an unknown kind, events or
        tags of classes that have no name.
    """

    features: Array
    frame_hop_seconds: float
    grid: SegmentGrid
    class_names: Sequence[str]
    events: Sequence[Event] | None
    tags: Sequence[int] = ()
    feature_kind: str = "log_mel"

    def __post_init__(self) -> None:
        shape = np.shape(self.features)
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"features {shape}: expected (frames, values)")
        if not np.isfinite(self.features).all():
            raise InputError("features: every value must be a finite number")
        if self.feature_kind not in _FEATURE_LABELS:
            raise InputError(
                f"feature_kind {self.feature_kind!r}: expected one of"
                f" {list(_FEATURE_LABELS)}"
            )
        num_classes = len(self.class_names)
        for label in [*(event.label for event in self.events or ()), *self.tags]:
            if not 0 <= label < num_classes:
                raise InputError(
                    f"class {label} of an event or tag: there are {num_classes} names"
                )

    def choose(self, ranking: Array, max_classes: int) -> list[int]:
        """The classes to show, from top to bottom.

        First those with events, by onset, then those with tags alone, then the others.

        Args:
          ranking: (C,), the highest first among the others.
          max_classes: how many at most.

        Raises:
          InputError: another number of scores than classes, or no class to show.
        """
        num_classes = len(self.class_names)
        ranking = np.asarray(ranking, np.float64)
        if ranking.shape != (num_classes,) or max_classes < 1:
            raise InputError(
                f"scores {ranking.shape}, max_classes {max_classes}: expected"
                f" {num_classes} scores and at least one class to show"
            )
        by_onset = sorted(self.events or (), key=lambda event: event.onset_seconds)
        by_score = np.argsort(-ranking, kind="stable").tolist()
        candidates = [*(event.label for event in by_onset), *self.tags, *by_score]
        return list(dict.fromkeys(candidates))[:max_classes]

    def events_of(self, shown: Sequence[int]) -> list[Event]:
        """The true events of some classes; none where they are unknown."""
        return [event for event in self.events or () if event.label in shown]

    def figure(
        self,
        shown: Sequence[int],
        num_segments: int,
        panel_inches: Sequence[float],
        title: str,
    ) -> tuple[Figure, list[Axes]]:
        """A figure with the true events, the features, and panels still to be filled.

        All are on one axis of time, in seconds.

        Args:
          shown: the classes that the panels are about, see `choose`.
          num_segments: how many segments a panel covers.
          panel_inches: the heights of the panels.
          title: of the figure.

        Returns:
          The figure, and its panels from top to bottom.
        """
        from matplotlib.figure import Figure

        marked = self.events_of(shown)
        with_events = {event.label for event in marked}
        lanes = [label for label in shown if label in with_events]
        heights = (0.05 + 0.25 * len(lanes), _FEATURES_INCHES, *panel_inches)
        figure = Figure(figsize=(10, sum(heights) + 1.0), layout="constrained")
        strip, top, *panels = figure.subplots(
            len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        plotting.draw_strip(strip, self.events, lanes, self.class_names)
        image = plotting.draw_features(
            top, np.asarray(self.features), self.frame_hop_seconds, marked
        )
        axis_label, unit = _FEATURE_LABELS[self.feature_kind]
        figure.colorbar(image, ax=top, pad=0.01, aspect=12, label=unit)
        top.set_ylabel(axis_label)
        note = "bold: present" + ("; framed: true events" if marked else "")
        panels[-1].set_xlabel(
            f"time in seconds        ({len(shown)} of {len(self.class_names)} classes;"
            f" {note})"
        )
        end = float(self.grid.onsets(num_segments + 1)[-1])
        panels[-1].set_xlim(0, max(len(self.features) * self.frame_hop_seconds, end))
        return figure, panels

    def draw_classes(
        self,
        axes: Axes,
        values: Array,
        shown: Sequence[int],
        colours: str,
        unit: str,
        what: str,
        even: float,
    ) -> None:
        """Fills a panel with a matrix, the truth framed in it.

        The colours go linearly from 0 to the highest value shown.

        Args:
          axes: the panel.
          values: (T, C), at least 0.
          shown: the classes, from top to bottom.
          colours: name of a Matplotlib colour map.
          unit: what the colours stand for.
          what: begins the panel's title.
          even: the value where the matrix prefers nothing; the title gives it.
        """
        from matplotlib.colors import Normalize

        most = float(values[:, shown].max())
        image = plotting.draw_matrix(
            axes, values[:, shown], self.grid, Normalize(0, most or 1.0), colours
        )
        axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=12, label=unit)
        axes.set_title(
            f"{what}: darkest {most:.3g}, even {even:.3g}",
            loc="left",
            fontsize=9,
            color="0.25",
        )
        plotting.mark_truth(axes, self.events or (), shown, self.class_names, self.tags)


def class_panel_inches(shown: Sequence[int]) -> float:
    """The height of a panel that has a line for each class."""
    return 0.6 + 0.25 * len(shown)


def valid_segments(
    values: Array, shape: tuple[int, ...], num_valid: int | None, what: str
) -> Array:
    """A model's output for one clip without padding, checked.

    Args:
      values: (T, ...).
      shape: what must follow T; (C,) for a matrix, () for a curve.
      num_valid: how many segments from the first on are no padding; None for all.
      what: the values are, for messages.

    Returns:
      (valid segments, ...) float64.

    Raises:
      InputError: another shape, no such number of segments, or values that are
        negative, NaN or infinite.
    """
    array = np.asarray(values)
    if array.ndim != 1 + len(shape) or array.shape[1:] != shape or not array.size:
        wanted = ", ".join(["segments", *(f"{size} classes" for size in shape)])
        raise InputError(f"{what} {array.shape}: expected ({wanted})")
    count = len(array) if num_valid is None else num_valid
    if not 1 <= count <= len(array):
        raise InputError(f"{count} valid segments: expected 1 to {len(array)}")
    valid = array[:count].astype(np.float64)
    if not np.isfinite(valid).all() or valid.min() < 0:
        raise InputError(f"{what}: a weight must be a finite number of at least 0")
    return valid
