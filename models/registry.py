"""Architectures by name. Adding one is adding a file to `models/architectures/`.

Every architecture takes a dict of `features` (B, T_in, F) float32 and `num_frames`
(B,) int32, and answers a dict:
  `clip_probs` (B, C)         which: y_hat;
  `segment_probs` (B, T, C)   when: X^a, 0 in padded segments;
  `attention` (B, T, C)       A, summing to 1 over a clip's valid segments;
  `attention_logits` (B, T, C)  where there is attention to train: X^b = sigmoid of it;
  `mask` (B, T) bool          True where a segment is valid;
and, where the system has them,
  `global_attention` (B, T)   Z_att (Xu et al. 2017);
  `localization` (B, T, C)    Z_loc, summing to 1 over classes (Xu et al. 2017), whose
                              `attention` sums to less than 1 where Z_loc of a class is
                              around 1e-9 or less throughout;
  `present_cost`, `absent_cost` (B, C)  what a class costs that is in the clip, and what
                              one costs that is not (Chou et al. 2018): a model that
                              answers them is trained by `losses.micro_loss` too.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import typing
from collections.abc import Iterable
from typing import Any

import keras

from tfweak.audio import front_ends
from tfweak.errors import InputError
from tfweak.labels import SegmentGrid
from tfweak.learning import weak_model
from tfweak.payload import EMBEDDING_SIZE

from . import architectures


@dataclasses.dataclass(frozen=True)
class Architecture:
    """An architecture with its settings, ready to be built.

    Attributes:
      name: of the file in `models/architectures/`.
      config: an instance of that file's `Config`.
    """

    name: str
    config: Any

    @property
    def _module(self) -> Any:
        return _load(self.name)

    @property
    def payload_kind(self) -> str:
        return self._module.PAYLOAD

    @property
    def front_end(self) -> front_ends.FrontEnd | None:
        """What makes its input of waveforms; None where it reads embeddings."""
        if self.payload_kind == "audio_embedding":
            return None
        return front_ends.get(getattr(self._module, "FRONT_END", front_ends.DEFAULT))

    @property
    def training_frames(self) -> int | None:
        return self._module.TRAINING_FRAMES

    @property
    def grid(self) -> SegmentGrid:
        return self._module.grid(self.config)

    def num_segments(self, num_frames: Any) -> Any:
        return self._module.num_segments(self.config, num_frames)

    def build(self, precision: str = "float32") -> keras.Model:
        """The network, computing in a precision; see `training.resolve_precision`.

        Raises:
          InputError: a module that does not read what its front end makes.
        """
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(
            weak_model.POLICIES[weak_model.resolve_precision(precision)]
        )
        try:
            network = self._module.build(self.config)
        finally:
            keras.config.set_dtype_policy(before)
        self._check_input(network.input["features"].shape[-1])
        return network

    def pretrain(self, network: keras.Model, batches: Iterable[Any], seed: int) -> None:
        """What the module trains before the labels do; nothing for most.

        Args:
          network: that `build` made, with the statistics of its training data; weights
            are changed in place.
          batches: (x, y) of the training data, which can be gone through again.
          seed: the same one gives the same weights.
        """
        if hasattr(self._module, "pretrain"):
            self._module.pretrain(self.config, network, batches, seed)

    def _check_input(self, size: int | None) -> None:
        front_end = self.front_end
        kind, expected = "audio_embedding", EMBEDDING_SIZE
        if front_end is not None:
            kind, expected = front_end.kind, front_end.num_bins
        if (kind, expected) != (self.payload_kind, size):
            raise InputError(
                f"model {self.name}: reads {self.payload_kind} of {size} values a row,"
                f" its front end makes {kind} of {expected}; PAYLOAD, FRONT_END and"
                " build() do not go together"
            )

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "config": dataclasses.asdict(self.config)}


def names() -> list[str]:
    """The names that `create` takes."""
    return sorted(
        path.stem
        for folder in architectures.__path__
        for path in pathlib.Path(folder).glob("[a-z]*.py")
    )


def create(name: str, num_classes: int, **settings: Any) -> Architecture:
    """An architecture by name.

    Args:
      name: one of `names()`.
      num_classes: C.
      **settings: fields of its `Config`; strings are converted to the field's type.

    Raises:
      InputError: an unknown name or setting, or a value that does not fit.
    """
    config_class = _load(name).Config
    fields = {field.name for field in dataclasses.fields(config_class)}
    types = typing.get_type_hints(config_class)
    values = {}
    for key, value in settings.items():
        if key not in fields:
            raise InputError(
                f"model {name}: no setting {key!r}; there are"
                f" {', '.join(sorted(fields - {'num_classes'}))}"
            )
        values[key] = _convert(name, key, value, types[key])
    return Architecture(name, config_class(num_classes=num_classes, **values))


def _load(name: str) -> Any:
    if name not in names():
        raise InputError(f"no model {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"{architectures.__name__}.{name}")


def _convert(model: str, key: str, value: Any, kind: type) -> Any:
    if not isinstance(value, str) or kind is str:
        return value
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        return kind(value)
    except (KeyError, ValueError):
        raise InputError(
            f"model {model}: {key}={value!r} is no {kind.__name__}"
        ) from None
