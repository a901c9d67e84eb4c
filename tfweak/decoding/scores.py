"""Where the scores of segments come from that are decoded, all by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from ..registry import Registry
from ..typing import Array


@dataclasses.dataclass(frozen=True)
class ScoreSource:
    """Scores of segments, made of what a network answers.

    Attributes:
      name: such as `segment`.
      outputs: of the network's that are needed.
      scores: these outputs, (T, C) each, to (T, C) from 0 to 1.
    """

    kind: ClassVar[str] = "score_source"

    name: str
    outputs: tuple[str, ...]
    scores: Callable[..., Array]

    def of(self, outputs: Mapping[str, Array]) -> Array:
        """(T, C) of one clip's outputs."""
        return self.scores(*(outputs[name] for name in self.outputs))


def activation(attention_logits: Array) -> Array:
    """X^b, the attention before it is normalised: (T, C) logits to (T, C)."""
    return 0.5 + 0.5 * np.tanh(0.5 * attention_logits)  # a sigmoid that cannot overflow


# In a clip without a class attention flees the segments whose X^a is high, so that
# their false alarms go unpunished; X^b says where it went.
SOURCES: Registry[ScoreSource] = Registry(
    ScoreSource,
    entries=(
        ScoreSource("segment", ("segment_probs",), lambda probs: probs),
        ScoreSource("activation", ("attention_logits",), activation),
        ScoreSource(
            "product",
            ("segment_probs", "attention_logits"),
            lambda probs, logits: np.sqrt(probs * activation(logits)),
        ),
        ScoreSource("localization", ("localization",), lambda scores: scores),
    ),
)


def available(outputs: Mapping[str, Array]) -> list[str]:
    """The sources that a network has the outputs for."""
    found = map(SOURCES.get, SOURCES.names())
    return [s.name for s in found if all(name in outputs for name in s.outputs)]
