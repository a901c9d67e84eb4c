"""Teachers of folds and the student that they teach, trained one after another.

The training clips are dealt to K folds. For a set S of them, the runs of S are trained
on the clips of all other folds; the student is the run of the empty set. A run of S is
taught what the runs of S and j say of fold j, for every fold j that is not in S: they
have not learnt from j, nor has anything that taught them, for that was trained without
more folds yet. So no answer to a clip comes from a run that has learnt from it, itself
or through its teachers, over any number of generations. Runs of as many folds as there
are generations are taught by nobody.

With one generation that is K teachers and the student. The teachers of a second one
have to be taught by runs without their own fold, of which there is one for each pair of
folds: K (K - 1) / 2 more trainings, on fewer clips each. To reuse the K teachers of the
first generation instead would leak: the teacher of fold j knows all other folds, and
would hand them on in its answers to j.

What is left: the validation clips, the same for all runs, choose the epoch of each. A
validation score of the student is therefore, a little more than another's, the best of
many; scores on other clips are not touched.

OUT/teach.json                       the settings; others are refused in this folder
OUT/teachers/without-0-1/seed-0/     runs
OUT/student/                         the run to use
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfweak import processes, progress
from tfweak.data import documents
from tfweak.data.sources import ClipData
from tfweak.errors import InputError
from tfweak.typing import Array

from ..runs import run_folder
from ..runs.config import TrainConfig
from ..runs.run import Run, load
from . import trainer
from .options import TeachingOptions

_log = logging.getLogger(__name__)

# Folds are dealt by another hash than validation clips and folds of an experiment, of
# which they would be unequal shares.
_FOLD_SEED = 7919


def teach(
    config: TrainConfig | None = None,
    options: TeachingOptions | None = None,
    **settings: Any,
) -> Run:
    """Trains teachers of folds and their student; goes on where a killed call was.

        run = tfweak.teach(data=["data"], out="taught", supervision="self")

    Args:
      config: of every training; `out` is the folder for all, the student's is below.
      options: how teachers are made.
      **settings: fields of `TrainConfig`, in the place of a configuration or of what
        one says.

    Returns:
      The student.

    Raises:
      InputError: settings that cannot work, broken data, a folder of other settings, or
        clips that cannot be dealt to so many folds.
    """
    whole = (
        TrainConfig(**settings)
        if config is None
        else dataclasses.replace(config, **settings)
    )
    out = pathlib.Path(whole.out)
    config = dataclasses.replace(whole, out=str(out / "student"))
    teaching = Teaching(config, options or TeachingOptions(), out / "teachers")
    data = teaching.open_data()
    with processes.alone_in(out):
        _claim(out, whole, teaching.options)
        teaching.run(data)
    return load(config.out)


class Teaching:
    """Trainings that belong together.

    Args:
      config: of every run; its `out` is the student's folder.
      options: how teachers are made.
      folder: for the teachers' runs.

    Raises:
      InputError: settings that cannot work.
    """

    def __init__(
        self, config: TrainConfig, options: TeachingOptions, folder: pathlib.Path
    ) -> None:
        if config.teacher:
            raise InputError(
                "teacher: the runs that teach are made here; leave it out, or train"
                " with it alone"
            )
        self._config, self.options, self._folder = config, options, folder
        self._training = trainer.Training(config)
        # with which no run would be taught at all
        dataclasses.replace(config, teacher=("teachers",))

    def open_data(self) -> tuple[ClipData, ClipData]:
        """The training and the validation clips of all runs.

        Raises:
          InputError: broken data, or some that cannot be dealt to so many folds.
        """
        _log.info("reading the data")
        train, valid = self._training.open_data()
        self._training.check_data(train)
        self._folds(train)
        return train, valid

    def run(self, data: tuple[ClipData, ClipData]) -> None:
        """Trains what is not finished.

        Args:
          data: training and validation clips, such as `open_data` gives.
        """
        _log.info("%s", self.options.describe())
        train, valid = data
        folds = self._folds(train)
        runs = list(self._runs())
        done = sum(_is_finished(config.out) for _, config in runs)
        with progress.Progress(len(runs), "training", "teaching", done) as shown:
            for number, (without, config) in enumerate(runs, start=1):
                if _is_finished(config.out):
                    continue
                name = pathlib.Path(config.out).name
                if without:
                    name = f"teacher without fold {_named(without)}, seed {config.seed}"
                _log.info("training %d of %d: %s", number, len(runs), name)
                keras.utils.clear_session()
                part = train.take(~np.isin(folds, without))
                trainer.Training(config).run((part, valid))
                shown.add()
        self._compare()

    def _folds(self, train: ClipData) -> Array:
        """(N,) the fold of each clip."""
        seed = self._config.seed + _FOLD_SEED
        folds = np.zeros(len(train), np.int32)
        place = {clip_id: i for i, clip_id in enumerate(train.clip_ids)}
        for number, (_, own) in enumerate(train.folds(self.options.folds, seed)):
            folds[[place[clip_id] for clip_id in own.clip_ids]] = number
        return folds

    def _runs(self) -> Iterator[tuple[tuple[int, ...], TrainConfig]]:
        """The folds that a run does without, and its settings, in order."""
        for without in self.options.sets():
            for config in self._configs(without):
                teachers: list[str] = []
                if len(without) < self.options.generations:
                    others = sorted(set(range(self.options.folds)) - set(without))
                    for fold in others:
                        more = tuple(sorted((*without, fold)))
                        teachers += [one.out for one in self._configs(more)]
                yield without, dataclasses.replace(config, teacher=teachers)

    def _configs(self, without: tuple[int, ...]) -> list[TrainConfig]:
        """The runs of a set of folds, but for who teaches them."""
        config = self._config
        if not without:
            return [config]
        folder = self._folder / f"without-{_named(without)}"
        return [
            dataclasses.replace(config, out=str(folder / f"seed-{seed}"), seed=seed)
            for seed in range(config.seed, config.seed + self.options.teachers_per_fold)
        ]

    def _compare(self) -> None:
        """Says how well each generation did on the validation clips."""
        found: dict[int, list[float]] = {}
        for without, config in self._runs():
            rows = run_folder.read_history(pathlib.Path(config.out, "history.csv"))
            best = max(row["val_mAP"] for row in rows)
            found.setdefault(len(without), []).append(best)
        for size, values in found.items():
            who = f"teachers without {size} of the folds" if size else "the student"
            low, high = f"{min(values):.4f}", f"{max(values):.4f}"
            span = low if low == high else f"{low} to {high}"
            _log.info("validation mAP of %s: %s", who, span)


def _named(folds: tuple[int, ...]) -> str:
    return "-".join(map(str, folds))


def _is_finished(folder: str) -> bool:
    return pathlib.Path(folder, run_folder.DECODING_NAME).exists()


def _claim(out: pathlib.Path, config: TrainConfig, options: TeachingOptions) -> None:
    """Makes the folder that of these settings, or checks that it is."""
    path = out / "teach.json"
    settings = {**dataclasses.asdict(config), **dataclasses.asdict(options)}
    for name in ("out", "resume"):
        del settings[name]
    settings = json.loads(json.dumps(settings))
    if path.exists():
        before = documents.read(path, "choose another folder")
        for name in sorted({*before, *settings}):
            if before.get(name) != settings.get(name):
                raise InputError(
                    f"out={out}: holds teachers with {name}={before.get(name)!r}, now"
                    f" it is {settings.get(name)!r}; choose another folder, or give"
                    " their settings to go on with them"
                )
        if not config.resume:
            raise InputError(f"out={out}: holds teachers already, and resume is off")
    elif any(out.iterdir()):
        raise InputError(
            f"out={out}: is not empty and holds no teachers; choose another"
        )
    documents.write(path, settings)
