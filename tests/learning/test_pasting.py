"""Cuts and what is pasted, against loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfweak.learning.pasting import high_run, paste

RNG = np.random.default_rng(0)


def run_by_steps(scores, share, longest_pause):
    """Walks from the highest score to either side."""
    peak = int(scores.argmax())
    active = scores >= np.float32(share) * scores[peak]
    out = np.zeros(len(scores), bool)
    out[peak] = True
    for step in (-1, 1):
        last = place = peak
        while 0 <= (place := place + step) < len(scores):
            if active[place]:
                last = place
            elif abs(place - last) > longest_pause:
                break
        out[min(peak, last) : max(peak, last) + 1] = True
    return out


@pytest.mark.parametrize("longest_pause", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_the_run_around_the_highest_score(length, longest_pause):
    scores = RNG.random((60, length)).astype(np.float32) ** 3
    found = high_run(tf.constant(scores), 0.5, longest_pause).numpy()
    for row, run in zip(scores, found):
        np.testing.assert_array_equal(run, run_by_steps(row, 0.5, longest_pause))


def test_a_run_by_hand():
    scores = [[0.6, 0.1, 0.5, 0.1, 0.1, 0.8, 0.4, 0.39, -1.0]]
    runs = {0: [5, 6], 1: [5, 6], 2: [0, 1, 2, 3, 4, 5, 6]}
    for pause, segments in runs.items():
        found = high_run(tf.constant(scores), 0.5, pause).numpy()[0]
        assert np.flatnonzero(found).tolist() == segments


def batch(clips=16, segments=12, per_segment=3, classes=5, seed=0):
    """Clips whose rows say where they are from, with one or two tags each."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, segments + 1, clips)
    weak = np.zeros((clips, classes), np.float32)
    for row in weak:
        row[rng.choice(classes, rng.integers(1, 3), replace=False)] = 1
    rows = np.arange(segments * per_segment)
    features = np.stack(np.broadcast_arrays(np.arange(clips)[:, None], rows), axis=-1)
    probs = rng.random((clips, segments, classes)).astype(np.float32) ** 4
    mask = np.arange(segments) < lengths[:, None]
    outputs = {"segment_probs": tf.constant(probs), "mask": tf.constant(mask)}
    return features.astype(np.float32), weak, outputs, lengths, per_segment


