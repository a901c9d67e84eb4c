"""Scores to events: by thresholds, by the ways a run knows, and stored again."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tfweak.decoding.decoding import decode_events
from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid

ONE_SECOND = SegmentGrid(1.0, 1.0)


def _column(*scores):
    return np.array(scores, np.float32)[:, None]


def test_runs_become_events():
    probs = _column(0.9, 0.5, 0.2, 0.8)
    expected = [Event(0, 0.0, 2.0), Event(0, 3.0, 4.0)]
    assert decode_events(probs, ONE_SECOND, 0.5) == expected
    joined = decode_events(probs, ONE_SECOND, 0.5, max_gap_seconds=1.0)
    assert joined == [Event(0, 0.0, 4.0)]


def test_times_come_from_the_grid_and_stay_in_the_clip():
    # Slots of 0.96 s from -0.48 s: the first is cut at 0, the last, 2.4-3.36 s, at 3.
    grid = SegmentGrid(0.96, 0.975, -0.48)
    probs = _column(1, 0, 0, 1)
    found = decode_events(probs, grid, 0.5, duration_seconds=3.0)
    assert [e.label for e in found] == [0, 0]
    np.testing.assert_allclose([e[1:] for e in found], [(0, 0.48), (2.4, 3.0)])
    # Without a duration nothing is cut at the end; a slot beyond the end is no event.
    assert decode_events(probs, grid, 0.5)[-1].offset_seconds == pytest.approx(3.36)
    assert len(decode_events(probs, grid, 0.5, duration_seconds=2.4)) == 1


def test_thresholds_per_class_and_the_clip_gate():
    probs = np.full((2, 3), 0.6)
    found = decode_events(probs, ONE_SECOND, np.array([0.6, 0.61, 0.1]))
    assert [e.label for e in found] == [0, 2]
    gated = decode_events(
        probs,
        ONE_SECOND,
        np.array([0.6, 0.61, 0.1]),
        clip_probs=np.array([0.3, 0.9, 0.2]),
        clip_thresholds=np.array([0.3, 0.3, 0.3]),
    )
    assert [e.label for e in gated] == [0]


def test_sorted_by_onset_then_offset_then_class():
    probs = np.array([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1]], np.float64)
    found = decode_events(probs, ONE_SECOND, 0.5)
    assert found == [
        Event(2, 0.0, 1.0),
        Event(1, 0.0, 2.0),
        Event(3, 0.0, 3.0),
        Event(0, 1.0, 3.0),
    ]


def test_short_events_are_dropped_after_joining():
    # Two runs of one slot with a pause of one slot between join to 3 slots of 0.16 s:
    # 0.48 s, although the difference of their times may round to less.
    grid = SegmentGrid(0.16, 1.0)
    probs = _column(0, 0, 1, 0, 1, 0, 0, 0, 1)
    settings_ = {"min_duration_seconds": 0.48, "max_gap_seconds": 0.16}
    found = decode_events(probs, grid, 0.5, **settings_)
    assert len(found) == 1
    assert found[0][1:] == pytest.approx((0.32, 0.8))
    assert not decode_events(probs, grid, 0.5, min_duration_seconds=0.48)
    for first in range(40):
        late = np.zeros((50, 1))
        late[[first, first + 2]] = 1
        assert len(decode_events(late, grid, 0.5, **settings_)) == 1


@settings(max_examples=60, deadline=None)
@given(
    st_numpy.arrays(np.float64, (13, 2), elements=st.floats(0, 1)),
    st.sampled_from([3, 5, 7]),
)
def test_median_filter_of_decisions_is_that_of_scores(probs, length):
    half = length // 2
    padded = np.pad(probs, ((half, half), (0, 0)), mode="symmetric")
    smooth = np.stack([np.median(padded[t : t + length], axis=0) for t in range(13)])
    assert decode_events(
        probs, ONE_SECOND, 0.4, median_filter_segments=length
    ) == decode_events(smooth, ONE_SECOND, 0.4)


def test_median_filter_by_hand():
    # Length 3 removes the lone segment 1 and fills the lone pause 5.
    probs = _column(0, 1, 0, 0, 1, 0, 1, 1)
    found = decode_events(probs, ONE_SECOND, 0.5, median_filter_segments=3)
    assert found == [Event(0, 5.0, 8.0)]


@settings(max_examples=100, deadline=None)
@given(
    st_numpy.arrays(
        bool, st.tuples(st.integers(0, 20), st.integers(1, 4)), elements=st.booleans()
    ),
    st.sampled_from([(1.0, 0.0), (0.96, 0.0), (0.16, 0.3)]),
)
def test_decoding_inverts_the_segment_labels(active, timing):
    grid = SegmentGrid(timing[0], 1.0, timing[1])
    found = decode_events(active.astype(np.float32), grid, 0.5)
    np.testing.assert_array_equal(grid.labels(found, *active.shape), active)
    # As few events as there are runs, counted independently.
    runs = sum(
        key for column in active.T for key, _ in itertools.groupby(column.tolist())
    )
    assert len(found) == runs


@pytest.mark.parametrize(
    "probs, options, message",
    [
        (np.zeros(4), {}, "segments, classes"),
        (np.full((4, 2), np.nan), {}, "NaN"),
        (np.zeros((4, 2)), {"median_filter_segments": 4}, "odd"),
        (np.zeros((4, 2)), {"median_filter_segments": 0}, "odd"),
        (np.zeros((4, 2)), {"thresholds": np.zeros(3)}, "thresholds"),
        (np.zeros((4, 2)), {"thresholds": np.nan}, "thresholds"),
        (np.zeros((4, 2)), {"clip_probs": np.zeros(2)}, "belong together"),
        (np.zeros((4, 2)), {"clip_thresholds": 0.5}, "belong together"),
        (
            np.zeros((4, 2)),
            {"clip_probs": np.zeros(3), "clip_thresholds": 0.5},
            "clip_probs",
        ),
    ],
)
def test_decoding_refuses_what_does_not_fit(probs, options, message):
    with pytest.raises(InputError, match=message):
        decode_events(probs, ONE_SECOND, **{"thresholds": 0.5, **options})
