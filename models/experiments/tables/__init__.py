"""One file a table of results; the file name is the name that `--table` takes.

Such a module defines
  `TITLE`      what the table shows;
  `ROWS`       name -> `Row`, the systems that are compared, in order;
  `MORE_ROWS`  name -> `Row`, systems that run only where `--rows` names them;
  `COLUMNS`    name -> `Column`, the ways of training them, in order;
  `TRAINING`   payload kind -> settings of `TrainConfig` that the source gives;
where a column is pretrained,
  `PRETRAINING`, `PRETRAINING_MODEL`  the same for the first step, and its model's;
and, where it wants other than these,
  `METRICS`    names of `reporting.METRICS`, the first that the references are of;
  `BY_CLASS`   a metric of `metrics.METRICS` to be tabled by class, too;
  `COMPARED`   two rows that the figures compare.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import types
from collections.abc import Mapping
from typing import Any

from tfweak.errors import InputError

METRICS = (
    "mAP",
    "segment F1, micro",
    "segment F1, macro",
    "event F1, micro",
    "segment F1, micro, thresholds from tags",
    "event F1, micro, thresholds from tags",
    "validation mAP",
)
COMPARED = ("unsupervised", "self")


@dataclasses.dataclass(frozen=True)
class Row:
    """A system.

    Attributes:
      description: what the table's first columns say of it, by their heads.
      training: settings of `TrainConfig`.
      model: settings of the architecture.
      reference: column -> the published figure, as text.
      architecture: its name; `--model`, or that for the kind of data, where None.
      class_references: class name, or `average` -> the published figure of `BY_CLASS`,
        as text.
    """

    description: Mapping[str, str]
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reference: Mapping[str, str] = dataclasses.field(default_factory=dict)
    architecture: str | None = None
    class_references: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def searches_alpha(self) -> bool:
        """Whether the attention weight is to be found for it."""
        return self.training.get("supervision", "none") != "none"


@dataclasses.dataclass(frozen=True)
class Column:
    """A way of training.

    Attributes:
      pretrained: whether L1 to L7 come from a model without attention that was trained
        on `--pretrain_data`.
    """

    pretrained: bool = False


# Ours: on embeddings the best form of the table `self_supervision`, and on audio from
# random weights; see docs/kim2019.md.
SELF_ACTIVATION = {
    "supervision": "self",
    "attention_target": "activation",
    "attention_weights": (0.01, 0.01),
}
SELF_SOFT = {
    "supervision": "self",
    "pseudo_labels": "soft",
    "attention_target": "cross_entropy",
    "attention_weights": (0.1, 0.1),
}


def names() -> list[str]:
    """The tables there are."""
    return sorted(
        path.stem
        for folder in __path__
        for path in pathlib.Path(folder).glob("[a-z]*.py")
    )


def find(name: str) -> types.ModuleType:
    """The module of a table.

    Raises:
      InputError: when there is none of that name.
    """
    if name not in names():
        raise InputError(f"no table {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")
