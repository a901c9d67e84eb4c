"""What a training is told: `TrainConfig`."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfweak.errors import InputError
from tfweak.learning.precision import CHOICES
from tfweak.learning.supervision import (
    ATTENTION_TARGETS,
    SELF_SUPERVISIONS,
    SUPERVISIONS,
)
from tfweak.settings import REQUIRED, check, from_text, option, text_of

from ..architecture import ARCHITECTURES


def _pseudo_labels() -> list[str]:
    from tfweak.learning.pseudo_labels import PSEUDO_LABELS  # loads TensorFlow

    return PSEUDO_LABELS.names()


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The settings of a training.

    Those that are None follow from the kind of data, see `trainer.Defaults`.

    Attributes:
      model_settings: fields of the architecture.
      attention_weights: alpha of the strong and of the self term.
    """

    data: Sequence[str] = option(REQUIRED, "folders to train on")
    out: str = option(REQUIRED, "folder of the run")
    valid_data: Sequence[str] = option(
        (), "folders to validate on, instead of a part of the training data"
    )
    valid_fraction: float = option(
        0.1,
        "share of the training data to validate on, chosen by clip id",
        lower=0.0,
        upper=1.0,
    )
    exclude_data: Sequence[str] = option(
        (),
        "folders whose clips, by id, are left out of the training data: such as those"
        " that the model will be tested on",
    )
    allow_overlap: bool = option(
        False,
        "validate on clips that the run of init=run:PATH has learnt from",
    )
    classes: str | None = option(
        None,
        "CSV of index,mid,display_name: names for official shards, which carry none",
    )
    model: str | None = option(
        None,
        "architecture; embedding_attention for embeddings, attention_fcn for audio if"
        " not given",
        choices=ARCHITECTURES.names,
    )
    model_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    supervision: str = option(
        "none",
        "what supervises the attention: strong labels, the model itself, both or"
        " nothing",
        choices=SUPERVISIONS,
    )
    self_supervision: str = option(
        "pasting",
        "how the model supervises itself: it cuts sounds out of its clips and pastes"
        " them into others, where their times are known (for audio; on embeddings it"
        " gains nothing); or by pseudo labels on the attention, as in the paper",
        choices=SELF_SUPERVISIONS,
    )
    attention_weights: tuple[float, ...] = option(
        (1.0,),
        "alpha of the attention loss, or of what is pasted; two numbers give the strong"
        " and the self term their own",
        lower=0.0,
        flag="attention_weight",
    )
    attention_target: str = option(
        "attention",
        "what the attention loss is put on: the attention (as printed in the paper) or"
        " its activation before normalising, of all or of the present classes; the"
        " attention with labels normalised over time; or the cross-entropy of these"
        " over time",
        choices=ATTENTION_TARGETS,
    )
    pseudo_labels: str = option(
        "printed",
        "of self_supervision=pseudo_labels, how the model labels its own segments: Eq."
        " (1) as printed, a threshold relative to the class's highest segment, or the"
        " square of that ratio",
        choices=_pseudo_labels,
    )
    clip_weight: float = option(
        1.0,
        "of the clip-level loss; 0 with segment_weight trains from strong labels alone",
        lower=0.0,
    )
    segment_weight: float = option(
        0.0,
        "of the loss of the segment predictions against strong labels",
        lower=0.0,
    )
    segment_thresholds: str = option(
        "strong",
        "what sets the decision thresholds of segments: the strong labels of the"
        " validation clips, where some have them, or their tags alone",
        choices=("strong", "tags"),
    )
    epochs: int | None = option(
        None,
        "passes over the training data; 45 for embeddings, 50 for audio if not given",
        lower=1,
    )
    batch_size: int | None = option(
        None, "clips a step; 500 for embeddings, 32 for audio if not given", lower=1
    )
    learning_rate: float = option(1e-3, "of Adam", lower=0.0)
    mixup: float | None = option(
        None,
        "alpha of mixup, 0 is off; 0.2 for embeddings, 0 for audio if not given",
        lower=0.0,
    )
    random_rows: float | None = option(
        None,
        "share of each clip's embeddings that each step draws anew, 0 takes all; 0.5"
        " for embeddings if not given",
        lower=0.0,
        upper=1.0,
    )
    balance: bool = option(False, "show clips of rare classes more often")
    average_weights: float | None = option(
        None,
        "decay of the moving average of the weights that is validated and kept, 0 is"
        " off; 0.998 for embeddings, 0.999 for audio if not given",
        lower=0.0,
        upper=0.99999,
    )
    seed: int = option(0, "of everything random", lower=0)
    precision: str = option(
        "auto",
        "auto takes bfloat16 where the CPU computes in it, float16 on a GPU, else"
        " float32",
        choices=CHOICES,
    )
    init: str = option(
        "random",
        "where L1-L6 (and L7, from a run) come from: random, run:PATH, hub,"
        " hub:HANDLE_OR_PATH (a SavedModel is a program: see --trusted_graphs),"
        " checkpoint:PATH",
    )
    init_classes: bool = option(
        True,
        "with init=run:PATH, also start the classes that the run has, too, with its"
        " weights",
    )
    freeze: str = option(
        "",
        "layers that are not trained: a count from the input, or names such as"
        " L1,L2,L3",
    )
    resume: bool = option(
        True, "go on with an unfinished run of the same settings in the folder"
    )

    def __post_init__(self) -> None:
        check(self)
        weights = tuple(self.attention_weights)
        if len(weights) not in (1, 2) or not all(map(math.isfinite, weights)):
            given = ",".join(f"{weight:g}" for weight in weights)
            raise InputError(
                f"attention_weight={given}: one number, or two, each 0 or more"
            )
        object.__setattr__(self, "attention_weights", (weights[0], weights[-1]))
        if not self.valid_data and not 0 < self.valid_fraction < 1:
            raise InputError(
                f"valid_fraction={self.valid_fraction}: between 0 and 1, or give"
                " valid_data"
            )
        object.__setattr__(self, "out", os.fspath(self.out))
        for name in ("data", "valid_data", "exclude_data"):
            folders = getattr(self, name)
            if isinstance(folders, (str, os.PathLike)):
                raise InputError(f"{name}: a list of folders, not one text")
            object.__setattr__(self, name, tuple(map(os.fspath, folders)))
        if not self.data:
            raise InputError("data: no folder given")


