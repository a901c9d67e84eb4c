"""Where the scores of segments come from that are decoded, all by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import numpy as np

from ..registry import Registry


@dataclasses.dataclass(frozen=True)
class ScoreSource:
    """Scores of segments, made of what a network answers.

    Attributes:
      name: such as `segment`.
      outputs: of the network's that are needed.
      scores: the module of the arrays, NumPy or TensorFlow, and these outputs, (T, C)
        each, to (T, C) from 0 to 1.
    """

    kind: ClassVar[str] = "score_source"

    name: str
    outputs: tuple[str, ...]
    scores: Callable[..., Any]

    def of(self, outputs: Mapping[str, Any], xp: Any = np) -> Any:
        """(T, C) of one clip's outputs."""
        return self.scores(xp, *(outputs[name] for name in self.outputs))


def _activation(xp: Any, attention_logits: Any) -> Any:
    """X^b, the attention before it is normalised."""
    # a sigmoid that cannot overflow
    return 0.5 + 0.5 * xp.tanh(0.5 * attention_logits)


# In a clip without a class attention flees the segments whose X^a is high, so that
# their false alarms go unpunished; X^b says where it went.
SOURCES: Registry[ScoreSource] = Registry(
    ScoreSource,
    entries=(
        ScoreSource("segment", ("segment_probs",), lambda xp, probs: probs),
        ScoreSource("activation", ("attention_logits",), _activation),
        ScoreSource(
            "product",
            ("segment_probs", "attention_logits"),
            lambda xp, probs, logits: xp.sqrt(probs * _activation(xp, logits)),
        ),
        ScoreSource("localization", ("localization",), lambda xp, scores: scores),
    ),
)


def available(outputs: Collection[str]) -> list[str]:
    """The sources that a network has the outputs for."""
    found = map(SOURCES.get, SOURCES.names())
    return [s.name for s in found if all(name in outputs for name in s.outputs)]
