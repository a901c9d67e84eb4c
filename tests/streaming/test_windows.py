"""Windows lie on the grid of segments and cover a recording."""

import numpy as np
import pytest

from tfweak.errors import InputError
from tfweak.models.architecture import ARCHITECTURES, create
from tfweak.models.streaming.windows import WindowOptions, WindowPlan


def windows_of(plan, num_rows, sizes=(700, 3, 2500)):
    """The windows of rows that hold their own number, which come in odd blocks."""
    values = np.arange(num_rows)[:, np.newaxis]
    edges = np.cumsum(np.resize(sizes, num_rows))
    blocks = [b for b in np.split(values, edges[edges < num_rows]) if len(b)]
    return list(plan.cut("x", iter(blocks)))


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_windows_cover_a_recording_of_every_model(name):
    architecture = create(name, 2)
    plan = WindowPlan.of(architecture)
    trained = architecture.input.training_rows or 10
    # whole segments, and what it was trained on is one window
    assert trained <= plan.rows < trained + plan.segment_rows
    assert plan.rows % plan.segment_rows == plan.hop_rows % plan.segment_rows == 0
    assert len(windows_of(plan, trained)) == len(windows_of(plan, 1)) == 1
    for num_rows in (plan.rows + 1, 5 * plan.rows - 7, 3 * plan.hop_rows + plan.rows):
        windows = windows_of(plan, num_rows)
        assert [w.is_first for w in windows] == [True] + [False] * (len(windows) - 1)
        assert [w.is_last for w in windows] == [False] * (len(windows) - 1) + [True]
        total = architecture.num_segments(num_rows)
        covered = np.zeros(total, int)
        for window in windows:
            begin = window.first_segment * plan.segment_rows
            expected = np.arange(begin, begin + len(window.rows))
            np.testing.assert_array_equal(window.rows[:, 0], expected)
            # no tiny window is answered alone
            assert plan.rows - plan.segment_rows < len(window.rows) <= plan.rows
            count = architecture.num_segments(len(window.rows))
            covered[window.first_segment :][:count] += 1
            assert window.first_segment + count <= total
        assert covered.min() >= 1 and windows[-1].rows[-1, 0] == num_rows - 1
        # the last window gives the recording's last segment
        assert windows[-1].first_segment + count == total


def test_the_windows_of_attention_fcn():
    plan = WindowPlan.of(create("attention_fcn", 2))
    # 10 s are 998 frames, 63 segments of 16; a quarter of 63 is 16, 47 x 16 is 752
    assert plan == WindowPlan(1008, 752, 16, 16)
    starts = [w.first_segment for w in windows_of(plan, 2000)]
    # 752 + 1008 < 2000: the last begins at (2000 - 1008) / 16 = 62
    assert starts == [0, 47, 62]
    options = WindowOptions(window_seconds=5, overlap_seconds=0)
    # 1 + (5 - 0.025) / 0.01 = 498 frames, 32 segments
    plan = WindowPlan.of(create("attention_fcn", 2), options)
    assert plan == WindowPlan(512, 512, 16, 0)


def test_windows_of_embeddings():
    plan = WindowPlan.of(create("embedding_attention", 2))
    # 10 s hold ten rows, as AudioSet's clips do
    assert plan == WindowPlan(10, 8, 1, 2)


def test_what_cannot_be_is_refused():
    model = create("attention_fcn", 2)
    with pytest.raises(InputError, match=r"overlap_seconds=5.*a window, which is 5.12"):
        WindowPlan.of(model, WindowOptions(window_seconds=5, overlap_seconds=5.1))
    with pytest.raises(InputError, match="window_seconds=0"):
        WindowOptions(window_seconds=0)