TrainConfig.__doc__ = f"{TrainConfig.__doc__}\n{text_of(TrainConfig)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every command is told that uses a run."""

    run: str = option(REQUIRED, "folder that tfweak-train wrote")
    precision: str = option(
        "auto",
        "that the network computes in; auto is the fastest of this machine",
        choices=CHOICES,
    )


# Of a trial, but for what an experiment decides by itself.
NOT_OF_TRIALS = {
    "data",
    "out",
    "valid_data",
    "exclude_data",
    "classes",
    "model",
    "seed",
    "model_settings",
    "resume",
}


def training_settings(given: Mapping[str, str], where: str) -> dict[str, Any]:
    """Settings of a trial's training from text; `attention_weight` is A or A/B.

    Raises:
      InputError: an unknown name, or text that is not of the setting's type.
    """
    given = dict(given)
    out: dict[str, Any] = {}
    weights = given.pop("attention_weight", None)
    if weights is not None:
        try:
            out["attention_weights"] = tuple(map(float, weights.split("/")))
        except ValueError:
            raise InputError(
                f"{where}: attention_weight={weights!r} is not a number, or two with a"
                " / between them"
            ) from None
    for name in given:
        if name in NOT_OF_TRIALS:
            raise InputError(f"{where}: {name} is not a setting of single trainings")
    return {**out, **from_text(TrainConfig, given, where)}
