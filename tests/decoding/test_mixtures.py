"""Cuts and mixtures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tfweak.decoding.mixtures import Cut, find_cut, make, paste
from tfweak.labels import SegmentGrid

# segments of 0.16 s, rows of 0.01 s
GRID = SegmentGrid(0.16, 0.7)
PER_SEGMENT = 16
ROW_SECONDS = 0.01


def scores(*spans, length=40):
    """(T,) of 0.1, and from segment to segment a value."""
    out = np.full(length, 0.1, np.float32)
    for first, end, value in spans:
        out[first:end] = value
    return out


def energies(*spans, length=640, bins=4):
    """(R, F) log energies of -5, and from row to row above that by some nats."""
    rows = np.full((length, bins), -5.0, np.float32)
    for first, end, nats in spans:
        rows[first:end] += nats
    return rows


def cut(rows, score, has_energy=True, per_segment=PER_SEGMENT, grid=GRID):
    found = find_cut(7, rows, score, 2, grid, per_segment, has_energy)
    if found is None:
        return None
    assert (found.clip, found.label) == (7, 2)
    return found.first, found.end


def test_borders_are_those_of_the_energy_to_a_row():
    # The score: segments 10 to 16, rows 160 to 256; the energy: rows 167 to 251.
    score = scores((10, 16, 0.8))
    assert cut(energies((167, 251, 6.0)), score) == (167, 251)
    # half of the loudest row near the peak counts, less does not
    assert cut(energies((160, 170, 2.9), (170, 250, 6.0)), score) == (170, 250)
    assert cut(energies((160, 170, 3.1), (170, 250, 6.0)), score) == (160, 250)
    # a stationary noise, such as a hum in one bin, is no energy above the quietest
    humming = energies((167, 251, 6.0))
    humming[:, 1] += 9.0
    assert cut(humming, score) == (167, 251)


EMBEDDED = {"has_energy": False, "per_segment": 1, "grid": SegmentGrid(0.96, 1.0)}


def cut_of_rows(*spans, low=0.1):
    score = scores(*spans, length=12)
    score[score == np.float32(0.1)] = low
    return cut(np.zeros((12, 3), np.float32), score, **EMBEDDED)


def test_embeddings_have_the_borders_of_the_score():
    assert cut_of_rows((3, 7, 0.8)) == (3, 7)
    # a fifth of the peak, 0.16, belongs to it
    low = cut_of_rows((2, 3, 0.161), (3, 6, 0.8), (6, 7, 0.159))
    assert low == (2, 6)
    # up to three rows that are lower do not part an event, four do
    assert cut_of_rows((1, 2, 0.7), (5, 8, 0.8)) == (1, 8)
    assert cut_of_rows((1, 2, 0.7), (6, 9, 0.8)) == (6, 9)


def test_embeddings_are_cut_where_the_class_scores_more_than_elsewhere():
    # a fifth of the way from 0.4 to 0.8 is 0.48
    rows, score = np.zeros((12, 3), np.float32), np.full(12, 0.41, np.float32)
    score[3:8] = 0.479, 0.481, 0.8, 0.481, 0.479

    def found(elsewhere):
        return find_cut(0, rows, score, 0, EMBEDDED["grid"], 1, False, elsewhere)

    assert found(0.4)[2:] == (4, 7)
    assert found(0.0) is None  # fills the clip
    assert found(0.81) is None


def test_the_run_around_the_highest_score_counts():
    score = scores((2, 6, 0.7), (20, 26, 0.8))
    rows = energies((40, 90, 9.0), (330, 410, 6.0))
    assert cut(rows, score) == (330, 410)


@pytest.mark.parametrize("segments, joined", [(1, True), (4, True), (5, False)])
def test_pauses_under_half_a_second_belong_to_the_event(segments, joined):
    # Of the score: 1 and 4 segments are 0.1 s and 0.4 s, 5 are 0.5 s. The borders of
    # embeddings show it.
    score = scores((10, 14, 0.7), (14 + segments, 20, 0.8))
    rows = np.zeros((40, 3), np.float32)
    grid = SegmentGrid(0.1, 0.1)
    found = cut(rows, score, has_energy=False, per_segment=1, grid=grid)
    assert found == (10 if joined else 14 + segments, 20)


@pytest.mark.parametrize("pause, joined", [(30, True), (49, True), (50, False)])
def test_pauses_of_the_energy_are_measured_in_rows(pause, joined):
    # Of the energy: 0.49 s are less than half a second, 0.5 s are not. The score agrees
    # with either.
    score = scores((12, 25, 0.8))
    score[22] = 0.9
    rows = energies((250 - pause, 251 - pause, 6.0), (251, 400, 6.0))
    assert cut(rows, score) == (250 - pause if joined else 251, 400)


def test_none_where_score_and_energy_disagree():
    # Score: rows 160 to 320, of which the energy has a half, and a little less.
    score = scores((10, 15, 0.8), (15, 16, 0.9), (16, 20, 0.8))
    assert cut(energies((200, 280, 6.0)), score) == (200, 280)  # just a half
    assert cut(energies((201, 280, 6.0)), score) is None
    # nor where it sounds before and after
    assert cut(energies((100, 400, 6.0)), score) == (100, 400)  # 160 of 300
    assert cut(energies((60, 400, 6.0)), score) is None  # 160 of 340


def test_none_where_the_run_fills_the_clip():
    # 90 % of 40 segments are 36.
    rows = np.zeros((40, 3), np.float32)
    assert cut(rows, scores((2, 38, 0.8)), False, 1) == (2, 38)
    assert cut(rows, scores((2, 39, 0.8)), False, 1) is None
    assert cut(rows, scores(), False, 1) is None
    assert cut(rows, np.zeros(40, np.float32), False, 1) is None
    # an energy without any quiet is none
    assert cut(energies(), scores((10, 16, 0.8))) is None


def test_the_last_segment_may_lack_rows():
    # 40 segments, but 630 rows instead of 640
    rows = energies((540, 630, 6.0), length=630)
    assert cut(rows, scores((34, 40, 0.8))) == (540, 630)
    rows = np.zeros((630, 3), np.float32)
    assert cut(rows, scores((34, 40, 0.8)), False) == (34 * 16, 630)


# --- pasting ---


class Place:
    """A generator that draws what it is told."""

    def __init__(self, place):
        self.place = place

    def integers(self, bound):
        self.bound = bound
        return self.place


NONE = np.zeros(3, bool)


def tags(*labels):
    out = np.zeros(3, bool)
    out[list(labels)] = True
    return out


def test_log_energies_take_the_greater_and_fade():
    source, target = energies((100, 110, 20.0), bins=2), energies(bins=2)
    target[:, 1] = 12.0
    rng = Place(300)
    made = paste(
        rng,
        Cut(0, 2, 100, 110),
        source,
        target,
        (tags(2), tags(0)),
        ROW_SECONDS,
        True,
    )
    assert rng.bound == 640 - 10 + 1  # anywhere where it fits whole
    assert (made.label, made.onset_seconds, made.offset_seconds) == (2, 3.0, 3.1)
    np.testing.assert_array_equal(made.absent, [False, True, False])
    # Two rows of 10 ms are faded: by two thirds and by one third of 7 nats.
    faded = 15 - 7 * np.array([2, 1, 0, 0, 0, 0, 0, 0, 1, 2]) / 3
    np.testing.assert_allclose(made.rows[300:310, 0], faded, rtol=1e-6)
    np.testing.assert_allclose(made.rows[300:310, 1], np.maximum(faded, 12), rtol=1e-6)
    outside = np.r_[0:300, 310:640]
    np.testing.assert_array_equal(made.rows[outside], target[outside])
    assert made.rows.dtype == np.float32
    assert target[305, 0] == -5.0 and source[100, 0] == 15.0  # both are as they were


def test_a_faint_cut_changes_nothing_that_is_louder():
    source, target = energies((0, 50, 1.0)), energies((0, 640, 2.0))
    made = paste(
        Place(0), Cut(0, 2, 0, 50), source, target, (NONE, NONE), ROW_SECONDS, True
    )
    np.testing.assert_array_equal(made.rows, target)


def test_embeddings_are_replaced():
    source = np.arange(30, dtype=np.uint8).reshape(10, 3)
    target = np.full((8, 3), 200, np.uint8)
    made = paste(
        Place(5), Cut(0, 1, 2, 5), source, target, (tags(1), NONE), 0.96, False
    )
    expected = np.full((8, 3), 200, np.float32)
    expected[5:] = source[2:5]
    np.testing.assert_array_equal(made.rows, expected)
    assert (target == 200).all()
    assert made.onset_seconds == pytest.approx(4.8)
    assert made.offset_seconds == pytest.approx(7.68)


def test_a_cut_longer_than_the_clip_is_none():
    source, target = np.zeros((10, 3)), np.zeros((4, 3))
    both = (source, target, (NONE, NONE), 0.96, False)
    assert paste(Place(0), Cut(0, 1, 2, 7), *both) is None
    whole = paste(Place(0), Cut(0, 1, 2, 6), *both)
    assert (whole.onset_seconds, whole.offset_seconds) == (0.0, pytest.approx(3.84))


# --- making many ---


def made(seed=0, count=40, clip_tags=None):
    rng = np.random.default_rng(1)
    clips = [np.full((12, 3), n, np.float32) for n in range(5)]
    clips[4] = clips[4][:2]
    cuts = [Cut(0, 0, 1, 4), Cut(1, 1, 2, 9), Cut(3, 0, 0, 2)]
    clip_tags = [(0,), (1,), (1, 2), (0, 1), ()] if clip_tags is None else clip_tags
    known = np.stack([tags(*labels) for labels in clip_tags])
    rng = np.random.default_rng(seed)
    return make(rng, cuts, clips, known, 0.96, False, count), known


def test_cuts_take_turns_in_clips_without_their_class():
    mixtures, known = made()
    where = set()
    for mixture in mixtures:
        ends = (mixture.onset_seconds / 0.96, mixture.offset_seconds / 0.96)
        inside = slice(*map(round, ends))
        (source,) = set(mixture.rows[inside].ravel().tolist())
        outside = np.delete(mixture.rows, np.arange(len(mixture.rows))[inside], 0)
        # where the cut fills the clip of two rows it is clip 4
        target = int(outside[0, 0]) if len(outside) else 4
        source = int(source)
        assert known[source][mixture.label] and not known[target][mixture.label]
        np.testing.assert_array_equal(mixture.absent, ~(known[source] | known[target]))
        assert not mixture.absent[mixture.label]
        where.add((source, target))
    # Class 0 goes into 1, 2 and 4, class 1 into 0 and 4; what is too long for the two
    # rows of clip 4 is left out.
    assert where == {(0, 1), (0, 2), (1, 0), (3, 1), (3, 2), (3, 4)}
    assert 20 <= len(mixtures) < 40


def test_mixtures_are_those_of_the_seed():
    one, again, other = (made(seed)[0] for seed in (3, 3, 4))
    assert len(one) == len(again)
    for a, b in zip(one, again):
        np.testing.assert_array_equal(a.rows, b.rows)
        assert (a.label, a.onset_seconds) == (b.label, b.onset_seconds)
    assert [m.onset_seconds for m in one] != [m.onset_seconds for m in other]


def test_none_where_every_clip_has_the_class():
    assert made(clip_tags=[(0, 1)] * 5)[0] == []
    assert made(count=0)[0] == []
    # class 1 alone has clips without it
    mixtures, _ = made(clip_tags=[(0,), (0, 1), (0, 1), (0, 1), (0, 1)])
    assert {m.label for m in mixtures} == {1}
