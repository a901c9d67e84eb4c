"""What is refused before an experiment's first training."""

from __future__ import annotations

import logging

from tfweak.data import sources
from tfweak.errors import InputError

from ..runs import seen_clips
from ..training import trainer
from .plan import Plan, names_of
from .trials import open_data

_log = logging.getLogger(__name__)


def check(plan: Plan) -> None:
    """Refuses what cannot work.

    Raises:
      InputError: settings that do not go together or with the data, broken data, or
        test clips that something would be trained on.
    """
    _check_models(plan)
    given = plan.experiment
    pretrained = [name for name, column in plan.columns.items() if column.pretrained]
    if pretrained and not given.pretrain_data:
        raise InputError(
            f"pretrain_data is needed for {', '.join(pretrained)}; or name other"
            " columns"
        )
    if given.pretraining and not pretrained:
        raise InputError("pretraining has no effect without a pretrained column")
    trainings = {}
    for row, column in plan.cells():
        config = plan.config(row, column, 0, None)
        if column not in pretrained:  # else the run that it starts from is not there
            trainings[row] = trainer.Training(config)
    _check_data(plan, list(trainings.values()))


def _check_models(plan: Plan) -> None:
    given = plan.experiment
    own = [name for name, row in plan.rows.items() if row.architecture]
    if given.model and own:
        raise InputError(
            f"model={given.model}: {', '.join(own)} of this table are models"
            " themselves; leave it out, or choose other rows"
        )
    for name in given.model_settings:
        if not any(plan.takes(row, name) for row in plan.rows):
            raise InputError(f"set={name}: no model of the table has this setting")


def _check_data(plan: Plan, trainings: list[trainer.Training]) -> None:
    given = plan.experiment
    _log.info("reading the data")
    data = sources.open_data(given.data, trainer.class_list(given.classes))
    for training in trainings:
        training.check_data(data)
    for name in given.fold_data:
        sources.open_data([name], data.classes)  # each is tested by itself
    for setting, folders in (
        ("valid_data", given.valid_data),
        ("test_data", given.test_data),
    ):
        other = open_data(folders, given.classes, given.data)
        if other is None:
            continue
        for row in plan.rows:
            plan.model(row).input.check_same(data.payload, other.payload, folders[0])
        if given.training.get("allow_overlap", "false").lower() != "true":
            seen_clips.check_apart(
                other.clip_ids, setting, data.clip_ids, names_of(given.data)
            )
    if given.pretrain_data:
        sources.open_data(
            given.pretrain_data, trainer.class_list(given.pretrain_classes)
        )
