"""Attention that is a softmax over the classes of each segment, Eq. (8) of Xu 2017."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_MASKED_LOGIT = -1e9


@keras.saving.register_keras_serializable(package="tfweak")
class LocalisationPooling(keras.layers.Layer):
    """Pools segment probabilities by which class a segment belongs to.

        Z_t = softmax over classes,  A = Z / sum_t Z,  y_hat = sum_t A_t * O_t

    Eqs. (6) and (8) of Xu et al. 2017, "Attention and localization based on a deep
    convolutional recurrent model for weakly supervised audio tagging". A is computed as
    the softmax over time of log Z, the same quotient, which stays finite where every Z
    of a class underflows. Padded segments have no part in either.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": kwargs.get("dtype", "float32")})
        self.supports_masking = False

    def call(
        self, segment_probs: Any, localisation_logits: Any, mask: Any
    ) -> dict[str, Any]:
        """Pools.

        Args:
          segment_probs: (B, T, C) float, O.
          localisation_logits: (B, T, C) float, what the softmax makes Z of.
          mask: (B, T) bool, True where valid.

        Returns:
          `clip_probs` (B, C); `attention` (B, T, C), A, summing to 1 over the valid
          segments; `localization` (B, T, C), Z, summing to 1 over the classes of a
          valid segment. All float32, 0 in padded segments.
        """
        valid = ops.expand_dims(mask, -1)
        shares = ops.log_softmax(localisation_logits, axis=-1)
        scores = ops.where(valid, shares, _MASKED_LOGIT)
        present = ops.cast(valid, "float32")
        attention = ops.softmax(scores, axis=1) * present
        return {
            "clip_probs": ops.sum(attention * segment_probs, axis=1),
            "attention": attention,
            "localization": ops.exp(shares) * present,
        }
