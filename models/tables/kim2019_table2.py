"""Table II of Kim & Ghaffarzadegan 2019: balanced AudioSet, their own three systems.

On audio the paper starts from VGGish and fixes the first three convolutions; with
embeddings as data all six are fixed.
"""

from __future__ import annotations

from tfweak.models import tables
from tfweak.models.tables import Column, Row

TITLE = "Kim & Ghaffarzadegan 2019, Table II: balanced AudioSet from tags"
COLUMNS = {"mAP": Column()}
ROWS = {
    "average": Row(
        {"attention": "none"}, {}, {"pooling": "average"}, {"mAP": "26.4±0.01"}
    ),
    "unsupervised": Row({"attention": "unsupervised"}, {}, {}, {"mAP": "23.1±0.06"}),
    "self": Row(
        {"attention": "self-supervised"},
        {"supervision": "self"},
        {},
        {"mAP": "27.4±0.02"},
    ),
}
MORE_ROWS = {
    "self_soft": Row({"attention": "self-supervised, soft"}, tables.SELF_SOFT),
}
# Adam with 1e-3, the best of the first 50 epochs; the batch size is not printed.
TRAINING = {
    "log_mel": {
        "init": "hub",
        "freeze": "3",
        "epochs": 50,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "mixup": 0.0,
    },
    "audio_embedding": {
        "epochs": 30,
        "learning_rate": 1e-3,
        "batch_size": 500,
        "mixup": 0.0,
    },
}
