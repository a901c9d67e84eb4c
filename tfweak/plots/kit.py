"""The drawing kit: what all pictures share in looks, and how they are saved.

Figures are built without pyplot, so they need no display and leave no state behind.
Matplotlib is imported when the first figure is made.
"""

from __future__ import annotations

import hashlib
import pathlib
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from ..files import atomic
from ..typing import Array, StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH_COLOUR = "#e66101"
_NAME_LENGTH = 36
_DOTS_PER_INCH = 110
# File systems allow 255 bytes; `atomic` adds some of its own while it writes.
_MOST_BYTES = 200


def new_figure(width_inches: float, height_inches: float, title: str = "") -> Figure:
    """An empty figure that lays itself out, its title in bold at the left."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def caption(axes: Axes, text: str, loc: Literal["left", "right"] = "left") -> None:
    """Small grey text above a panel."""
    axes.set_title(text, loc=loc, fontsize=9, color="0.25")


def open_panel(axes: Axes, lines: Literal["x", "y", "both"]) -> None:
    """A panel without a box around it, grey lines behind what is drawn."""
    axes.grid(axis=lines, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw_image(
    axes: Axes,
    values: Array,
    start_seconds: float,
    end_seconds: float,
    unit: str,
    top_down: bool = False,
    extend: Literal["neither", "max"] = "neither",
    **style: Any,
) -> None:
    """Values over time as an image with a colour bar, row r of it at height r.

    Args:
      axes: the panel.
      values: (times, rows).
      start_seconds, end_seconds: where the first time begins and the last one ends.
      unit: what the colours stand for.
      top_down: whether the first row is on top.
      extend: `max` where some values lie above the colours' range.
      **style: `cmap` and `norm` as for `matplotlib.axes.Axes.imshow`.
    """
    bottom, top = -0.5, values.shape[1] - 0.5
    if top_down:
        bottom, top = top, bottom
    image = axes.imshow(
        values.T,
        origin="upper" if top_down else "lower",
        aspect="auto",
        interpolation="nearest",
        extent=(start_seconds, end_seconds, bottom, top),
        **style,
    )
    axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=12, label=unit, extend=extend)


def short_name(name: str) -> str:
    """A class name cut to what fits beside a picture."""
    return (
        name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1].rstrip()}…"
    )


def file_name(text: str) -> str:
    """The name of the PNG file of what `text` describes, such as a clip id.

    Characters that some file system refuses, `/` first of all, are written as in URLs
    (`%2F`). Of a long text the first part and a digest are kept. So different texts
    have different names, and letters, digits, spaces and `-_.` stay as they are.
    """
    name = urllib.parse.quote(text, safe=" ,()+=")
    if len(name) > _MOST_BYTES:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        name = f"{name[: _MOST_BYTES - 17]}~{digest}"
    return f"{name}.png"


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
