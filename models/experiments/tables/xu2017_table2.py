"""Table 2 of Xu et al. 2017: CHiME-Home's development chunks, EER by tag.

The paper's folds are CHiME-Home's own: `--fold_data=fold1,fold2,fold3,fold4,fold5`.
"""

from __future__ import annotations

from ..table import Column, ResultTable
from . import _xu2017

_COLUMN = "development"

TABLE = ResultTable(
    name="xu2017_table2",
    title="Xu et al. 2017, Table 2: development set",
    columns={_COLUMN: Column()},
    rows={
        "cgrnn": _xu2017.row(
            "cgrnn",
            "mean over frames",
            _COLUMN,
            ("0.14", "0.09", "0.17", "0.02", "0.13", "0.04", "0.24", "0.12"),
        ),
        "att_loc": _xu2017.row(
            "att_loc",
            "attention and localisation",
            _COLUMN,
            ("0.10", "0.10", "0.16", "0.03", "0.11", "0.03", "0.22", "0.11"),
        ),
    },
    more_rows=_xu2017.parts(_COLUMN),
    training=_xu2017.TRAINING,
    metrics=_xu2017.METRICS,
    by_class="EER",
    compared=("cgrnn", "att_loc"),
)
