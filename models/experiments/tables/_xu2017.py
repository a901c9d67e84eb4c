"""The systems of Xu et al. 2017's Tables 2 and 3, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping

from ..table import Column, ResultTable, System

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


def table(
    name: str, title: str, column: str, rows: Mapping[str, tuple[str, str]]
) -> ResultTable:
    """A table with the paper's training.

    Args:
      name, title: of the table.
      column: the only one.
      rows: architecture -> what it answers by, and its printed EER, by class and the
        average last.
    """
    systems = {
        architecture: System(
            {"answers by": answers_by},
            reference={column: printed.split()[-1]},
            architecture=architecture,
            class_references=dict(zip((*CLASS_NAMES, "average"), printed.split())),
        )
        for architecture, (answers_by, printed) in rows.items()
    }
    return ResultTable(
        name=name,
        title=f"Xu et al. 2017, {title}",
        rows=systems,
        columns={column: Column()},
        more_rows={
            # one of its two parts alone
            "attention": _att_loc("attention, mean over frames", localization=False),
            "localization": _att_loc("localisation", attention=False),
            "background": _att_loc(
                "attention and localisation, background", background=True
            ),
        },
        # Adam, batches of 100; neither rate nor epochs are printed
        training={
            "log_mel": {
                "epochs": 50,
                "learning_rate": 1e-3,
                "batch_size": 100,
                "mixup": 0.0,
            }
        },
        metrics=(
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
        ),
        by_class="EER",
        compared=("cgrnn", "att_loc"),
    )


def _att_loc(answers_by: str, **model: bool) -> System:
    return System({"answers by": answers_by}, model=model, architecture="att_loc")
