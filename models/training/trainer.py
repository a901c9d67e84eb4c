"""Training from a configuration to a run folder; what `tfweak-train` does."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import pathlib
import sys
from typing import Any

import keras
import numpy as np

from tfweak import processes
from tfweak.data import pipelines, records, sources
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.learning.callbacks import ClipScores, WeightAverage
from tfweak.learning.precision import resolve_precision
from tfweak.learning.supervision import Supervision
from tfweak.learning.weak_model import WeakModel
from tfweak.payload import Payload

from ..architecture import ARCHITECTURES, Architecture, create
from ..networks import layers
from ..runs import checkpoints, run_folder, seen_clips, tuning, weights
from ..runs.config import TrainConfig
from ..runs.run import Run, load

_log = logging.getLogger(__name__)

# epochs after which a model knows enough to cut sounds out; not a share of all, so that
# a training goes on as if more of them had been asked for at once
_EPOCHS_BEFORE_PASTING = 3


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What holds where a configuration says nothing, tuned on validation data."""

    model: str
    epochs: int
    batch_size: int
    mixup: float
    random_rows: float
    average_weights: float


# Of embeddings, and of everything else.
EMBEDDING_DEFAULTS = Defaults("embedding_attention", 45, 500, 0.2, 0.5, 0.998)
AUDIO_DEFAULTS = Defaults("attention_fcn", 50, 32, 0.0, 0.0, 0.999)


def defaults_for(payload: Payload) -> Defaults:
    """The defaults for a kind of data."""
    embeddings = payload.kind == "audio_embedding"
    return EMBEDDING_DEFAULTS if embeddings else AUDIO_DEFAULTS


def train(config: TrainConfig | None = None, **settings: Any) -> Run:
    """Trains, keeping the best epoch on validation; resumes an unfinished run.

        run = train(data=["data"], out="run", supervision="self")

    Args:
      config: the settings.
      **settings: fields of `TrainConfig`, in the place of a configuration or of what
        one says.

    Returns:
      The finished run, as `run.load` gives it.

    Raises:
      InputError: settings that contradict each other or the data, a broken data set,
        a run folder of other settings, or a loss that is not a number.
    """
    whole = (
        TrainConfig(**settings)
        if config is None
        else dataclasses.replace(config, **settings)
    )
    Training(whole).run()
    return load(whole.out)


