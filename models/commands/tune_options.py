"""How tfweak-evaluate chooses the way that a run finds events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfweak.decoding.decoder import DECODERS
from tfweak.decoding.scores import SOURCES
from tfweak.errors import InputError
from tfweak.settings import check, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What is chosen among, and by what."""

    tune: bool = option(False, "choose how events are found, instead of measuring")
    segment_thresholds: str = option(
        "strong",
        "of tune, as in training: what events are chosen by, the strong labels where"
        " there are some, or tags alone",
        choices=("strong", "tags"),
    )
    decoders: tuple[str, ...] = option(
        (),
        "of tune: choose among these; all but change_points, which takes long, and"
        " one_event if not given",
        choices=DECODERS.names,
    )
    scores: tuple[str, ...] = option(
        (),
        "of tune: sources of scores to choose among; segment, product and localization,"
        " as far as the model has them, if not given",
        choices=SOURCES.names,
    )

    def __post_init__(self) -> None:
        check(self)
        given = self.decoders or self.scores or self.segment_thresholds != "strong"
        if given and not self.tune:
            raise InputError("segment_thresholds, decoders, scores: are of tune")

    def apply(
        self, folder: str, data: Sequence[str], precision: str, allow_overlap: bool
    ) -> None:
        """Chooses, stores that in the run, and prints what was tried.

        Args:
          folder: of the run.
          data: to choose on; the run's own validation clips where empty.
          precision: that the network computes in.
          allow_overlap: choose on clips that the run has learnt from.
        """
        from ..runs import run_folder, scoring, seen_clips, tuning
        from ..training import trainer

        run = run_folder.load(folder, precision)
        if data:
            clips = scoring.open_for(run, data)
            seen_clips.check_unseen(
                folder, clips.clip_ids, "data", allow_overlap, seen_clips.LEARNT
            )
        else:
            clips = trainer.validation_data(run)
        found = tuning.retune(
            run,
            clips,
            self.segment_thresholds,
            self.decoders or tuning.DECODERS,
            self.scores or tuning.SOURCES,
        )
        print(tuning.table(found))
        print(f"written to {run.folder / run_folder.DECODING_NAME}")
