"""What the tests of pictures ask of a figure."""

import subprocess
import sys

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle


def row_names(axes):
    return [text.get_text() for text in axes.get_yticklabels()]


def weights_of_names(axes):
    return [text.get_fontweight() for text in axes.get_yticklabels()]


def frames(axes):
    """(onset, offset, row) of the frames around events."""
    return [
        (p.get_x(), p.get_x() + p.get_width(), round(p.get_y() + p.get_height() / 2))
        for p in axes.patches
        if isinstance(p, Rectangle) and not p.get_fill()
    ]


def assert_nothing_is_cut_off_or_overlaps(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # lays the figure out
    renderer = canvas.get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    for box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= width + 1 and box.y1 <= height + 1
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            along = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(across, along) < 2
    for axes in figure.axes:
        names = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
        names = sorted((n for n in names if n.width), key=lambda name: name.y0)
        for lower, upper in zip(names, names[1:]):
            assert lower.y1 <= upper.y0 + 1


def assert_runs_alone(code):
    """Runs Python code in a process of its own, where nothing is imported yet."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
