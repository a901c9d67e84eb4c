"""What all pictures of a clip share: truth and features above, classes below."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..labels import Event, SegmentGrid
from ..typing import Array
from . import kit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

# Kind of features -> what is on the y axis and on the colour bar.
_FEATURE_LABELS = {
    "log_mel": ("mel band", "log energy"),
    "constant_q": ("constant-Q bin", "log magnitude"),
    "embedding": ("embedding dimension", "value"),
}
_WIDTH_INCHES, _FEATURES_INCHES, _LINE_INCHES = 10, 1.9, 0.25


@dataclasses.dataclass(frozen=True, eq=False)
class ClipView:
    """A clip as its pictures show it: the features, and what is known to be in it.

    Attributes:
      features: (frames, F), valid frames only.
      frame_hop_seconds: from one frame, or row of embeddings, to the next.
      grid: where the segments lie in time.
      class_names: C names.
      events: the true events; empty where nothing happens, None where they are unknown.
      tags: classes that the clip is tagged with; those of the events need not be named.
      feature_kind: `log_mel`, `constant_q` or `embedding`, for the labels of the axis.
      title: of the picture.
      num_valid_segments: how many segments of a model's outputs, from the first on, are
        not padding; None stands for all. Only these are shown.

    Raises:
      InputError: features that are not a finite matrix or of an unknown kind, events or
        tags of classes that have no name.
    """

    features: Array
    frame_hop_seconds: float
    grid: SegmentGrid
    class_names: Sequence[str]
    events: Sequence[Event] | None
    tags: Sequence[int] = ()
    feature_kind: str = "log_mel"
    title: str = ""
    num_valid_segments: int | None = None

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
        for label in self.present:
            if not 0 <= label < num_classes:
                raise InputError(
                    f"class {label} of an event or tag: there are {num_classes} names"
                )

    @property
    def present(self) -> list[int]:
        """The classes in the clip: those with events by onset, then tags alone."""
        by_onset = sorted(self.events or (), key=lambda event: event.onset_seconds)
        return list(dict.fromkeys([*(event.label for event in by_onset), *self.tags]))

    def choose(self, ranking: Array, max_classes: int) -> list[int]:
        """The classes to show, from top to bottom: the present ones, then the others.

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
        by_score = np.argsort(-ranking, kind="stable").tolist()
        return list(dict.fromkeys([*self.present, *by_score]))[:max_classes]

    def events_of(self, shown: Collection[int]) -> list[Event]:
        """The true events of some classes; none where they are unknown."""
        return [event for event in self.events or () if event.label in shown]

    def valid(
        self, outputs: Mapping[str, Array], curves: Collection[str] = ()
    ) -> list[Array]:
        """A model's outputs for the clip without padding, checked.

        Args:
          outputs: by name, (T, C) each.
          curves: names of those that are (T,).

        Returns:
          (valid segments, C) or (valid segments,) float64 each.

        Raises:
          InputError: other shapes, not the same T in all, no such number of valid
            segments, or values that are negative, NaN or infinite.
        """
        shapes = {name: np.shape(values) for name, values in outputs.items()}
        num_classes = len(self.class_names)
        total = max((shape[0] for shape in shapes.values() if shape), default=0)
        if not total or any(
            shape != ((total,) if name in curves else (total, num_classes))
            for name, shape in shapes.items()
        ):
            given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise InputError(
                f"{given or 'no outputs'}: expected (segments, {num_classes} classes)"
                f"{', of a curve (segments,)' * bool(curves)}, as many segments in each"
            )
        count = total if self.num_valid_segments is None else self.num_valid_segments
        if not 1 <= count <= total:
            raise InputError(f"{count} valid segments: expected 1 to {total}")
        valid = {n: np.asarray(v)[:count].astype(float) for n, v in outputs.items()}
        for name, values in valid.items():
            if not np.isfinite(values).all() or values.min() < 0:
                raise InputError(
                    f"{name}: every value must be a finite number of at least 0"
                )
        return list(valid.values())

    def figure(
        self, shown: Sequence[int], num_segments: int, num_maps: int, *inches: float
    ) -> tuple[Figure, list[Axes]]:
        """A figure with the true events, the features, and panels still to be filled.

        All are on one axis of time, in seconds.

        Args:
          shown: the classes that the panels are about, see `choose`.
          num_segments: how many segments a panel covers.
          num_maps: how many panels have a line for each class, see `draw_classes`.
          *inches: the heights of panels below them.

        Returns:
          The figure, and its panels from top to bottom.
        """
        marked = self.events_of(shown)
        with_events = {event.label for event in marked}
        lanes = [label for label in shown if label in with_events]
        maps = [0.6 + _LINE_INCHES * len(shown)] * num_maps
        heights = (0.05 + _LINE_INCHES * len(lanes), _FEATURES_INCHES, *maps, *inches)
        figure = kit.new_figure(_WIDTH_INCHES, sum(heights) + 1.1, self.title)
        strip, top, *panels = figure.subplots(
            len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        self._draw_events(strip, lanes)
        axis_label, unit = _FEATURE_LABELS[self.feature_kind]
        features = np.asarray(self.features)
        duration = len(features) * self.frame_hop_seconds
        kit.draw_image(top, features, 0, duration, unit, cmap="magma")
        top.set(ylabel=axis_label, facecolor="0.85")
        for event in marked:
            for time in (event.onset_seconds, event.offset_seconds):
                top.axvline(time, color="white", linewidth=0.9, linestyle=(0, (4, 2)))
        num_present = len(self.present)
        note = f"{len(shown)} of {len(self.class_names)} classes"
        note += "; bold: present" if num_present else ""
        if num_present > len(shown):
            note += f" ({len(shown)} of {num_present})"
        note += "; framed: true events" if marked else ""
        panels[-1].set_xlabel(f"time in seconds\n{note}")
        end = float(self.grid.onsets(num_segments + 1)[-1])
        panels[-1].set_xlim(0, max(duration, end))
        return figure, panels

    def draw_classes(
        self,
        axes: Axes,
        values: Array,
        shown: Sequence[int],
        colours: str,
        unit: str,
        what: str,
        even: float | None = None,
        norm: Normalize | None = None,
    ) -> None:
        """Fills a panel with a matrix, a line for each class, the truth framed in it.

        Args:
          axes: the panel.
          values: (T, C), at least 0.
          shown: the classes, from top to bottom.
          colours: name of a Matplotlib colour map.
          unit: what the colours stand for.
          what: begins the panel's caption.
          even: the value where the matrix prefers nothing; where it is given, it stands
            in the caption beside the highest value shown.
          norm: from values to colours; None goes linearly from 0 to the highest shown.
        """
        from matplotlib.colors import Normalize
        from matplotlib.patches import Rectangle

        values = values[:, shown]
        most = float(values.max())
        norm = norm or Normalize(0, most or 1.0)
        start, end = self.grid.onsets(len(values) + 1)[[0, -1]]
        kit.draw_image(
            axes,
            values,
            start,
            end,
            unit,
            top_down=True,
            extend="max" if most > (norm.vmax or 0) else "neither",
            cmap=colours,
            norm=norm,
        )
        axes.set_facecolor("0.95")
        contrast = "" if even is None else f": darkest {most:.3g}, even {even:.3g}"
        kit.caption(axes, what + contrast)
        names = [kit.short_name(self.class_names[label]) for label in shown]
        axes.set_yticks(range(len(shown)), names, fontsize=8)
        for label, text in zip(shown, axes.get_yticklabels()):
            if label in self.present:
                text.set(fontweight="bold", color=kit.TRUTH_COLOUR)
        for event in self.events_of(shown):
            frame = Rectangle(
                (event.onset_seconds, shown.index(event.label) - 0.46),
                event.offset_seconds - event.onset_seconds,
                0.92,
                fill=False,
                edgecolor=kit.TRUTH_COLOUR,
                linewidth=1.8,
                zorder=3,
            )
            axes.add_patch(frame)

    def _draw_events(self, axes: Axes, lanes: Sequence[int]) -> None:
        """The true events as bars, a lane for each class, named at the left."""
        axes.spines[:].set_visible(False)
        axes.tick_params(bottom=False, labelbottom=False, left=False)
        axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
        names = [kit.short_name(self.class_names[label]) for label in lanes]
        axes.set_yticks(
            range(len(lanes)),
            names,
            fontweight="bold",
            color=kit.TRUTH_COLOUR,
            fontsize=9,
        )
        for row, label in enumerate(lanes):
            bars = [
                (event.onset_seconds, event.offset_seconds - event.onset_seconds)
                for event in self.events_of([label])
            ]
            axes.broken_barh(bars, (row - 0.35, 0.7), facecolors=kit.TRUTH_COLOUR)
        unmarked = ": unknown" if self.events is None else ": none"
        kit.caption(axes, f"true events{'' if lanes else unmarked}")
