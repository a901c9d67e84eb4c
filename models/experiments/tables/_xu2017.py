"""The systems of Xu et al. 2017's Tables 2 and 3, and how they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..table import System

# c m f v p b o of the paper's tables
CLASS_NAMES = (
    "Child speech",
    "Adult male speech",
    "Adult female speech",
    "TV sounds or Video games",
    "Percussive sound events",
    "Broadband noise",
    "Other identifiable sounds",
)
METRICS = (
    "EER",
    "mAP",
    "segment F1, micro",
    "segment F1, macro",
    "segment F1 of Z_loc, micro",
    "segment F1 of Z_loc, macro",
    "segment F1, micro, thresholds from tags",
    "segment F1, macro, thresholds from tags",
    "segment F1 of Z_loc, micro, thresholds from tags",
    "segment F1 of Z_loc, macro, thresholds from tags",
    "validation mAP",
)
# Adam, batches of 100; neither rate nor epochs are printed.
_TRAINING = {"epochs": 50, "learning_rate": 1e-3, "batch_size": 100, "mixup": 0.0}
# none of these systems reads embeddings: such data is refused by the models
TRAINING = {"log_mel": _TRAINING, "audio_embedding": _TRAINING}


def row(
    architecture: str,
    description: str,
    column: str,
    printed: Sequence[str] = (),
    **model: Any,
) -> System:
    """A system with its printed EER, by class and the average last."""
    return System(
        {"answers by": description},
        {},
        model,
        {column: printed[-1]} if printed else {},
        architecture,
        dict(zip((*CLASS_NAMES, "average"), printed)),
    )


def parts(column: str) -> dict[str, System]:
    """`att_loc` with one of its two parts alone, and with a background."""
    return {
        "attention": row(
            "att_loc", "attention, mean over frames", column, localization=False
        ),
        "localization": row("att_loc", "localisation", column, attention=False),
        "background": row(
            "att_loc", "attention and localisation, background", column, background=True
        ),
    }
