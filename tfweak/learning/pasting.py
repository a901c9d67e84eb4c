"""Strong labels for nothing: what the model hears in one clip, pasted into another.

From a clip that is tagged with a class the run of segments is cut in which the model's
own score of the class is high, and pasted into a clip of the batch without the class.
There its borders are the truth for that class, wherever the model may have set them,
and all classes that neither clip is tagged with are absent throughout. Whether others
came along with the cut is not judged.

Object detectors learn from pasted objects (Dwibedi et al. 2017, "Cut, paste and learn:
surprisingly easy synthesis for instance detection") and sound event detectors from
scenes that are mixed of isolated sounds (Salamon et al. 2017, "Scaper"). Here nobody
isolates the sounds: the model cuts them out, in the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

# A run is where the class reaches this share of its highest score.
_SHARE = 0.5
# Fewer segments below that part nothing.
_LONGEST_PAUSE = 3
# A longer run leaves no border to learn from.
_LONGEST_SHARE = 0.9


class Pasted(NamedTuple):
    """A batch of clips with something pasted into them.

    Attributes:
      into: (B,) int32, which clip of the batch each one was.
      features: (B, T, F).
      weak: (B, C) tags.
      judged: (B, C) float32, 0 for tags that nobody knows.
      strong: (B, S, C) float32, 1 in the segments of what is pasted.
      known: (B, C) float32, 1 for classes whose every segment `strong` tells.
      found: (B,) float32, 0 where nothing could be pasted.
    """

    into: Any
    features: Any
    weak: Any
    judged: Any
    strong: Any
    known: Any
    found: Any


def paste(
    features: Any,
    weak: Any,
    outputs: Mapping[str, Any],
    seed: Any,
    overlay: str = "replace",
) -> Pasted:
    """Cuts out of each clip and pastes into another one of the batch.

    Where rows are replaced, nobody knows whether what the clip had is still there.

    Args:
      features: (B, T, F).
      weak: (B, C) tags in [0, 1]: a clip has what is 0.5 or more, and certainly has not
        what is 0.
      outputs: the network's to these clips, of which `segment_probs` (B, S, C) and
        `mask` (B, S) count, without gradient. Each segment has to stand for rows of its
        own, T / S of them.
      seed: (2,) int; the same one pastes alike.
      overlay: `maximum`, bin by bin, which log energies of two sounds together are
        about, or `replace`, for any rows.

    Returns:
      The same number of clips, as long as they were, in another order (`into`).
    """
    scores = tf.stop_gradient(outputs["segment_probs"])
    mask = outputs["mask"]
    features, weak = tf.cast(features, tf.float32), tf.cast(weak, tf.float32)
    order_seed, class_seed, place_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    size, num_classes = tf.shape(weak)[0], scores.shape[-1]
    into = tf.argsort(tf.random.stateless_uniform([size], order_seed))
    target = tf.gather(weak, into)
    length = tf.reduce_sum(tf.cast(tf.gather(mask, into), tf.int32), axis=1)

    # one class of each clip, which the other has not
    free = (weak >= 0.5) & (target <= 0.0)
    draw = tf.random.stateless_uniform(tf.shape(weak), class_seed)
    label = tf.argmax(tf.where(free, draw, -1.0), axis=1, output_type=tf.int32)
    of_label = tf.where(mask, tf.gather(scores, label, axis=2, batch_dims=1), -1.0)
    run = high_run(of_label, _SHARE, _LONGEST_PAUSE)
    first = tf.argmax(tf.cast(run, tf.int32), axis=1, output_type=tf.int32)
    count = tf.reduce_sum(tf.cast(run, tf.int32), axis=1)
    longest = tf.cast(_LONGEST_SHARE * tf.cast(length, tf.float32), tf.int32)
    found = tf.reduce_any(free, axis=1) & (count <= longest)

    draw = tf.random.stateless_uniform([size], place_seed)
    places = tf.cast(tf.maximum(length - count + 1, 1), tf.float32)
    place = tf.cast(draw * places, tf.int32)
    segments = tf.range(tf.shape(scores)[1])
    since = segments[tf.newaxis] - place[:, tf.newaxis]
    inside = (since >= 0) & (since < count[:, tf.newaxis]) & found[:, tf.newaxis]

    # rows of input follow their segments
    num_rows = tf.shape(features)[1]
    per_segment = -(-num_rows // tf.shape(scores)[1])
    row_inside = tf.repeat(inside, per_segment, axis=1)[:, :num_rows]
    source = tf.range(num_rows) + (first - place)[:, tf.newaxis] * per_segment
    source = tf.clip_by_value(source, 0, num_rows - 1)
    cut, own = tf.gather(features, source, batch_dims=1), tf.gather(features, into)
    both = tf.maximum(cut, own) if overlay == "maximum" else cut
    rows = tf.where(row_inside[..., tf.newaxis], both, own)

    found = tf.cast(found, tf.float32)
    is_label = tf.one_hot(label, num_classes) * found[:, tf.newaxis]
    absent = tf.cast((weak <= 0.0) & (target <= 0.0), tf.float32)
    is_kept = tf.cast(target > 0.0, tf.float32) * float(overlay == "maximum")
    inside = tf.cast(inside, tf.float32)[..., tf.newaxis]
    return Pasted(
        into,
        rows,
        tf.maximum(target, is_label),
        tf.maximum(tf.maximum(absent, is_kept), is_label),
        inside * is_label[:, tf.newaxis],
        tf.maximum(absent, is_label),
        found,
    )


def high_run(scores: Any, share: float, longest_pause: int) -> Any:
    """The run around the highest score of each row of a matrix.

    Args:
      scores: (B, T); below 0 where there is nothing.
      share: a run is where scores reach this share of the highest.
      longest_pause: so many lower scores belong to it where it goes on after them.

    Returns:
      (B, T) bool.
    """
    highest = tf.reduce_max(scores, axis=1, keepdims=True)
    active = tf.cast(scores >= share * highest, tf.float32)
    # a morphological closing: whatever has an active segment in each window over it
    size = longest_pause + 1
    padded = tf.pad(active, [[0, 0], [longest_pause] * 2])[..., tf.newaxis]
    grown = tf.nn.max_pool1d(padded, size, 1, "VALID")
    closed = -tf.nn.max_pool1d(-grown, size, 1, "VALID")[..., 0]
    place = tf.argmax(scores, axis=1, output_type=tf.int32)
    # those between here and the highest
    pauses = 1 - tf.cast(closed > 0, tf.int32)
    before = tf.cumsum(pauses, axis=1)
    at = tf.gather(before, place, batch_dims=1)[:, tf.newaxis]
    segments = tf.range(tf.shape(scores)[1])[tf.newaxis]
    is_later = segments >= place[:, tf.newaxis]
    between = tf.where(is_later, before - at, at - before + pauses)
    return between == 0
