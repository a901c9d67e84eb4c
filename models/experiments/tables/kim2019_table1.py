"""Table I of Kim & Ghaffarzadegan 2019: SL-DCASE-17, one-step and two-step transfer.

One-step: the model starts from VGGish (`--init=hub`, or embeddings as data). Two-step:
model (a), the same network with average pooling, is first trained on the balanced
AudioSet, and its L1 to L7 are taken.

Rows 2 and 3 have no attention: the segment predictions are trained against the strong
labels (row 2), or these and the averaged clip prediction against the tags (row 3).
"""

from __future__ import annotations

from typing import Any

from ..table import Column, ResultTable, Settings, System
from . import _kim2019, kim2019_table2


def _row(
    attention: str,
    labels: str,
    one: str,
    two: str,
    training: Settings,
    **model: Any,
) -> System:
    reference = {"one-step": one, "two-step": two} if one else {}
    return System(
        {"attention": attention, "labels": labels}, training, model, reference
    )


TABLE = ResultTable(
    name="kim2019_table1",
    title="Kim & Ghaffarzadegan 2019, Table I: strong and weak labels, six systems",
    columns={"one-step": Column(), "two-step": Column(pretrained=True)},
    more_columns={"two-step-classes": Column(pretrained=True, keeps_classes=True)},
    rows={
        "average": _row(
            "none", "weak", "50.0±0.33", "51.4±0.17", {}, pooling="average"
        ),
        "average_strong": _row(
            "none",
            "strong",
            "49.7±0.42",
            "50.8±0.44",
            {"clip_weight": 0.0, "segment_weight": 1.0},
            pooling="average",
        ),
        "average_both": _row(
            "none",
            "strong and weak",
            "49.0±0.44",
            "51.1±0.31",
            {"segment_weight": 1.0},
            pooling="average",
        ),
        "unsupervised": _row("unsupervised", "weak", "53.8±0.44", "53.9±0.47", {}),
        "strong": _row(
            "strongly supervised",
            "strong and weak",
            "54.7±0.4",
            "56.3±0.26",
            {"supervision": "strong"},
        ),
        "self": _row(
            "self-supervised", "weak", "54.4±0.12", "55.9±0.30", _kim2019.PRINTED
        ),
    },
    more_rows={
        "strong_self": _row(
            "strongly and self-supervised",
            "strong and weak",
            "",
            "",
            {**_kim2019.PRINTED, "supervision": "strong+self"},
        ),
        "self_pasting": _row(
            "self-supervised, pasting", "weak", "", "", {"supervision": "self"}
        ),
        "strong_self_pasting": _row(
            "strongly and self-supervised, pasting",
            "strong and weak",
            "",
            "",
            {"supervision": "strong+self"},
        ),
        "self_soft": _row("self-supervised, soft", "weak", "", "", _kim2019.SELF_SOFT),
        "self_activation": _row(
            "self-supervised, on the activation",
            "weak",
            "",
            "",
            _kim2019.SELF_ACTIVATION,
        ),
    },
    # Adam with 1e-4, the best of the first 50 epochs; the batch size is not printed. A
    # head on embeddings starts from random weights and takes the usual 1e-3.
    training={
        "log_mel": {
            "init": "hub",
            "epochs": 50,
            "learning_rate": 1e-4,
            "batch_size": 32,
            "mixup": 0.0,
        },
        "audio_embedding": {
            "epochs": 50,
            "learning_rate": 1e-3,
            "batch_size": 100,
            "mixup": 0.0,
            "random_rows": 0.0,
            "average_weights": 0.999,
        },
    },
    model=kim2019_table2.TABLE.model,
    pretraining=kim2019_table2.TABLE.training,
    pretraining_model={"pooling": "average"},
    compared=("unsupervised", "self"),
)
