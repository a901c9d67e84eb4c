"""Decoders: by hand, against plain loops, padded, at many thresholds, of one's own."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
import pathlib
import textwrap
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfweak
from tfweak import registry
from tfweak.decoding import decoder as decoder_module
from tfweak.decoding import decoders as decoders_package
from tfweak.decoding.decoder import DECODERS, PADDING, create_decoder
from tfweak.decoding.decoding import Rows
from tfweak.errors import InputError
from tfweak.labels import SegmentGrid

NAMES = (
    "change_points",
    "double_threshold",
    "median_filter",
    "one_event",
    "threshold",
    "triple_threshold",
)
HOP = 0.16
GRID = SegmentGrid(HOP, 1.0)


def found(name, scores, threshold, hop=1.0, **settings_):
    """[first, end] of the runs of one row."""
    runs = create_decoder(name, settings_).runs(
        np.array([scores], np.float32), np.array([[threshold]]), hop
    )
    assert not runs.rows.any()
    return np.stack([runs.first, runs.end], 1).tolist()


def test_all_are_found_by_name():
    assert set(NAMES) <= set(DECODERS.names())
    with pytest.raises(InputError, match="threshold"):
        create_decoder("treshold")
    with pytest.raises(InputError, match="max_gap_seconds"):
        create_decoder("threshold", {"max_gap": 1.0})
    with pytest.raises(InputError, match="factor=0.5: expected 1.0 or more"):
        create_decoder("double_threshold", {"factor": 0.5})
    assert create_decoder("threshold", {"min_seconds": "0.5"}).min_seconds == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_survives_its_dictionary(name):
    cls = DECODERS.get(name)
    grid = {k: v[-1] for k, v in cls.grid(HOP, 0.5).items()}
    one = create_decoder(name, {**grid, "max_gap_seconds": 0.3, "min_seconds": 0.2})
    assert create_decoder(**one.to_dict()) == one
    assert create_decoder(**create_decoder(name).to_dict()) != one


# --- by hand ---


def test_threshold_by_hand():
    scores = [0.9, 0.5, 0.2, 0.8]
    assert found("threshold", scores, 0.5) == [[0, 2], [3, 4]]
    assert found("threshold", scores, 0.5, max_gap_seconds=1.0) == [[0, 4]]
    assert found("threshold", scores, 0.5, min_seconds=2.0) == [[0, 2]]
    assert found("threshold", [0.1, 0.2], 0.5) == []
    # joined before what is short is dropped: 1 + 1 + 1 segments
    scores = [1, 0, 1, 0, 0, 1]
    both = {"max_gap_seconds": 1.0, "min_seconds": 3.0}
    assert found("threshold", scores, 0.5, **both) == [[0, 3]]


def test_median_filter_by_hand():
    # Of three: the lone 1 goes, the lone 5 is filled, the end (1 1 mirrored) stays.
    scores = [0, 1, 0, 0, 1, 0, 1, 1]
    assert found("median_filter", scores, 0.5, filter_seconds=3.0) == [[5, 8]]
    # Mirrored at the start: 0.9 0.9 0.1 -> 0.9 stays, 0.9 0.1 0.1 -> 0.1.
    assert found("median_filter", [0.9, 0.1, 0.1], 0.5, filter_seconds=3.0) == [[0, 1]]
    # A filter longer than the clip: five of the mirrored 1 0 1 | 1 0 1 | 1 0 1; around
    # 0: 0 1 | 1 0 1, around 1: 1 | 1 0 1 | 1, around 2: 1 0 1 | 1 0.
    assert found("median_filter", [1, 0, 1], 0.5, filter_seconds=5.0) == [[0, 3]]
    scores = [0, 0, 1, 0, 0]
    # 0 is one segment, no filter
    assert found("median_filter", scores, 0.5, filter_seconds=0.0) == [[2, 3]]
    assert found("median_filter", scores, 0.5, filter_seconds=3.0) == []


@pytest.mark.parametrize(
    "hops, size",
    [(0, 1), (0.9, 1), (1, 1), (1.9, 1), (2, 3), (3, 3), (4, 5), (5, 5), (6, 7)],
)
@pytest.mark.parametrize("hop", [1.0, 0.16, 0.32, 0.1])
def test_the_filter_is_the_nearest_odd_number_the_longer_of_two(hops, size, hop):
    # A filter of 2 n + 1 segments keeps what is longer than n and drops the rest.
    def is_kept(length):
        scores = [0] * 9 + [1] * length + [0] * 9
        return found("median_filter", scores, 0.5, hop, filter_seconds=hops * hop)

    assert is_kept(size // 2 + 1)
    assert not size // 2 or not is_kept(size // 2)


def test_double_threshold_by_hand():
    # 0.2 * 3 = 0.6: the first run peaks at 0.5, the second at 0.7.
    scores = [0.2, 0.5, 0.1, 0.3, 0.7, 0.3, 0.1]
    assert found("double_threshold", scores, 0.2, factor=3.0) == [[3, 6]]
    # Joined before the peak decides: the second speaks for the first.
    joined = {"factor": 3.0, "max_gap_seconds": 1.0}
    assert found("double_threshold", scores, 0.2, **joined) == [[0, 6]]
    assert found("double_threshold", scores, 0.2, factor=4.0) == []
    # A peak equal to factor times the threshold decides, and more than 1 is asked of
    # no score.
    assert found("double_threshold", [0.25, 0.5], 0.25, factor=2.0) == [[0, 2]]
    assert found("double_threshold", [0.5, 1.0, 0.4], 0.5, factor=9.0) == [[0, 2]]
    # Dropped while it is short, however high.
    short = {"factor": 1.0, "min_seconds": 2.0}
    assert found("double_threshold", [0.9, 0.1, 0.3, 0.3], 0.2, **short) == [[2, 4]]
    assert found("triple_threshold", scores, 0.2, **joined) == [[0, 6]]


def test_the_confidence_is_the_peak_of_two_thresholds_and_else_the_mean():
    scores = np.array([[0.25, 0.75, 0.0, 0.5], [1.0, 0.5, 0.5, PADDING]], np.float32)
    low = np.full((2, 1), 0.25)
    for name, expected in {
        # (0.25 + 0.75) / 2, 0.5, (1 + 0.5 + 0.5) / 3
        "threshold": [0.5, 0.5, 2 / 3],
        "double_threshold": [0.75, 0.5, 1.0],
        "triple_threshold": [0.75, 0.5, 1.0],
        # (0.25 + 0.75 + 0 + 0.5) / 4
        "one_event": [0.375, 2 / 3],
    }.items():
        settings_ = {"factor": 1.0} if "_threshold" in name else {}
        runs = create_decoder(name, settings_).runs(scores, low, 1.0)
        np.testing.assert_allclose(runs.confidences, expected, rtol=1e-12)
        assert runs.confidences.dtype == np.float64


def test_one_event_by_hand():
    scores = [0.1, 0.6, 0.1, 0.1, 0.5, 0.2]
    assert found("one_event", scores, 0.5) == [[1, 5]]
    assert found("one_event", scores, 0.55) == [[1, 2]]
    assert found("one_event", scores, 0.7) == []
    assert found("one_event", scores, 0.5, min_seconds=4.0) == [[1, 5]]
    assert found("one_event", scores, 0.5, min_seconds=4.1) == []


class TestChangePoints:
    """With hop 1 s; `step_seconds=2` compares one segment with one."""

    def found(self, scores, threshold=0.01, step_seconds=2.0, **settings_):
        settings_ = {"step_seconds": step_seconds, **settings_}
        return found("change_points", scores, threshold, **settings_)

    def test_one_block(self):
        # delta of 0 0 1 1 0: 0 0 1 0 -1 0, so from 2 to 4
        assert self.found([0, 0, 1, 1, 0]) == [[2, 4]]
        # Two and two: delta at 0..5 is 0, .5, 1, 0, -1, -.5: the same.
        assert self.found([0, 0, 1, 1, 0], step_seconds=4.0) == [[2, 4]]

    def test_a_clip_starts_and_ends_in_an_event(self):
        # beyond the clip there is nothing: it rises at 0 and falls at the end
        assert self.found([1, 1, 0, 0, 1]) == [[0, 2], [4, 5]]
        assert self.found([1]) == [[0, 1]]
        assert self.found([0.7, 0.7, 0.7], step_seconds=20.0) == [[0, 3]]

    @pytest.mark.parametrize("level", [0.1, 0.3, 0.7, 1.0])
    @pytest.mark.parametrize("step", [2.0, 6.0, 10.0])
    def test_constant_scores_are_one_event(self, level, step):
        # With nothing merged a change made of rounding would show.
        apart = {"relative": 1.0, "absolute": 0.0, "step_seconds": step}
        assert self.found([level] * 40, **apart) == [[0, 40]]
        # A block on a floor: the fall at its end is the greatest until the next rise,
        # and there is none.
        scores = [0.9] * 15 + [level / 10] * 40
        assert self.found(scores, **apart) == [[0, 15]]

    def test_of_several_onsets_the_greatest_counts(self):
        # delta: .2 .0 .6 .0 -.5 0 -.3: rises .2 and .6, falls -.5 and -.3
        assert self.found([0.2, 0.2, 0.8, 0.8, 0.3, 0.3]) == [[2, 4]]

    def test_neighbours_are_merged_by_the_relative_and_the_absolute(self):
        # Peaks of 0.8 and 0.6 around 0.3: the greater is 0.5 above, and
        # 0.801 / 0.301 = 2.66 times as high.
        scores = [0.8, 0.3, 0.6]
        apart, together = [[0, 1], [2, 3]], [[0, 3]]
        for relative, absolute, expected in (
            (2.7, 0.51, together),
            (2.6, 0.51, apart),
            (2.7, 0.49, apart),
            (2.6, 0.49, apart),
        ):
            merging = {"relative": relative, "absolute": absolute}
            assert self.found(scores, **merging) == expected
        # The order of the two does not matter.
        assert self.found(scores[::-1], relative=2.7, absolute=0.51) == together

    def test_the_pause_reaches_from_the_last_segment_to_the_first(self):
        # Eighths, three and three: delta is 14 6 6 -1 1 -2 -6 -14 (thirds of eighths),
        # so that 0 to 3 and 4 to 7 are candidates. Between them is 6, but the second
        # begins with 2: 7 is 5 / 8 above.
        scores = np.array([7, 1, 6, 6, 2, 5, 7]) / 8
        merging = {"step_seconds": 6.0, "relative": 4.0}
        assert self.found(scores, absolute=0.62, **merging) == [[0, 3], [4, 7]]
        assert self.found(scores, absolute=0.63, **merging) == [[0, 7]]

    def test_what_was_merged_merges_with_the_next(self):
        # 0.5 | 0.4 | 0.5 | 0.45 | 0.9: of absolute 0.55 all are one, from left to
        # right: 0.5 - 0.4, then 0.9 - 0.45.
        scores = [0.5, 0.4, 0.5, 0.45, 0.9]
        merging = {"relative": 9.0, "absolute": 0.55}
        assert self.found(scores, **merging) == [[0, 5]]
        assert self.found(scores, relative=9.0, absolute=0.3) == [[0, 3], [4, 5]]

    def test_the_mean_decides_on_whole_events(self):
        # Borders stay where they are while the threshold rises to the mean, 0.7.
        scores = [0.1, 0.6, 0.8, 0.7, 0.1]
        for threshold in (0.15, 0.5, 0.65, 0.69):
            assert self.found(scores, threshold) == [[1, 4]]
        assert self.found(scores, 0.71) == []

    def test_gaps_and_short_ones_as_everywhere(self):
        scores = [1, 0, 1, 0, 0, 0, 1]
        assert self.found(scores, max_gap_seconds=1.0) == [[0, 3], [6, 7]]
        both = {"max_gap_seconds": 1.0, "min_seconds": 2.0}
        assert self.found(scores, **both) == [[0, 3]]


# --- against plain loops ---


def _naive_pieces(active):
    pieces, begin = [], None
    for t, value in enumerate([*active, False]):
        if value and begin is None:
            begin = t
        if not value and begin is not None:
            pieces.append((begin, t))
            begin = None
    return pieces


def _naive_finish(scores, pieces, one, hop):
    joined = []
    for first, end in pieces:
        pause = (first - joined[-1][1]) * hop if joined else math.inf
        if pause <= one.max_gap_seconds + 1e-6:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return [
        (first, end, float(sum(scores[first:end]) / (end - first)))
        for first, end in joined
        if (end - first) * hop >= one.min_seconds - 1e-6
    ]


def _naive_median(scores, size):
    out = []
    for t in range(len(scores)):
        window = []
        for place in range(t - size // 2, t + size // 2 + 1):
            while not 0 <= place < len(scores):
                place = -1 - place if place < 0 else 2 * len(scores) - 1 - place
            window.append(scores[place])
        out.append(sorted(window)[size // 2])
    return out


def _naive_change_points(scores, one, hop):
    size = max(1, round(one.step_seconds / hop / 2))
    delta = [
        sum(scores[t : t + size]) - sum(scores[max(0, t - size) : t])
        for t in range(len(scores) + 1)
    ]
    around = [0, *delta, 0]
    candidates, onset, offset = [], None, None
    for t, value in enumerate(delta):
        before, after = around[t], around[t + 2]
        if value > 0 and value >= before and value > after:
            if offset is not None:
                candidates.append((onset, offset))
                onset = offset = None
            if onset is None or value > delta[onset]:
                onset = t
        if value < 0 and value <= before and value < after:
            if offset is None or value < delta[offset]:
                offset = t
    if offset is not None:
        candidates.append((onset, offset))

    def is_pause(left, right):
        low = min(scores[left[1] - 1 : right[0] + 1])
        small = Fraction(1, 1000)
        for first, end in (left, right):
            peak = max(scores[first:end])
            if (peak + small) / (low + small) >= one.relative:
                return True
            if peak - low >= one.absolute:
                return True
        return False

    while True:
        pairs = list(itertools.pairwise(candidates))
        merge = next((n for n, p in enumerate(pairs) if not is_pause(*p)), None)
        if merge is None:
            return candidates
        (first, _), (_, end) = pairs[merge]
        candidates[merge : merge + 2] = [(first, end)]


def naive(one, scores, threshold, hop):
    """[(first, end, confidence)] of one row of exact scores, in plain loops."""
    if one.name == "change_points":
        pieces = _naive_change_points(scores, one, hop)
        whole = _naive_finish(scores, pieces, one, hop)
        return [run for run in whole if run[2] >= threshold]
    if one.name == "median_filter":
        half = math.floor(one.filter_seconds / hop / 2 + 1e-6)
        scores = _naive_median(scores, 2 * half + 1)
    pieces = _naive_pieces([score >= threshold for score in scores])
    if one.name == "one_event" and pieces:
        pieces = [(pieces[0][0], pieces[-1][1])]
    runs = _naive_finish(scores, pieces, one, hop)
    if one.name in ("double_threshold", "triple_threshold"):
        runs = [(f, e, float(max(scores[f:e]))) for f, e, _ in runs]
        needed = min(one.factor * threshold, 1.0)
        return [run for run in runs if run[2] >= needed]
    return runs


# Bounds that nothing made of eighths is equal to.
_OWN_SETTINGS = {
    "change_points": {
        "step_seconds": [n * 2 * HOP for n in (1, 2, 3, 7)],
        "relative": [1.0, 2.0, 5.0],
        "absolute": [0.0, 0.15, 0.35, 0.95],
    },
    "double_threshold": {"factor": [1.0, 1.7, 4.0]},
    "triple_threshold": {"factor": [1.0, 1.7, 4.0]},
    "median_filter": {"filter_seconds": [n * HOP for n in (0, 1, 3, 5, 9)]},
}


@st.composite
def decoders(draw, name):
    chosen = {
        k: draw(st.sampled_from(v)) for k, v in _OWN_SETTINGS.get(name, {}).items()
    }
    for shared in ("max_gap_seconds", "min_seconds"):
        chosen[shared] = draw(st.sampled_from([n * HOP for n in (0, 0, 1, 2, 3)]))
    return create_decoder(name, chosen)


# eighths, whose sums are exact, with many repeats; clips of different lengths
CLIPS = st.lists(
    st.lists(st.integers(0, 8), min_size=0, max_size=20), min_size=1, max_size=5
)
THRESHOLDS = st.sampled_from([0.012345, 0.123456, 0.345678, 0.567891, 0.876543])


def rows_of(clips):
    eighths = [np.array(clip, np.float32)[:, None] / 8 for clip in clips]
    return Rows.of(eighths, [HOP * len(clip) for clip in clips], GRID)


def as_tuples(runs):
    columns = (runs.rows, runs.first, runs.end, runs.confidences)
    return list(zip(*(column.tolist() for column in columns)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(st.data(), CLIPS, THRESHOLDS)
def test_what_plain_loops_find_clip_by_clip(name, data, clips, threshold):
    one = data.draw(decoders(name))
    got = as_tuples(rows_of(clips).decode(one, threshold))
    expected = [
        (number, *run)
        for number, clip in enumerate(clips)
        for run in naive(one, [Fraction(n, 8) for n in clip], threshold, HOP)
    ]
    assert [run[:3] for run in got] == [run[:3] for run in expected]
    confidences = [run[3] for run in expected]
    np.testing.assert_allclose([run[3] for run in got], confidences, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(st.data(), CLIPS, THRESHOLDS)
def test_a_clip_alone_gives_what_it_gives_among_longer_ones(
    name, data, clips, threshold
):
    one = data.draw(decoders(name))
    together = as_tuples(rows_of(clips).decode(one, threshold))
    for number, clip in enumerate(clips):
        alone = as_tuples(rows_of([clip]).decode(one, threshold))
        assert [run[1:] for run in together if run[0] == number] == [
            run[1:] for run in alone
        ]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(st.data(), CLIPS)
def test_several_thresholds_at_once_are_each_of_them(name, data, clips):
    one = data.draw(decoders(name))
    rows = rows_of(clips)
    count = len(clips)
    tried = data.draw(
        st.lists(st.lists(THRESHOLDS, min_size=count, max_size=count), max_size=4)
    )
    if not tried:
        return
    # a threshold of its own for each clip: rows of one class
    at_once = rows.decode_at(one, np.array(tried), 3)
    expected = []
    for number, thresholds in enumerate(tried):
        for clip in range(count):
            single = rows_of([clips[clip]])
            runs = single.decode(one, thresholds[clip])
            _, labels, onsets, offsets, _ = (c.tolist() for c in single.times(runs))
            expected += [
                ((3 + number) * count + clip, label, onset, offset)
                for label, onset, offset in zip(labels, onsets, offsets)
            ]
    assert sorted(zip(*(c.tolist() for c in at_once))) == expected


@pytest.mark.parametrize("name", [n for n in NAMES if DECODERS.get(n).is_ranked])
@settings(max_examples=60, deadline=None)
@given(st.data(), CLIPS, THRESHOLDS, THRESHOLDS)
def test_a_ranked_decoder_only_drops_while_the_threshold_rises(
    name, data, clips, one_threshold, other_threshold
):
    one = data.draw(decoders(name))
    low, high = sorted((one_threshold, other_threshold))
    many = as_tuples(rows_of(clips).decode(one, low))
    few = as_tuples(rows_of(clips).decode(one, high))
    assert few == [run for run in many if run[3] >= high]


def test_one_is_ranked_and_those_that_are_not_break_the_promise():
    assert [n for n in NAMES if DECODERS.get(n).is_ranked] == ["change_points"]
    # What a threshold of 0.2 finds as one event is two at 0.5.
    scores = [0.9, 0.3, 0.9]
    assert found("threshold", scores, 0.2) == [[0, 3]]
    assert found("threshold", scores, 0.5) == [[0, 1], [2, 3]]


# --- boundaries ---


@pytest.mark.parametrize("hop", [0.02, 0.1, 0.16, 0.32, 0.96, 1 / 3, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_pauses_and_lengths_of_just_the_bound(hop, count):
    for first in (*range(5), 31, 59):
        pause = [0.0] * first + [1.0] + [0.0] * count + [1.0]
        gap = {"max_gap_seconds": count * hop}
        assert len(found("threshold", pause, 0.5, hop, **gap)) == 1
        assert len(found("threshold", [*pause[:-1], 0, 1], 0.5, hop, **gap)) == 2
        long = [0.0] * first + [1.0] * count
        shortest = {"min_seconds": count * hop}
        assert found("threshold", long, 0.5, hop, **shortest)
        assert not found("threshold", long[:-1], 0.5, hop, **shortest)


@pytest.mark.parametrize("hop", [0.1, 0.16, 0.96])
def test_bounds_are_decimals_that_sums_of_hops_miss(hop):
    # 3 * 0.1 is 0.30000000000000004, 11 * 0.96 is 10.559999999999999
    misses = set()
    for count in range(1, 60):
        bound = round(count * hop, 2)
        misses.add(np.sign(count * hop - bound))
        pause = [1.0] + [0.0] * count + [1.0]
        assert len(found("threshold", pause, 0.5, hop, max_gap_seconds=bound)) == 1
        assert found("threshold", [1.0] * count, 0.5, hop, min_seconds=bound)
    assert misses == {0, -1 if hop == 0.96 else 1}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_gives_nothing(name):
    one = create_decoder(name)
    half = np.full(2, 0.5)
    for clips in ([], [np.zeros((0, 2))], [np.zeros((5, 2))], [np.zeros((5, 0))]):
        rows = Rows.of(clips, [0.8] * len(clips), GRID)
        for thresholds in (0.5, half[: clips[0].shape[1]] if clips else half):
            runs = rows.decode(one, thresholds)
            assert not len(runs.rows) and len(runs) == 4
            assert rows.events(runs) == [[] for _ in clips]
        several = np.full((3, len(rows.scores)), 0.5)
        assert [len(c) for c in rows.decode_at(one, several, 0)] == [0] * 4
    # of the decoder alone, whose rows all fail
    runs = one.runs(np.zeros((2, 3), np.float32), np.full((2, 1), 0.5), HOP)
    assert [len(column) for column in runs] == [0] * 4
    runs = one.runs(np.zeros((0, 3), np.float32), np.zeros((0, 1)), HOP)
    assert [len(column) for column in runs] == [0] * 4


# --- of one's own ---


@pytest.fixture
def nothing_of_ours(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_OWN", {})


def test_the_example_runs_as_it_stands(nothing_of_ours):
    text = decoder_module.__doc__
    example = text[text.index("    import dataclasses") : text.index("\nAn event is")]
    exec(textwrap.dedent(example), {"__name__": "example"})
    assert "loudest" in DECODERS.names()
    scores = [0.1, 0.9, 0.3, 0.9, 0.2]
    assert found("loudest", scores, 0.5, HOP) == [[1, 2], [3, 4]]
    # pauses are in seconds, with segments of 0.16 s
    assert found("loudest", scores, 0.5, HOP, max_gap_seconds=0.16) == [[1, 4]]
    assert found("loudest", scores, 0.95, HOP) == []
    rows = Rows.of([np.array([scores]).T], [0.8], GRID)
    ((event, confidence),) = rows.events(
        rows.decode(create_decoder("loudest", {"max_gap_seconds": 0.2}), 0.5)
    )[0]
    assert event == (0, pytest.approx(0.16), pytest.approx(0.64))
    assert confidence == pytest.approx((0.9 + 0.3 + 0.9) / 3)


def test_a_dropped_file_is_a_decoder(tmp_path, monkeypatch):
    source = inspect.getsource(DECODERS.get("one_event"))
    (tmp_path / "two_halves.py").write_text(
        "import dataclasses\nimport numpy as np\n"
        "from tfweak.decoding.decoder import Decoder\n"
        "from tfweak.typing import Array\nRuns = object\n"
        + source.replace("OneEvent", "TwoHalves").replace("one_event", "two_halves")
    )
    folders = [*decoders_package.__path__, str(tmp_path)]
    monkeypatch.setattr(decoders_package, "__path__", folders)
    assert "two_halves" in DECODERS.names()
    assert found("two_halves", [1, 0, 1], 0.5) == [[0, 3]]


def test_what_is_no_decoder_is_not_registered(nothing_of_ours):
    class Odd:
        kind, name = "decoder", "odd"

    tfweak.register(Odd)
    with pytest.raises(InputError, match="not of Decoder"):
        create_decoder("odd")
    with pytest.raises(TypeError):  # no runs
        dataclasses.make_dataclass("Idle", [], bases=(tfweak.Decoder,))()


def test_every_file_of_the_folder_holds_its_decoder():
    folder = pathlib.Path(decoders_package.__file__).parent
    files = sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__")
    assert files == sorted(NAMES)
    assert [DECODERS.get(name).name for name in files] == files