class Training:
    """A training whose settings are all decided, and found to go together.

    Args:
      config: what the user says.

    Attributes:
      config: the same with everything filled in that was left open.
      supervision: of the attention.
      architecture: for one class, until the data tells how many there are.

    Raises:
      InputError: settings that cannot work, before any data is read but the folder's
        description.
    """

    def __init__(self, config: TrainConfig) -> None:
        payload = records.DatasetInfo.read(config.data[0]).payload
        chosen = {
            name: value if getattr(config, name) is None else getattr(config, name)
            for name, value in dataclasses.asdict(defaults_for(payload)).items()
        }
        cls = ARCHITECTURES.get(chosen["model"])
        self._settings = {**cls.settings_for(payload), **config.model_settings}
        self.architecture = create(chosen["model"], 1, **self._settings)
        embeddings = self.architecture.input.are_embeddings
        if config.random_rows is None and not self._has_rows_of_its_own():
            chosen["random_rows"] = 0.0
        self.config = dataclasses.replace(config, **chosen)
        self._chosen = Defaults(**chosen)
        self.supervision = Supervision(
            config.supervision,
            strong_weight=config.attention_weights[0],
            self_weight=config.attention_weights[1],
            self_supervision=config.self_supervision,
            target=config.attention_target,
            pseudo_labels=config.pseudo_labels,
            clip_weight=config.clip_weight,
            segment_weight=config.segment_weight,
            overlay="replace" if embeddings else "maximum",
            seed=config.seed % (1 << 31),
        )
        trainable = self.architecture.attention_is_trainable
        if self.supervision.needs_attention and not trainable:
            raise InputError(
                f"supervision={self.supervision.kind} supervises attention, but"
                f" {self._chosen.model} with these settings has none to train, such as"
                " with pooling=average"
            )
        if self.supervision.uses_pasting and not self._has_rows_of_its_own():
            raise InputError(
                f"supervision={self.supervision.kind} pastes whole segments, and those"
                f" of {self._chosen.model} are not so many rows of input each; use"
                " another model"
            )
        if config.random_rows and not (embeddings and self._has_rows_of_its_own()):
            raise InputError(
                f"random_rows={config.random_rows:g} is for embeddings and models with"
                f" a segment a row; {self._chosen.model} has none here"
            )
        weights.check(config.init, self.architecture)

    def _has_rows_of_its_own(self) -> bool:
        """Whether each segment stands for rows that no other one stands for."""
        architecture = self.architecture
        hop = round(architecture.grid.hop_seconds / architecture.input.hop_seconds)
        return bool(architecture.num_segments(100 * hop) == 100)

    def check_data(self, data: sources.ClipData) -> None:
        """Refuses data that this cannot be trained on.

        Raises:
          InputError: saying what does not go together.
        """
        folders = ", ".join(self.config.data)
        self.architecture.check_payload(data.payload, folders)
        if self.supervision.needs_strong and not data.num_strong:
            what = "segment_weight is set"
            if self.supervision.uses_strong:
                what = f"supervision={self.supervision.kind}"
            raise InputError(
                f"{what}, but no clip of {folders} has strong labels; supervision=self"
                " needs none"
            )

    def open_data(self) -> tuple[sources.ClipData, sources.ClipData]:
        """The training and the validation clips that the configuration names.

        Raises:
          InputError: broken data, or parts that do not go together.
        """
        config = self.config
        data = sources.open_data(config.data, class_list(config.classes))
        if config.exclude_data:
            before = len(data)
            data = data.without(sources.open_data(config.exclude_data).clip_ids)
            _log.info("exclude_data leaves out %s clips", f"{before - len(data):,}")
        if not config.valid_data:
            return data.split(config.valid_fraction, config.seed)
        valid = sources.open_data(config.valid_data, data.classes)
        self.architecture.input.check_same(
            data.payload, valid.payload, config.valid_data[0]
        )
        shared = np.intersect1d(data.clip_ids, valid.clip_ids)
        if len(shared):
            raise InputError(
                f"valid_data: {len(shared)} of its clips are in the training data too,"
                f" such as {shared[0].decode(errors='replace')!r}"
            )
        return data, valid

    def run(
        self, data: tuple[sources.ClipData, sources.ClipData] | None = None
    ) -> None:
        """Trains; see `train`.

        Args:
          data: training and validation clips that are open already, such as a fold of
            `ClipData.folds`; None opens what the configuration names.
        """
        config = self.config
        if data is None:
            _log.info("reading the data")
        train_data, valid_data = data or self.open_data()
        self.check_data(train_data)
        note = self.architecture.input.resampling_note(train_data.payload)
        if note:
            _log.info("%s", note)
        architecture = create(
            self._chosen.model, len(train_data.classes), **self._settings
        )
        kind, _, where = config.init.partition(":")
        source = where if kind == "run" else None
        if source:
            seen_clips.check_unseen(
                source, valid_data.clip_ids, "validation", config.allow_overlap
            )
        with processes.alone_in(config.out):
            self._run(architecture, source, train_data, valid_data)

    def _run(
        self,
        architecture: Architecture,
        source: str | None,
        train_data: sources.ClipData,
        valid_data: sources.ClipData,
    ) -> None:
        config, out = self.config, pathlib.Path(self.config.out)
        document = self._document(architecture, train_data, valid_data)
        state = run_folder.start_or_resume(
            out, document, train_data.classes, config.resume
        )
        if state is None:
            seen_clips.write(out, train_data.clip_ids, valid_data.clip_ids, source)
        precision = resolve_precision(config.precision)

        keras.utils.set_random_seed(config.seed)
        network = architecture.build(precision)
        if state is None:
            layers.start_at_frequencies(
                network,
                architecture.class_layers,
                train_data.label_counts,
                len(train_data),
            )
            known = train_data.classes if config.init_classes else None
            weights.initialise(network, architecture, config.init, known)
        frozen = weights.freeze(network, config.freeze)
        model = WeakModel(network, self.supervision)
        model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
        model.optimizer.build(model.trainable_variables)
        inputs = pipelines.InputConfig(
            batch_size=self._chosen.batch_size,
            num_frames=architecture.input.training_rows,
            grid=architecture.grid if self.supervision.needs_strong else None,
            num_segments=architecture.num_segments,
            front_end=architecture.input.front_end,
            balance=config.balance,
            random_rows=self._chosen.random_rows,
            mixup=self._chosen.mixup,
            seed=config.seed,
        )
        valid_batches = pipelines.evaluation_batches(
            valid_data, dataclasses.replace(inputs, grid=None)
        )
        batches = pipelines.TrainingInput(train_data, inputs)
        if state is None and source is None:
            layers.fit_standardisation(network, batches.whole_clips())
            architecture.pretrain(network, batches.whole_clips(), config.seed)
        decay = self._chosen.average_weights
        average = WeightAverage(decay) if decay else None
        epochs = self._chosen.epochs
        keeper = checkpoints.Keeper(out, model, average, epochs)
        start = keeper.restore(state) if state else 0
        trainable = sum(math.prod(v.shape) for v in network.trainable_variables)
        _log.info(
            "%s: %s trainable parameters%s, %s; %s clips to train on (%s with strong"
            " labels), %s to validate; epochs %d to %d",
            config.model,
            f"{trainable:,}",
            f" ({len(frozen)} layers frozen)" if frozen else "",
            precision,
            f"{len(train_data):,}",
            f"{train_data.num_strong:,}",
            f"{len(valid_data):,}",
            start + 1,
            epochs,
        )
        if self.supervision.uses_pasting and architecture.input.are_embeddings:
            _log.warning(
                "self-supervision by pasting is for audio: on embeddings it gained"
                " nothing, and a step takes twice the time; supervision=none tags as"
                " well or better"
            )
        if self.supervision.uses_pasting and epochs <= _EPOCHS_BEFORE_PASTING:
            _log.warning(
                "self-supervision by pasting begins in epoch %d; with %d epochs there"
                " is none, give more",
                _EPOCHS_BEFORE_PASTING + 1,
                epochs,
            )
        callbacks: list[Any] = [checkpoints.Divergence()]
        callbacks += [] if average is None else [average]
        callbacks += [ClipScores(valid_batches, average), keeper]
        pasted = 1.0
        for epoch in range(start, epochs):
            model.pastes = epoch >= _EPOCHS_BEFORE_PASTING
            found = model.fit(
                batches.epoch(epoch),
                initial_epoch=epoch,
                epochs=epoch + 1,
                verbose=1 if sys.stdout.isatty() else 0,
                shuffle=False,
                callbacks=callbacks,
            )
            if model.pastes:
                pasted = found.history["pasted"][-1]
        if not pasted:
            _log.warning(
                "self-supervision by pasting found nothing to paste in the last epoch:"
                " each batch needs clips of different classes, and scores that differ"
                " within a clip"
            )
        if not (out / run_folder.DECODING_NAME).exists() or start < epochs:
            best = run_folder.load(out, precision)
            found = tuning.tune_run(best, valid_data, config.segment_thresholds)
            run_folder.write_decoding(out, found.document())
        _log.info(
            "best epoch %d of %d: validation mAP %.4f; the run is in %s",
            keeper.best["epoch"],
            epochs,
            keeper.best["val_mAP"],
            out,
        )

    def _document(
        self,
        architecture: Architecture,
        train_data: sources.ClipData,
        valid_data: sources.ClipData,
    ) -> dict[str, Any]:
        """config.json of the run."""
        settings = dataclasses.asdict(self.config)
        for name in ("out", "resume", "model_settings", "model"):
            del settings[name]
        if "self" not in self.supervision.kind:
            del settings["self_supervision"]
        document: dict[str, Any] = {
            "model": architecture.to_dict(),
            "training": settings,
            "data": {
                "train": train_data.fingerprint(),
                "valid": valid_data.fingerprint(),
            },
            "versions": run_folder.versions(),
        }
        return document


def validation_data(run: run_folder.TrainedModel) -> sources.ClipData:
    """The clips that a run was validated on.

    Raises:
      InputError: they are not there any more, or were a fold of an experiment.
    """
    stored = run.config
    settings = dict(stored["model"]["config"])
    del settings["num_classes"]  # that of the data
    # what the weights started from may be gone
    training = {**stored["training"], "init": "random"}
    config = TrainConfig(
        out=os.fspath(run.folder),
        model=run.architecture.name,
        model_settings=settings,
        **training,
    )
    _, valid = Training(config).open_data()
    if valid.fingerprint() != stored["data"]["valid"]:
        raise InputError(
            f"{run.folder}: its validation clips are not those of"
            f" {', '.join(config.valid_data or config.data)} any more; give the data"
        )
    return valid


def class_list(path: str | None) -> ClassList | None:
    """The classes of a CSV, or None where none is given."""
    return ClassList.read_csv(path) if path else None
