"""The losses of Kim & Ghaffarzadegan 2019, and L_micro.

Every loss here is per clip, (B,) float32: a *sum* over classes and segments, to be
averaged over the batch; the paper's attention weight alpha = 1 belongs to that
reduction. The paper prints prediction and label in swapped places
(`y_hat log y`); these are the ordinary cross-entropies of the label against the
prediction.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from .supervision import ATTENTION_TARGETS

# Probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm.
EPSILON = 1e-7


def binary_cross_entropy(labels: Any, probs: Any) -> Any:
    """-(y log p + (1 - y) log(1 - p)), element by element, float32."""
    labels = ops.cast(labels, "float32")
    probs = ops.clip(ops.cast(probs, "float32"), EPSILON, 1.0 - EPSILON)
    return -(labels * ops.log(probs) + (1.0 - labels) * ops.log(1.0 - probs))


def prediction_loss(weak: Any, clip_probs: Any, judged: Any = 1.0) -> Any:
    """L_pred = sum_c BCE(y_c, y_hat_c), Section II of Kim & Ghaffarzadegan 2019.

    Args:
      weak: (B, C) labels in [0, 1].
      clip_probs: (B, C) y_hat.
      judged: (B, C), 0 for labels that do not count.

    Returns:
      (B,) float32.
    """
    return ops.sum(judged * binary_cross_entropy(weak, clip_probs), axis=-1)


def segment_loss(strong: Any, segment_probs: Any, mask: Any, judged: Any = 1.0) -> Any:
    """The mean over valid segments of sum_c BCE(Y_{c,t}, X^a_{c,t}).

    The supervision of Kim & Ghaffarzadegan's models without attention that strong
    labels train (rows 2 and 3 of their Table I). They print neither the formula nor its
    reduction; the mean over time puts it on the scale of L_pred for any number of
    segments.

    Args:
      strong: (B, T, C) segment labels Y.
      segment_probs: (B, T, C), X^a.
      mask: (B, T) bool, True where valid.
      judged: (B, C), 0 for classes that do not count.

    Returns:
      (B,) float32.
    """
    valid = ops.cast(mask, "float32")
    by_class = ops.sum(
        binary_cross_entropy(strong, segment_probs) * ops.expand_dims(valid, -1), axis=1
    )
    loss = ops.sum(judged * by_class, axis=-1)
    return loss / ops.maximum(ops.sum(valid, axis=1), 1.0)


def micro_loss(weak: Any, present_cost: Any, absent_cost: Any) -> Any:
    """L_micro, the loss that Chou et al. 2018 put on segments, from clip labels alone.

    "Learning to recognize transient sound events using attentional supervision",
    IJCAI 2018. The clip's label stands on each of its segments; a present class counts
    where the attention A_t (summing to 1 over time) is, an absent one everywhere alike:

        L_micro = sum_c [ y_c sum_t A_t (-log p_{c,t})
                          + (1 - y_c) (1/T) sum_t -log(1 - p_{c,t}) ]

    It is linear in y_c, so a network, which knows no labels, gives the two sums over
    time, and they are put together here.

    Args:
      weak: (B, C) labels in [0, 1].
      present_cost, absent_cost: (B, C), what a class costs that is there, and what one
        costs that is not.

    Returns:
      (B,) float32, on the scale of `prediction_loss`.
    """
    weak = ops.cast(weak, "float32")
    return ops.sum(weak * present_cost + (1.0 - weak) * absent_cost, axis=-1)


def attention_loss(
    labels: Any,
    attention: Any,
    attention_logits: Any,
    mask: Any,
    target: str = "attention",
) -> Any:
    """L_att = sum_t sum_c BCE(Y_{c,t}, A_{c,t}), Section II of the same paper.

    A sums to 1 over time for each class, so the printed form cannot reach 0 where an
    event spans several segments, nor where a class is absent: there it is least for an
    even A, and with hundreds of absent classes that is most of it. The targets are:

      attention           BCE(Y, A), as printed;
      present_attention   the same for classes with a positive segment only;
      activation          BCE(Y, X^b), on the attention before it is normalised;
      present_activation  the same for classes with a positive segment only;
      time_normalised     BCE(Y / sum_t Y, A), least where A spreads evenly over the
                          event;
      cross_entropy       -(Y / sum_t Y) log A, over time as over the values of one
                          variable; absent classes have no part in it.

    Args:
      labels: (B, T, C) segment labels Y, or pseudo strong labels P, in [0, 1].
      attention: (B, T, C), A.
      attention_logits: (B, T, C), of X^b = sigmoid(logits).
      mask: (B, T) bool, True where valid.
      target: one of the above.

    Returns:
      (B,) float32.
    """
    if target not in ATTENTION_TARGETS:
        raise ValueError(f"attention target {target!r}: one of {ATTENTION_TARGETS}")
    valid = ops.expand_dims(ops.cast(mask, "float32"), -1)
    labels = ops.cast(labels, "float32") * valid
    total = ops.sum(labels, axis=1, keepdims=True)
    if target in ("attention", "present_attention"):
        loss = binary_cross_entropy(labels, attention)
    elif target in ("activation", "present_activation"):
        logits = ops.cast(attention_logits, "float32")
        # BCE from logits: softplus(z) - y z
        loss = ops.softplus(logits) - labels * logits
    elif target == "time_normalised":
        shares = labels / ops.maximum(total, 1.0)
        loss = binary_cross_entropy(shares, attention)
    else:
        shares = labels / ops.maximum(total, EPSILON)
        probs = ops.maximum(ops.cast(attention, "float32"), EPSILON)
        loss = -shares * ops.log(probs)
    if target.startswith("present"):
        loss *= ops.cast(total > 0, "float32")
    return ops.sum(loss * valid, axis=(1, 2))
