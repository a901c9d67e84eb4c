"""The flags of a training, which the commands that train share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from absl import flags as absl_flags

from tfweak.cli import flags
from tfweak.cli.listing import settings_listing
from tfweak.errors import InputError
from tfweak.settings import split_settings

from ..architecture import ARCHITECTURES
from ..runs.config import TrainConfig


def define(flag_values: absl_flags.FlagValues, skip: Collection[str] = ()) -> None:
    """Defines the flags of `TrainConfig`, but for the fields in `skip`, and `--set`."""
    flags.define(flag_values, TrainConfig, skip)
    absl_flags.DEFINE_list(
        "set",
        [],
        "settings of the model, name=value, such as pooling=average,width=0.25; those"
        " of each model are listed below",
        flag_values=flag_values,
    )


def models() -> str:
    """What `--help` says of the models; their files are imported for it."""
    return "models and their settings:\n" + settings_listing(
        ARCHITECTURES, skip=["num_classes"]
    )


def config(
    flag_values: absl_flags.FlagValues, skip: Collection[str] = (), **more: Any
) -> TrainConfig:
    """What the command line says of a training, and more of the fields in `skip`.

    Raises:
      InputError: flags that contradict each other.
    """
    _refuse_contradictions(flag_values)
    settings = split_settings(flag_values["set"].value or (), "set")
    given = flags.given(flag_values, TrainConfig, skip)
    return TrainConfig(**given, **more, model_settings=settings)


def _refuse_contradictions(flag_values: absl_flags.FlagValues) -> None:
    if flag_values["valid_data"].present and flag_values["valid_fraction"].present:
        raise InputError("--valid_data and --valid_fraction: give one of them")
    supervision = flag_values["supervision"].value
    if supervision == "none":
        for name in ("attention_weight", "attention_target"):
            if flag_values[name].present:
                raise InputError(
                    f"--{name} has no effect without supervision; add"
                    " --supervision=self or another"
                )
    has_self = "self" in str(supervision)
    if not has_self and flag_values["self_supervision"].present:
        raise InputError("--self_supervision has no effect without --supervision=self")
    labels_itself = flag_values["self_supervision"].value == "pseudo_labels"
    if not (has_self and labels_itself):
        if flag_values["pseudo_labels"].present:
            raise InputError(
                "--pseudo_labels has no effect without --supervision=self"
                " --self_supervision=pseudo_labels"
            )
        if supervision == "self" and flag_values["attention_target"].present:
            raise InputError(
                "--attention_target has no effect where nothing is put on the"
                " attention; add --self_supervision=pseudo_labels"
            )
