"""Table 2 of Xu et al. 2017: CHiME-Home's development chunks, EER by tag.

The paper's folds are CHiME-Home's own: `--fold_data=fold1,fold2,fold3,fold4,fold5`.
"""

from __future__ import annotations

from . import _xu2017

TABLE = _xu2017.table(
    "xu2017_table2",
    "Table 2: development set",
    "development",
    {
        "cgrnn": ("mean over frames", "0.14 0.09 0.17 0.02 0.13 0.04 0.24 0.12"),
        "att_loc": (
            "attention and localisation",
            "0.10 0.10 0.16 0.03 0.11 0.03 0.22 0.11",
        ),
    },
)
