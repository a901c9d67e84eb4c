"""How a training supervises the attention."""

from __future__ import annotations

import dataclasses

from ..errors import InputError

ATTENTION_TARGETS = (
    "attention",
    "present_attention",
    "activation",
    "present_activation",
    "time_normalised",
    "cross_entropy",
)
SUPERVISIONS = ("none", "strong", "self", "strong+self")
OVERLAYS = ("replace", "maximum")
SELF_SUPERVISIONS = ("pasting", "pseudo_labels")


@dataclasses.dataclass(frozen=True)
class Supervision:
    """How the attention is supervised: a setting of training, not of a model.

        L = clip_weight * (L_pred + L_micro, where the network answers its costs)
            + strong_weight * L_att(Y, where a clip has strong labels)
            + L_self
            + segment_weight * L_seg(Y, where a clip has strong labels)

    (Sections II to IV of Kim & Ghaffarzadegan 2019.) With `pseudo_labels` L_self is
    self_weight * L_att(P), as they print it. With `pasting` it is

        clip_weight * L_pred(pasted) + self_weight * L_seg(pasted)

    on clips that the model pastes its own cuts into, see `pasting`, by the tags and the
    segments that are known there. L_seg, `losses.segment_loss`, of strong labels is no
    supervision of the attention: it trains the segment predictions themselves, as in
    the models without attention of rows 2 (clip_weight=0) and 3 of Table I.

    Attributes:
      kind: `none`, `strong`, `self` or `strong+self`.
      strong_weight, self_weight: alpha of each term; the paper found 1 best.
      self_supervision: `pasting` or `pseudo_labels`.
      target: what the attention loss is put on, see `losses.attention_loss`.
      pseudo_labels: the rule that makes P, see `pseudo_labels.PSEUDO_LABELS`.
      clip_weight, segment_weight: of L_pred and L_seg.
      overlay: what rows become that something is pasted on, see `pasting.paste`.
      seed: of what is cut and where it is pasted.
    """

    kind: str = "none"
    strong_weight: float = 1.0
    self_weight: float = 1.0
    self_supervision: str = "pasting"
    target: str = "attention"
    pseudo_labels: str = "printed"
    clip_weight: float = 1.0
    segment_weight: float = 0.0
    overlay: str = "replace"
    seed: int = 0

    def __post_init__(self) -> None:
        for what, value, choices in (
            ("supervision", self.kind, SUPERVISIONS),
            ("self supervision", self.self_supervision, SELF_SUPERVISIONS),
            ("attention target", self.target, ATTENTION_TARGETS),
            ("overlay", self.overlay, OVERLAYS),
        ):
            if value not in choices:
                raise InputError(f"{what} {value!r}: one of {', '.join(choices)}")
        from .pseudo_labels import PSEUDO_LABELS  # loads TensorFlow

        PSEUDO_LABELS.get(self.pseudo_labels)
        weights = self.strong_weight, self.self_weight
        if min(*weights, self.clip_weight, self.segment_weight) < 0:
            raise InputError("the weight of a loss cannot be negative")
        if self.kind == "none" and not self.clip_weight and not self.segment_weight:
            raise InputError("clip weight 0 leaves no loss: give a segment weight")

    @property
    def uses_strong(self) -> bool:
        """Whether L_att(Y) is part of the loss."""
        return "strong" in self.kind

    @property
    def needs_strong(self) -> bool:
        """Whether the data must give strong labels."""
        return self.uses_strong or self.segment_weight > 0

    @property
    def uses_pasting(self) -> bool:
        """Whether the model pastes."""
        return "self" in self.kind and self.self_supervision == "pasting"

    @property
    def uses_pseudo_labels(self) -> bool:
        """Whether L_att(P) is part of the loss."""
        return "self" in self.kind and self.self_supervision == "pseudo_labels"

    @property
    def needs_attention(self) -> bool:
        """Whether attention is what is supervised."""
        return self.uses_strong or self.uses_pseudo_labels
