"""Rules by which a model labels its own segments.

A new one is one entry of `PSEUDO_LABELS`, or `tfweak.register(PseudoLabelRule(...))`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from keras import ops

from ..registry import Registry
from .losses import EPSILON


@dataclasses.dataclass(frozen=True)
class PseudoLabelRule:
    """A rule.

    Attributes:
      name: what `Supervision` takes.
      labels: (B, T, C) segment_probs, (B, C) weak and (B, T) mask to P, (B, T, C)
        float32 in [0, 1] without gradient, 0 in padded segments and absent classes.
    """

    kind: ClassVar[str] = "pseudo_labels"

    name: str
    labels: Callable[[Any, Any, Any], Any]


def pseudo_strong_labels(segment_probs: Any, weak: Any, mask: Any) -> Any:
    """P of Eq. (1) of Kim & Ghaffarzadegan 2019, without gradient.

        P_{c,t} = 0 if c is not among the clip's classes or X^a_{c,t} < theta, else 1

    theta is one number a clip: the mean of X^a over all valid segments of the classes
    that the clip is *not* tagged with. (The paper calls the clip's classes "the set of
    entire classes".) For a clip with every class theta is 0. Soft weak labels, as
    mixing clips gives, count as present from 0.5 up.

    Args:
      segment_probs: (B, T, C), X^a.
      weak: (B, C) labels in [0, 1].
      mask: (B, T) bool, True where valid.

    Returns:
      (B, T, C) float32 in {0, 1}; 0 in padded segments.
    """
    probs = ops.cast(ops.stop_gradient(segment_probs), "float32")
    present = ops.expand_dims(ops.cast(weak, "float32") >= 0.5, 1)
    valid = ops.expand_dims(mask, -1)
    irrelevant = ops.cast(ops.logical_and(valid, ops.logical_not(present)), "float32")
    total = ops.sum(probs * irrelevant, axis=(1, 2), keepdims=True)
    count = ops.sum(irrelevant, axis=(1, 2), keepdims=True)
    threshold = total / ops.maximum(count, 1.0)
    positive = ops.logical_and(ops.logical_and(present, valid), probs >= threshold)
    return ops.stop_gradient(ops.cast(positive, "float32"))


def soft_pseudo_labels(segment_probs: Any, weak: Any, mask: Any) -> Any:
    """P_{c,t} = (X^a_{c,t} / max_t X^a_{c,t})^2 for the classes of the clip, else 0.

    Ours: no threshold, and relative to the class's own activity in the clip, so that
    some segments stay out even where every X^a lies above the printed theta. Without
    gradient; arguments and result as for `pseudo_strong_labels`, with values in [0, 1].
    """
    probs = ops.cast(ops.stop_gradient(segment_probs), "float32")
    valid = ops.expand_dims(ops.cast(mask, "float32"), -1)
    present = ops.expand_dims(ops.cast(weak, "float32") >= 0.5, 1)
    probs *= valid
    peak = ops.maximum(ops.max(probs, axis=1, keepdims=True), EPSILON)
    labels = ops.square(probs / peak) * ops.cast(present, "float32")
    return ops.stop_gradient(labels)


def relative_pseudo_labels(segment_probs: Any, weak: Any, mask: Any) -> Any:
    """P_{c,t} = 1 where X^a_{c,t} is half of max_t X^a_{c,t} or more, present classes.

    Ours: Eq. (1) with a threshold relative to the class's own activity in the clip.
    Arguments and result as for `pseudo_strong_labels`.
    """
    # X^a / max >= 1/2 where its square is 1/4 or more
    soft = soft_pseudo_labels(segment_probs, weak, mask)
    return ops.cast(soft >= 0.25, "float32")


PSEUDO_LABELS: Registry[PseudoLabelRule] = Registry(
    PseudoLabelRule,
    entries=(
        PseudoLabelRule("printed", pseudo_strong_labels),
        PseudoLabelRule("relative", relative_pseudo_labels),
        PseudoLabelRule("soft", soft_pseudo_labels),
    ),
)
