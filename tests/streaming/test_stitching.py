"""Answers to windows become one answer; expected values by hand."""

import numpy as np

from tfweak.models.streaming.stitching import Stitcher

TRACKS = {"segment_probs", "attention", "attention_logits", "global_attention"}


def window(value, count, clip):
    column = np.full((count, 1), value, np.float32)
    return {
        "clip_probs": np.array([clip], np.float32),
        "segment_probs": column,
        "attention": np.full((count, 1), 1 / count, np.float32),
        "attention_logits": np.log(column / (1 - column)),
        "global_attention": column[:, 0],
        "present_cost": np.array([7.0], np.float32),
    }


def test_two_windows_are_faded_over_what_they_share():
    stitcher = Stitcher(4, TRACKS)
    stitcher.add(window(0.9, 6, 0.8), 0, True, False)
    stitcher.add(window(0.1, 6, 0.3), 2, False, True)
    found = stitcher.outputs()
    # in the middles of four segments the first has 7/8, 5/8, 3/8 and 1/8
    share = np.array([1, 1, 7 / 8, 5 / 8, 3 / 8, 1 / 8, 0, 0])
    probs = 0.9 * share + 0.1 * (1 - share)
    np.testing.assert_allclose(found["segment_probs"][:, 0], probs, atol=1e-7)
    np.testing.assert_allclose(found["global_attention"], probs, atol=1e-7)
    # logits are averaged as their sigmoids
    np.testing.assert_allclose(
        found["attention_logits"][:, 0], np.log(probs / (1 - probs)), atol=1e-5
    )
    clip = 0.8 * share + 0.3 * (1 - share)
    np.testing.assert_allclose(found["clip_scores"][:, 0], clip, atol=1e-7)
    np.testing.assert_array_equal(found["clip_probs"], np.array([0.8], np.float32))
    # each window's sum to 1, and there are eight segments alike
    np.testing.assert_allclose(found["attention"], np.full((8, 1), 1 / 8), atol=1e-7)
    assert set(found) == TRACKS | {"clip_probs", "clip_scores"}
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}


def test_weights_sum_to_one_wherever_windows_lie():
    rng = np.random.default_rng(0)
    for fade, starts in ((0, (0, 6, 12)), (1, (0, 5, 7)), (4, (0, 2, 4, 5)), (3, (0,))):
        stitcher = Stitcher(fade, TRACKS)
        one = window(rng.uniform(0.1, 0.9), 6, 0.5)
        for start in starts:
            stitcher.add(one, start, start == 0, start == starts[-1])
        found = stitcher.outputs()
        length = starts[-1] + 6
        for name in ("segment_probs", "attention_logits"):
            expected = np.full((length, 1), one[name][0, 0])
            np.testing.assert_allclose(found[name], expected, atol=1e-5)
        np.testing.assert_allclose(found["attention"].sum(), 1, atol=1e-6)


def test_logits_that_no_probability_holds_stay_finite():
    stitcher = Stitcher(2, {"segment_probs", "attention_logits"})
    for start, logit in ((0, 80.0), (2, -90.0)):
        one = window(0.5, 4, 0.5)
        one["attention_logits"] = np.full((4, 1), logit, np.float32)
        stitcher.add(one, start, start == 0, start == 2)
    found = stitcher.outputs()["attention_logits"][:, 0]
    # 3/4 and 1/4 of a sigmoid of 1 in the middle; log 3 is 1.0986
    np.testing.assert_allclose(found[2:4], [1.0986, -1.0986], atol=1e-4)
    np.testing.assert_allclose(found[4:], -90, rtol=1e-6)
    assert (found[:2] > 35).all()


def test_a_class_without_attention_stays_at_zero():
    stitcher = Stitcher(2, TRACKS)
    for start in (0, 2):
        one = window(0.5, 4, 0.5)
        one["attention"] = np.zeros((4, 1), np.float32)
        stitcher.add(one, start, start == 0, start == 2)
    np.testing.assert_array_equal(stitcher.outputs()["attention"], np.zeros((6, 1)))


def test_a_single_window_stays_as_it_is():
    stitcher = Stitcher(4, TRACKS)
    one = window(0.3, 6, 0.8)
    stitcher.add(one, 0, True, True)
    found = stitcher.outputs()
    for name, values in one.items():
        assert found[name] is values
    np.testing.assert_array_equal(
        found["clip_scores"], np.full((6, 1), 0.8, np.float32)
    )
