"""One file per table of results; its name is the one that `--table` takes.

Such a file defines one `ResultTable` of that name. One of your own is registered:

    import tfweak
    from tfweak.models.experiments.table import Column, ResultTable, System

    tfweak.register(
        ResultTable(
            name="widths",
            title="Two widths",
            rows={
                "narrow": System({"units": "64"}, model={"hidden_units": 64}),
                "wide": System({"units": "1024"}, model={"hidden_units": 1024}),
            },
            columns={"tags": Column()},
            metrics=("mAP", "lwlrap"),
        )
    )
"""

from __future__ import annotations

from tfweak.registry import Registry

from ..table import ResultTable

TABLES: Registry[ResultTable] = Registry(ResultTable, package=__name__)


def find(name: str) -> ResultTable:
    """A table by name.

    Raises:
      InputError: when there is none of that name, or no metric of a name in it.
    """
    from tfweak.evaluation.metrics import METRICS  # takes long to import

    table = TABLES.get(name)
    for metric in (*table.metrics, *filter(None, [table.by_class])):
        METRICS.get(metric)
    return table
