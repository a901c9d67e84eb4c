"""The time grid of a stack of convolutions and poolings, from its layer table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tfweak.data.input_spec import InputSpec
from tfweak.labels import SegmentGrid


class TimeLayer(NamedTuple):
    """What a layer does to time, in steps of its own input.

    Attributes:
      kernel: steps that one output step reads.
      stride: steps from one output to the next.
      before: steps of padding before the first; 1 for a SAME convolution over 3.
    """

    kernel: int
    stride: int = 1
    before: int = 0


def same(kernel: int) -> TimeLayer:
    """A convolution over an odd number of steps with SAME padding."""
    return TimeLayer(kernel, before=kernel // 2)


def pool(size: int) -> TimeLayer:
    """A pooling over steps side by side, whose padding, if any, is at the end."""
    return TimeLayer(size, stride=size)


def segment_grid(layers: Iterable[TimeLayer], rows: InputSpec) -> SegmentGrid:
    """Hop, receptive field and offset of the last layer's output steps.

    Step 0 reads the frames from `start` to `start + field - 1`, of which those before 0
    are padding. Its slot, as long as its stride, lies around the middle of them. Frame
    n is centred at n * hop + window / 2.

    Args:
      layers: input first.
      rows: the frames that the first layer reads.
    """
    start, field, stride = 0, 1, 1
    for layer in layers:
        start -= layer.before * stride
        field += (layer.kernel - 1) * stride
        stride *= layer.stride
    hop_seconds, window_seconds = rows.hop_seconds, rows.window_seconds
    first = start + (field - 1) / 2 - stride / 2
    return SegmentGrid(
        hop_seconds=stride * hop_seconds,
        receptive_field_seconds=(field - 1) * hop_seconds + window_seconds,
        offset_seconds=first * hop_seconds + window_seconds / 2,
    )
