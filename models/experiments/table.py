"""A table of results before its trainings: `ResultTable`, its rows and its columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from tfweak.errors import InputError

Settings = Mapping[str, Any]


def _nothing() -> Any:
    return dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class System:
    """A row.

    Attributes:
      description: what the table's first columns say of it, by their heads.
      training: settings of `TrainConfig`.
      model: settings of the architecture.
      reference: column -> the published figure, as text.
      architecture: its name; `--model`, or that for the kind of data, where None.
      class_references: class name, or `average` -> the published figure of the table's
        `by_class`, as text.
    """

    description: Mapping[str, str]
    training: Settings = _nothing()
    model: Settings = _nothing()
    reference: Mapping[str, str] = _nothing()
    architecture: str | None = None
    class_references: Mapping[str, str] = _nothing()

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
      keeps_classes: whether the classes that the data of both steps have go on from the
        first one's weights, too.
    """

    pretrained: bool = False
    keeps_classes: bool = False


@dataclasses.dataclass(frozen=True)
class ResultTable:
    """Systems that are compared, and how.

    Attributes:
      name: that `--table` takes.
      title: what the table shows.
      rows: the systems by name, in order.
      columns: the ways of training them by name, in order.
      training: payload kind -> settings of `TrainConfig` that the source gives.
      model: settings of those architectures that have them.
      more_rows, more_columns: what runs only where `--rows` or `--columns` names it.
      pretraining, pretraining_model: where a column is pretrained, `training` for the
        first step, and the settings of its model.
      metrics: names of `evaluation.metrics.METRICS`, the first that the references are
        of.
      by_class: a metric that is tabled by class, too.
      compared: two rows that the figures compare, or none.

    Raises:
      InputError: no rows, columns or metrics; rows described by different heads; a
        reference of an unknown column; unknown rows compared.
    """

    kind: ClassVar[str] = "table"

    name: str
    title: str
    rows: Mapping[str, System]
    columns: Mapping[str, Column]
    training: Mapping[str, Settings] = _nothing()
    model: Settings = _nothing()
    more_rows: Mapping[str, System] = _nothing()
    more_columns: Mapping[str, Column] = _nothing()
    pretraining: Mapping[str, Settings] = _nothing()
    pretraining_model: Settings = _nothing()
    metrics: tuple[str, ...] = (
        "mAP",
        "segment F1, micro",
        "segment F1, macro",
        "event F1, micro",
        "segment F1, micro, thresholds from tags",
        "event F1, micro, thresholds from tags",
        "PSDS1",
        "PSDS1, thresholds from tags",
        "frame mAP",
        "validation mAP",
    )
    by_class: str | None = None
    compared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"table {self.name!r}"
        systems = {**self.rows, **self.more_rows}
        if not self.rows or not self.columns or not self.metrics:
            raise InputError(f"{where}: needs at least one row, column and metric")
        heads = list(next(iter(self.rows.values())).description)
        for row, system in systems.items():
            if list(system.description) != heads:
                raise InputError(
                    f"{where}, row {row!r}: described by {list(system.description)},"
                    f" the first row by {heads}; expected the same"
                )
            check_known(system.reference, self.columns, f"{where}, row {row!r}")
        check_known(self.compared, systems, f"{where}, compared")


def check_known(names: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuses names that are not known.

    Raises:
      InputError: saying which there are.
    """
    for name in names:
        if name not in known:
            raise InputError(f"{where}: {name!r} is none of {list(known)}")
