"""What a training is told: `TrainConfig`, and its settings from text."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from tfweak.errors import InputError


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What `tfweak-train` takes; the flags of the same names say more."""

    data: Sequence[str]
    out: str
    valid_data: Sequence[str] = ()
    valid_fraction: float = 0.1
    exclude_data: Sequence[str] = ()
    allow_overlap: bool = False
    classes: str | None = None
    model: str | None = None
    model_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    supervision: str = "none"
    attention_weights: tuple[float, float] = (1.0, 1.0)
    attention_target: str = "attention"
    pseudo_labels: str = "printed"
    clip_weight: float = 1.0
    segment_weight: float = 0.0
    segment_thresholds: str = "strong"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    mixup: float | None = None
    balance: bool = False
    average_weights: float = 0.999
    seed: int = 0
    precision: str = "auto"
    init: str = "random"
    freeze: str = ""
    resume: bool = True


def parse_settings(items: Sequence[str], flag: str = "--set") -> dict[str, str]:
    """["width=0.25", ...] -> {"width": "0.25", ...}.

    Raises:
      InputError: an item without `=`.
    """
    for item in items:
        if "=" not in item:
            raise InputError(f"{flag}={item}: expected name=value")
    return dict(item.split("=", 1) for item in items)


def parse_weights(items: Sequence[str]) -> tuple[float, float]:
    """One alpha for both attention terms, or two, strong and self.

    Raises:
      InputError: no number, or more than two.
    """
    try:
        values = [float(item) for item in items]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(
        math.isfinite(v) and v >= 0 for v in values
    ):
        raise InputError(
            f"--attention_weight={','.join(items)}: one number, or two"
            " separated by a comma, each 0 or more"
        )
    return values[0], values[-1]


def convert(settings: Mapping[str, str], flag: str) -> dict[str, Any]:
    """Settings of `TrainConfig` from text, each to the type of its field.

    Raises:
      InputError: an unknown name or a value of another type.
    """
    kinds = typing.get_type_hints(TrainConfig)
    fixed = {"data", "out", "valid_data", "exclude_data", "classes", "model", "seed"}
    fixed |= {"model_settings", "attention_weights", "resume"}
    out: dict[str, Any] = {}
    for name, text in settings.items():
        if name == "attention_weight":
            out["attention_weights"] = parse_weights(text.split("/"))
            continue
        if name not in kinds or name in fixed:
            known = sorted(set(kinds) - fixed | {"attention_weight"})
            raise InputError(f"{flag}: no setting {name!r}; there are {known}")
        kind = next(t for t in (bool, int, float, str) if t in _types(kinds[name]))
        try:
            if kind is bool:
                out[name] = {"true": True, "false": False}[text.lower()]
            else:
                out[name] = kind(text)
        except (KeyError, ValueError):
            raise InputError(f"{flag}: {name}={text!r} is no {kind.__name__}") from None
    return out


def _types(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) or (hint,)
