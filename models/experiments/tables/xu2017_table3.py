"""Table 3 of Xu et al. 2017: CHiME-Home's evaluation chunks, all systems, EER by tag.

The paper trains on the development chunks: `--train_data=fold1,fold2,fold3,fold4,fold5
--test_data=evaluation`. `lidy_cnn` reads a constant-Q transform and the others log-mel
frames, so the data must hold waveforms where both are compared.
"""

from __future__ import annotations

from . import _xu2017

TABLE = _xu2017.table(
    "xu2017_table3",
    "Table 3: evaluation set",
    "evaluation",
    {
        "cakir_cnn": ("mean over windows", "0.25 0.16 0.25 0.03 0.21 0.02 0.26 0.17"),
        "lidy_cnn": ("mean over slots", "0.21 0.18 0.21 0.04 0.17 0.03 0.32 0.17"),
        "dae_dnn": ("mean over windows", "0.21 0.15 0.21 0.02 0.18 0.01 0.26 0.15"),
        "cgrnn": ("mean over frames", "0.17 0.16 0.18 0.03 0.15 0.00 0.24 0.13"),
        "att_loc": (
            "attention and localisation",
            "0.09 0.14 0.17 0.03 0.12 0.01 0.24 0.11",
        ),
    },
)