@pytest.mark.parametrize("seed", range(8))
def test_what_is_pasted_is_a_high_run_of_a_class_that_the_clip_had_not(seed):
    features, weak, outputs, lengths, per = batch(seed=seed)
    made = paste(features, weak, outputs, tf.constant([seed, 3]))
    made = type(made)(*(np.asarray(value) for value in made))
    assert sorted(made.into) == list(range(len(weak)))
    assert 0 < made.found.sum() < len(weak)
    for i, into in enumerate(made.into):
        rows, own = made.features[i], features[into]
        if not made.found[i]:
            np.testing.assert_array_equal(rows, own)
            np.testing.assert_array_equal(made.weak[i], weak[into])
            assert not made.strong[i].any()
            continue
        (label,) = np.flatnonzero(made.strong[i].any(axis=0))
        assert weak[i, label] == 1 and weak[into, label] == 0
        segments = np.flatnonzero(made.strong[i, :, label])
        first, count = segments[0], len(segments)
        assert segments[-1] - first + 1 == count
        assert segments[-1] < lengths[into] and count <= 0.9 * lengths[into]
        inside = np.repeat(made.strong[i, :, label] > 0, per)
        np.testing.assert_array_equal(rows[~inside], own[~inside])
        # a run of the other clip, whole segments of it, in its order
        assert (rows[inside, 0] == i).all()
        start = int(rows[inside, 1][0])
        assert start % per == 0
        np.testing.assert_array_equal(
            rows[inside, 1], np.arange(start, start + count * per)
        )
        scores = np.asarray(outputs["segment_probs"])[i, : lengths[i], label]
        np.testing.assert_array_equal(
            np.flatnonzero(run_by_steps(scores, 0.5, 3)),
            np.arange(start // per, start // per + count),
        )
        # tags: the clip's own and the new one; what may have come along is not judged
        expected = weak[into].copy()
        expected[label] = 1
        np.testing.assert_array_equal(made.weak[i], expected)
        neither = (weak[i] == 0) & (weak[into] == 0)
        neither[label] = True
        np.testing.assert_array_equal(made.known[i], neither)
        # what was replaced may have been all of another class
        np.testing.assert_array_equal(made.judged[i], neither)


def test_the_maximum_of_both_keeps_what_was_there():
    features, weak, outputs, _, per = batch()
    features = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    seed = tf.constant([0, 3])
    cut = paste(features, weak, outputs, seed)
    both = paste(features, weak, outputs, seed, "maximum")
    into = np.asarray(both.into)
    own, inside = features[into], np.repeat(np.asarray(both.strong).max(2) > 0, per, 1)
    highest = np.maximum(own, cut.features)
    expected = np.where(inside[..., None], highest, own)
    np.testing.assert_array_equal(both.features, expected)
    assert (np.asarray(both.features) != np.asarray(cut.features)).any()
    for name in ("into", "weak", "strong", "known", "found"):
        np.testing.assert_array_equal(getattr(both, name), getattr(cut, name))
    # the clip's own tags are still true; those that the cut may bring are not known
    found = np.asarray(both.found) > 0
    judged = np.asarray(both.judged)
    expected = np.maximum(np.asarray(both.known), weak[into])
    np.testing.assert_array_equal(judged[found], expected[found])
    assert (judged[found] > np.asarray(cut.judged)[found]).any()


def test_a_seed_pastes_alike_and_another_one_does_not():
    features, weak, outputs, _, _ = batch()
    made = [paste(features, weak, outputs, tf.constant(s)) for s in ([1, 2],) * 2]
    for one, other in zip(*made):
        np.testing.assert_array_equal(one, other)
    other = paste(features, weak, outputs, tf.constant([1, 3]))
    assert (np.asarray(made[0].features) != np.asarray(other.features)).any()


def test_clips_of_one_class_and_a_clip_alone_are_left_as_they_are():
    features, weak, outputs, _, _ = batch()
    weak[:] = [1, 0, 0, 0, 0]
    made = paste(features, weak, outputs, tf.constant([0, 0]))
    assert not np.asarray(made.found).any()
    np.testing.assert_array_equal(made.features, features[np.asarray(made.into)])
    alone = {name: value[:1] for name, value in outputs.items()}
    assert not np.asarray(paste(features[:1], weak[:1], alone, [0, 0]).found).any()


def test_a_run_that_fills_the_clip_is_not_pasted():
    features, weak, outputs, _, _ = batch()
    outputs["segment_probs"] = tf.ones_like(outputs["segment_probs"])
    outputs["mask"] = tf.ones_like(outputs["mask"])
    assert not np.asarray(paste(features, weak, outputs, [0, 0]).found).any()


def test_mixed_tags_are_had_from_a_half_and_lacked_at_nothing():
    # 0.4 of a class: it is not cut, and nothing of it is pasted there
    features, weak, outputs, _, _ = batch(clips=64)
    weak *= 0.4
    weak[:, 0] = np.arange(64) % 2
    made = paste(features, weak, outputs, tf.constant([0, 0]))
    strong = np.asarray(made.strong)
    assert strong[:, :, 0].any() and not strong[:, :, 1:].any()
    partly = (weak > 0) & (weak < 0.5)
    known = np.asarray(made.known)
    for i, into in enumerate(np.asarray(made.into)):
        assert not known[i, partly[i] | partly[into]].any()


def test_nothing_is_learnt_through_the_cut():
    features, weak, outputs, _, _ = batch()
    probs = tf.Variable(outputs["segment_probs"])
    with tf.GradientTape() as tape:
        made = paste(features, weak, {**outputs, "segment_probs": probs}, [0, 0])
        value = tf.reduce_sum(made.strong) + tf.reduce_sum(made.features)
    assert tape.gradient(value, probs) is None
