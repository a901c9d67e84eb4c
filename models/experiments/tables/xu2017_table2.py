"""Table 2 of Xu et al. 2017: CHiME-Home's development chunks, EER by tag.

The paper's folds are CHiME-Home's own: `--fold_data=fold1,fold2,fold3,fold4,fold5`.
"""

from __future__ import annotations

from . import Column, _xu2017

_COLUMN = "development"

TITLE = "Xu et al. 2017, Table 2: development set"
COLUMNS = {_COLUMN: Column()}
ROWS = {
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
}
MORE_ROWS = _xu2017.parts(_COLUMN)
TRAINING = _xu2017.TRAINING
METRICS = _xu2017.METRICS
BY_CLASS = "EER"
COMPARED = ("cgrnn", "att_loc")
