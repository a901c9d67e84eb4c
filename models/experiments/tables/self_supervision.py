"""What makes self-supervision of the attention help: pseudo labels and targets.

The systems learn from tags alone. Columns are none of the paper's; use
`--validation_only`, for these are choices, and a test set is no place for them.
"""

from __future__ import annotations

from . import Column, Row, kim2019_table2


def _row(pseudo_labels: str, target: str, alpha: float) -> Row:
    return Row(
        {"pseudo labels": pseudo_labels, "target": target, "alpha": f"{alpha:g}"},
        {
            "supervision": "self",
            "pseudo_labels": pseudo_labels,
            "attention_target": target,
            "attention_weights": (alpha, alpha),
        },
    )


TITLE = "Self-supervised attention: pseudo labels and targets"
COLUMNS = {"tags": Column()}
ROWS = {
    "unsupervised": Row({"pseudo labels": "", "target": "", "alpha": ""}),
    "printed": _row("printed", "attention", 1.0),
    "printed_normalised": _row("printed", "time_normalised", 1.0),
    "printed_present": _row("printed", "present_attention", 1.0),
    "relative_present": _row("relative", "present_attention", 0.1),
    "relative_activation": _row("relative", "present_activation", 0.1),
    "relative_entropy": _row("relative", "cross_entropy", 0.1),
    "soft_entropy": _row("soft", "cross_entropy", 0.1),
}
MORE_ROWS = {
    "average": Row(
        {"pseudo labels": "", "target": "", "alpha": ""}, {}, {"pooling": "average"}
    ),
    "soft_entropy_strong": _row("soft", "cross_entropy", 1.0),
    "printed_weak": _row("printed", "attention", 0.1),
    "printed_activation": _row("printed", "activation", 0.1),
    "soft_activation": _row("soft", "present_activation", 0.1),
    "relative_entropy_strong": _row("relative", "cross_entropy", 1.0),
}
TRAINING = kim2019_table2.TRAINING
METRICS = ("validation mAP", "validation mAP, last epoch")
