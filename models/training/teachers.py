"""Finished runs that answer the training clips of another one, out of fold.

What a run says of a clip that it has learnt from is nearly the clip's own labels. So a
clip is answered by the mean of those teachers that have not learnt from it, neither
themselves nor through the runs that they started from or were taught by
(`seen_clips.learnt_from`). What they say is made once, batch by batch, and stored in
the folder of the run that learns it, see `tfweak.data.teacher_scores`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfweak import progress
from tfweak.data import pipelines, teacher_scores
from tfweak.data.input_spec import InputSpec
from tfweak.data.sources import ClipData
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.typing import Array, StrPath, Tensors

from ..architecture import Architecture, create
from ..runs import packaged, run_folder, seen_clips

_log = logging.getLogger(__name__)

# numbers of rows for which two models have to have as many segments
_ROWS = range(1, 2001)


class Teachers:
    """The teachers of one training.

    Args:
      folders: of the runs, or names of runs that travel with the package.
      student: the architecture that learns.
      has_segments: whether scores of segments are learnt, too.

    Raises:
      InputError: a run that is not finished, or whose segments are not the student's.
    """

    def __init__(
        self, folders: Sequence[str], student: Architecture, has_segments: bool
    ) -> None:
        self.folders = folders
        self._student = student
        self._has_segments = has_segments
        for folder in folders:
            if not (packaged.resolve(folder) / run_folder.DECODING_NAME).exists():
                run_folder.read_config(folder)  # which says what is wrong with others
                raise InputError(
                    f"teacher={folder}: the run is not finished (no"
                    f" {run_folder.DECODING_NAME}); let its training end"
                )
            if has_segments:
                self._check_segments(folder)

    def _check_segments(self, folder: str) -> None:
        model = run_folder.read_config(folder)["model"]
        teacher, student = create(model["name"], **model["config"]), self._student
        times = [
            (
                one.grid.hop_seconds,
                one.grid.offset_seconds,
                one.input.hop_seconds,
                one.input.window_seconds,
            )
            for one in (teacher, student)
        ]
        counts = [[one.num_segments(n) for n in _ROWS] for one in (teacher, student)]
        if not np.allclose(times[0], times[1]) or counts[0] != counts[1]:
            (hop, offset), (own_hop, own_offset) = (t[:2] for t in times)
            raise InputError(
                f"teacher={folder}: its segments ({teacher.name}: {hop:g} s each, the"
                f" first from {offset:g} s) are not those of {student.name}"
                f" ({own_hop:g} s, from {own_offset:g} s); choose a teacher with the"
                " same ones, or teacher_segment_weight=0 to learn its clip scores alone"
            )

    @property
    def fingerprints(self) -> list[str]:
        """One for each teacher: its weights, and the clips that it has seen."""
        found = []
        for folder in map(packaged.resolve, self.folders):
            digest = hashlib.sha256((folder / packaged.MODEL).read_bytes())
            digest.update((folder / seen_clips.FILE_NAME).read_bytes())
            found.append(digest.hexdigest()[:16])
        return sorted(found)

    def check_data(self, train: ClipData, valid: ClipData, allow_overlap: bool) -> None:
        """Refuses clips that these teachers cannot teach.

        Args:
          train: what is to be answered.
          valid: what the student is validated on, which no teacher may have learnt
            from, for it would pass on what it knows of them.
          allow_overlap: say only how many clips somebody has learnt from.

        Raises:
          InputError: other classes than the teachers', or clips that were learnt from.
        """
        for folder in self.folders:
            self._columns(folder, train.classes)
            seen_clips.check_unseen(
                folder, valid.clip_ids, "validation", allow_overlap, seen_clips.LEARNT
            )
        asked = self._asked(train.clip_ids)
        counts = asked.sum(axis=0)
        nobody = np.flatnonzero(counts == 0)
        if len(nobody) and not allow_overlap:
            name = train.clip_ids[nobody[0]].decode(errors="replace")
            raise InputError(
                f"teacher: all {len(self.folders)} have learnt from"
                f" {len(nobody):,} of the {len(train):,} training clips (such as"
                f" {name!r}), and would repeat their labels. Give runs that were"
                " trained without them, as tfweak-teach makes, leave these clips out"
                " by exclude_data, or say allow_overlap=true to have all teachers"
                " answer them"
            )
        _log.info(
            "%d teachers: %s of %s clips are answered by those that have not learnt"
            " from them (%d to %d)%s",
            len(self.folders),
            f"{len(train) - len(nobody):,}",
            f"{len(train):,}",
            counts[counts > 0].min(initial=len(self.folders)),
            counts.max(),
            f", {len(nobody):,} by all, which have" if len(nobody) else "",
        )

    def _columns(self, folder: str, classes: ClassList) -> Array:
        """Where a teacher has the classes, by identifier."""
        theirs = ClassList.read_csv(packaged.resolve(folder) / "classes.csv")
        odd = sorted(set(theirs.mids) ^ set(classes.mids))
        if odd:
            whose = "the data" if odd[0] in classes.mids else "the teacher"
            raise InputError(
                f"teacher={folder}: its {len(theirs)} classes are not the"
                f" {len(classes)} of the data: {odd[0]!r} is one of {whose} alone;"
                " train a teacher on the same classes"
            )
        where = {mid: i for i, mid in enumerate(theirs.mids)}
        return np.array([where[mid] for mid in classes.mids])

    def _asked(self, clip_ids: Array) -> Array:
        """(teachers, N) bool: who has not learnt from which clip."""
        learnt = [seen_clips.learnt_from(folder, clip_ids) for folder in self.folders]
        return ~np.stack(learnt)

    def answer(
        self, data: ClipData, out: StrPath, batch_size: int, precision: str
    ) -> teacher_scores.TeacherScores:
        """What the teachers say of clips; made where it is not there, or gone on with.

        Clips are cut as the student's training cuts them.

        Args:
          data: the clips.
          out: folder for the answers.
          batch_size: clips a step.
          precision: that the teachers compute in.

        Raises:
          InputError: data that a teacher cannot read.
        """
        rows = self._student.input.training_rows
        fingerprint = {
            "clips": teacher_scores.digest(data),
            "teachers": self.fingerprints,
            "has_segments": self._has_segments,
            "rows": rows,
        }
        found = teacher_scores.read(out, data, fingerprint)
        if found is None:
            self._write(data, out, batch_size, precision, fingerprint)
            found = teacher_scores.read(out, data, fingerprint)
        assert found is not None
        return found

    def _write(
        self,
        data: ClipData,
        out: StrPath,
        batch_size: int,
        precision: str,
        fingerprint: dict[str, Any],
    ) -> None:
        asked = self._asked(data.clip_ids)
        asked[:, ~asked.any(axis=0)] = True  # allowed, or it had been refused
        answering = [
            _Answering(folder, self._columns(folder, data.classes), data, precision)
            for folder in self.folders
        ]
        student = self._student.input
        writer = teacher_scores.Writer(
            out, data, fingerprint, self._has_segments, batch_size
        )
        with (
            writer,
            progress.Progress(
                len(data), "clip", "teachers answer", writer.done
            ) as shown,
        ):
            if writer.done == len(data):
                return
            rest = data.take(np.arange(len(data)) >= writer.done)
            front_ends = list(dict.fromkeys(one.input.front_end for one in answering))
            streams = [
                pipelines.evaluation_batches(
                    rest,
                    pipelines.InputConfig(batch_size, front_end=one, cache_bytes=0),
                )
                for one in front_ends
            ]
            for batches in zip(*streams):
                inputs = {one: x for one, (x, _) in zip(front_ends, batches)}
                size = len(batches[0][1]["weak"])
                of_batch = asked[:, writer.done : writer.done + size]
                total = _Mean(size, len(data.classes))
                for one, chosen in zip(answering, of_batch):
                    if chosen.any():
                        x = inputs[one.input.front_end]
                        total.add(chosen, one.answers(x, chosen, student))
                if self._has_segments:
                    writer.add(total.clip_probs, total.segment_probs, total.counts)
                else:
                    writer.add(total.clip_probs)
                shown.add(size)


class _Answering:
    """A teacher that is loaded."""

    def __init__(
        self, folder: str, columns: Array, data: ClipData, precision: str
    ) -> None:
        self._run = run_folder.load(folder, precision)
        self._columns = columns
        self.input = self._run.architecture.input
        self.input.check_same(self._run.payload, data.payload, data.files[0])

    def answers(
        self, x: Tensors, chosen: Array, student: InputSpec
    ) -> tuple[Array, Array, Array]:
        """Clip scores (B', C), segment scores (B', T, C) and numbers of valid ones."""
        features, rows = x["features"].numpy()[chosen], x["num_frames"].numpy()[chosen]
        limit = _rows_of_student(self.input, student)
        if limit is not None:
            features, rows = features[:, :limit], np.minimum(rows, limit)
        outputs = self._run.network.predict_on_batch(
            {"features": features, "num_frames": rows}
        )
        clip, segments = (
            np.asarray(outputs[name], np.float32)[..., self._columns]
            for name in ("clip_probs", "segment_probs")
        )
        return clip, segments, np.asarray(outputs["mask"]).sum(axis=1)


@dataclasses.dataclass
class _Mean:
    """The mean of the answers to a batch, of those that were asked about each clip."""

    size: int
    num_classes: int

    def __post_init__(self) -> None:
        self._times = np.zeros(self.size, np.float32)
        self._clip = np.zeros((self.size, self.num_classes), np.float32)
        self._segments = np.zeros((self.size, 0, self.num_classes), np.float32)
        self.counts = np.zeros(self.size, np.int32)

    def add(self, chosen: Array, answers: tuple[Array, Array, Array]) -> None:
        clip, segments, counts = answers
        missing = segments.shape[1] - self._segments.shape[1]
        if missing > 0:  # of the first
            self._segments = np.pad(self._segments, [(0, 0), (0, missing), (0, 0)])
        self._times[chosen] += 1
        self._clip[chosen] += clip
        self._segments[chosen, : segments.shape[1]] += segments
        self.counts[chosen] = counts

    @property
    def clip_probs(self) -> Array:
        return self._clip / self._times[:, np.newaxis]

    @property
    def segment_probs(self) -> Array:
        return self._segments / self._times[:, np.newaxis, np.newaxis]


def _rows_of_student(teacher: InputSpec, student: InputSpec) -> int | None:
    """How many of a teacher's rows the student sees of a clip; None for all."""
    if student.training_rows is None:
        return None
    seconds = student.seconds(student.training_rows) - teacher.window_seconds
    return max(1, int(seconds / teacher.hop_seconds + 1e-6) + 1)
