"""What makes self-supervision help: pseudo labels and their targets.

The systems learn from tags alone. Columns are none of the paper's; use
`--validation_only`, for these are choices, and a test set is no place for them.
"""

from __future__ import annotations

from ..table import Column, ResultTable, System
from . import _kim2019, kim2019_table2


def _row(pseudo_labels: str, target: str, alpha: float) -> System:
    return System(
        {"pseudo labels": pseudo_labels, "target": target, "alpha": f"{alpha:g}"},
        {
            **_kim2019.PRINTED,
            "pseudo_labels": pseudo_labels,
            "attention_target": target,
            "attention_weights": (alpha, alpha),
        },
    )


TABLE = ResultTable(
    name="self_supervision",
    title="Self-supervised attention: pseudo labels and targets",
    columns={"tags": Column()},
    rows={
        "unsupervised": System({"pseudo labels": "", "target": "", "alpha": ""}),
        "printed": _row("printed", "attention", 1.0),
        "printed_normalised": _row("printed", "time_normalised", 1.0),
        "printed_present": _row("printed", "present_attention", 1.0),
        "relative_present": _row("relative", "present_attention", 0.1),
        "relative_activation": _row("relative", "present_activation", 0.1),
        "relative_entropy": _row("relative", "cross_entropy", 0.1),
        "soft_entropy": _row("soft", "cross_entropy", 0.1),
    },
    more_rows={
        "pasting": System(
            {"pseudo labels": "", "target": "segments of pasted clips", "alpha": "1"},
            {"supervision": "self"},
        ),
        "soft_entropy_strong": _row("soft", "cross_entropy", 1.0),
        "printed_weak": _row("printed", "attention", 0.1),
        "printed_activation": _row("printed", "activation", 0.1),
        "soft_activation": _row("soft", "present_activation", 0.1),
        "relative_entropy_strong": _row("relative", "cross_entropy", 1.0),
    },
    training=kim2019_table2.TABLE.training,
    model=kim2019_table2.TABLE.model,
    metrics=("validation mAP", "validation mAP, last epoch"),
)
