"""Training from a configuration to a run folder; what `tfweak-train` does."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import sys
from typing import Any, cast

import keras
import numpy as np

from tfweak import atomic, processes
from tfweak.data import pipelines, records, sources
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.learning import weak_model
from tfweak.learning.callbacks import ClipScores, WeightAverage
from tfweak.typing import Tensors

from .. import registry
from ..networks import layers
from . import checkpoints, payload_checks, run_folder, scoring, seen_clips, weights
from .config import TrainConfig

# Where the user says nothing: by payload, tuned on validation data.
DEFAULTS = {
    "audio_embedding": {
        "model": "embedding_attention",
        "epochs": 30,
        "batch_size": 500,
        "mixup": 1.0,
    },
    "log_mel": {"model": "attention_fcn", "epochs": 50, "batch_size": 32, "mixup": 0.0},
}


def train(
    config: TrainConfig,
    data: tuple[sources.ClipData, sources.ClipData] | None = None,
) -> run_folder.Run:
    """Trains, keeping the best epoch on validation; resumes an unfinished run.

    Args:
      config: every setting.
      data: training and validation clips that are open already, such as a fold of
        `ClipData.folds`; None opens what the config names.

    Raises:
      InputError: settings that contradict each other or the data, a broken data set,
        a run folder of other settings, or a loss that is not a number.
    """
    config = _with_defaults(config)
    architecture, supervision = _check(config)
    out = pathlib.Path(config.out)
    if data is None:
        print("reading the data", flush=True)
    train_data, valid_data = data or open_data(config)
    _check_data(config, architecture, supervision, train_data)
    note = payload_checks.resampling_note(train_data.payload, architecture.front_end)
    if note:
        print(note, flush=True)
    architecture = registry.create(
        cast(str, config.model), len(train_data.classes), **config.model_settings
    )
    kind, _, where = config.init.partition(":")
    source = where if kind == "run" else None
    if source:
        seen_clips.check_unseen(
            source, valid_data.clip_ids, "validation", config.allow_overlap
        )
    with processes.alone_in(out):
        return _train(config, architecture, supervision, source, train_data, valid_data)


def _train(
    config: TrainConfig,
    architecture: registry.Architecture,
    supervision: weak_model.Supervision,
    source: str | None,
    train_data: sources.ClipData,
    valid_data: sources.ClipData,
) -> run_folder.Run:
    out = pathlib.Path(config.out)
    document = _document(config, architecture, train_data, valid_data)
    state = _open_run(out, document, train_data.classes, config.resume)
    if state is None:
        seen_clips.write(out, train_data.clip_ids, valid_data.clip_ids, source)

    keras.utils.set_random_seed(config.seed)
    precision = weak_model.resolve_precision(config.precision)
    network = architecture.build(precision)
    if state is None:
        weights.initialise(network, architecture, config.init)
        layers.start_at_frequencies(network, train_data.label_counts, len(train_data))
    frozen = weights.freeze(network, config.freeze)
    model = weak_model.WeakModel(network, supervision)
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
    model.optimizer.build(model.trainable_variables)
    inputs = pipelines.InputConfig(
        batch_size=cast(int, config.batch_size),
        num_frames=architecture.training_frames,
        grid=architecture.grid if supervision.needs_strong else None,
        num_segments=architecture.num_segments,
        front_end=architecture.front_end,
        balance=config.balance,
        mixup=cast(float, config.mixup),
        seed=config.seed,
    )
    valid_batches = pipelines.evaluation_batches(
        valid_data, dataclasses.replace(inputs, grid=None)
    )
    batches = pipelines.TrainingInput(train_data, inputs)
    if state is None and source is None:
        layers.fit_standardisation(network, batches.whole_clips())
        architecture.pretrain(network, batches.whole_clips(), config.seed)
    average = WeightAverage(config.average_weights) if config.average_weights else None
    epochs = cast(int, config.epochs)
    run_keeper = checkpoints.Keeper(out, model, average, epochs)
    start = run_keeper.restore(state) if state else 0
    trainable = sum(math.prod(v.shape) for v in network.trainable_variables)
    print(
        f"{config.model}: {trainable:,} trainable parameters"
        f"{f' ({len(frozen)} layers frozen)' if frozen else ''}, {precision};"
        f" {len(train_data):,} clips to train on ({train_data.num_strong:,} with"
        f" strong labels), {len(valid_data):,} to validate;"
        f" epochs {start + 1} to {epochs}",
        flush=True,
    )
    callbacks: list[Any] = [checkpoints.Divergence()]
    callbacks += [] if average is None else [average]
    callbacks += [ClipScores(valid_batches, average), run_keeper]
    for epoch in range(start, epochs):
        model.fit(
            batches.epoch(epoch),
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=1 if sys.stdout.isatty() else 0,
            shuffle=False,
            callbacks=callbacks,
        )
    if not (out / "thresholds.json").exists() or start < epochs:
        run_folder.write_thresholds(
            out,
            scoring.tune_thresholds(
                run_folder.load(out, precision), valid_data, config.segment_thresholds
            ),
        )
    best = run_keeper.best
    print(
        f"best epoch {best['epoch']} of {epochs}: validation mAP"
        f" {best['val_mAP']:.4f}; the run is in {out}\nnext: tfweak-evaluate"
        f" --run={out} --data=DIR --out=metrics.json, or tfweak-predict --run={out}"
        " FILES --out=events.tsv",
        flush=True,
    )
    return run_folder.load(out)


def check(config: TrainConfig) -> None:
    """Refuses settings that cannot work, before any training.

    Raises:
      InputError: saying which, and what to give instead.
    """
    config = _with_defaults(config)
    _check(config)
    pipelines.InputConfig(
        batch_size=cast(int, config.batch_size), mixup=cast(float, config.mixup)
    )


def check_data(config: TrainConfig, data: sources.ClipData) -> None:
    """Refuses data that a configuration cannot be trained on.

    Raises:
      InputError: saying what does not go together.
    """
    config = _with_defaults(config)
    _check_data(config, *_check(config), data)


def _check_data(
    config: TrainConfig,
    architecture: registry.Architecture,
    supervision: weak_model.Supervision,
    data: sources.ClipData,
) -> None:
    payload_checks.check_model(
        architecture.payload_kind,
        data.payload,
        config.data[0],
        getattr(architecture.config, "rescaling", None),
        architecture.front_end,
    )
    if supervision.needs_strong and not data.num_strong:
        how = f"--supervision={supervision.kind}"
        raise InputError(
            f"{how if supervision.uses_strong else '--segment_weight'}, but no clip of"
            f" {', '.join(config.data)} has strong labels"
        )


def _check(config: TrainConfig) -> tuple[registry.Architecture, weak_model.Supervision]:
    """Refuses settings that cannot work, before any data is read."""
    supervision = weak_model.Supervision(
        config.supervision,
        strong_weight=config.attention_weights[0],
        self_weight=config.attention_weights[1],
        target=config.attention_target,
        pseudo_labels=config.pseudo_labels,
        clip_weight=config.clip_weight,
        segment_weight=config.segment_weight,
    )
    architecture = registry.create(cast(str, config.model), 1, **config.model_settings)
    pooling = getattr(architecture.config, "pooling", None)
    if supervision.kind != "none" and pooling == "average":
        raise InputError(
            f"--supervision={supervision.kind} supervises attention, but"
            " --set=pooling=average has none"
        )
    weights.check(config.init, architecture)
    if not config.valid_data and not 0 < config.valid_fraction < 1:
        raise InputError(
            f"--valid_fraction={config.valid_fraction}: between 0 and 1, or"
            " give --valid_data"
        )
    return architecture, supervision


def _with_defaults(config: TrainConfig) -> TrainConfig:
    """Fills in what the user left open, by the kind of data."""
    if not config.data:
        raise InputError("--data: no folder given")
    kind = records.DatasetInfo.read(config.data[0]).payload.kind
    defaults = DEFAULTS["audio_embedding" if kind == "audio_embedding" else "log_mel"]
    own: dict[str, Any] = {
        name: value for name, value in defaults.items() if getattr(config, name) is None
    }
    return dataclasses.replace(config, **own)


def class_list(path: str | None) -> ClassList | None:
    """The classes of `--classes`, or None where it is not given."""
    return ClassList.read_csv(path) if path else None


def open_data(config: TrainConfig) -> tuple[sources.ClipData, sources.ClipData]:
    """The training and the validation clips that a configuration names.

    Raises:
      InputError: broken data, or parts that do not go together.
    """
    data = sources.open_data(config.data, class_list(config.classes))
    if config.exclude_data:
        before = len(data)
        data = data.without(sources.open_data(config.exclude_data).clip_ids)
        print(f"--exclude_data leaves out {before - len(data):,} clips", flush=True)
    if not config.valid_data:
        return data.split(config.valid_fraction, config.seed)
    valid = sources.open_data(config.valid_data, data.classes)
    config = _with_defaults(config)
    architecture = registry.create(cast(str, config.model), 1, **config.model_settings)
    payload_checks.check_data(
        data.payload, valid.payload, config.valid_data[0], architecture.front_end
    )
    shared = np.intersect1d(data.clip_ids, valid.clip_ids)
    if len(shared):
        raise InputError(
            f"--valid_data: {len(shared)} of its clips are in --data too,"
            f" such as {shared[0].decode(errors='replace')!r}"
        )
    return data, valid


def _document(
    config: TrainConfig,
    architecture: registry.Architecture,
    train_data: sources.ClipData,
    valid_data: sources.ClipData,
) -> dict[str, Any]:
    settings = dataclasses.asdict(config)
    for name in ("out", "resume", "model_settings", "model"):
        del settings[name]
    return {
        "model": architecture.to_dict(),
        "training": settings,
        "data": {"train": train_data.fingerprint(), "valid": valid_data.fingerprint()},
        "versions": run_folder.versions(),
    }


def _open_run(
    out: pathlib.Path, document: dict[str, Any], classes: ClassList, resume: bool
) -> tuple[Tensors, Tensors] | None:
    """Makes the run folder, or checks that the one there is this very run."""
    classes_path = out / "classes.csv"
    if not (out / "config.json").exists():
        if out.exists() and any(out.iterdir()) and not classes_path.exists():
            raise InputError(
                f"--out={out}: the folder is not empty and no run of"
                " tfweak; choose another"
            )
        out.mkdir(parents=True, exist_ok=True)
        classes.write_csv(classes_path)
        run_folder.write_config(out, document)
        return None
    if not resume:
        raise InputError(f"--out={out}: holds a run already, and --noresume was given")
    before = run_folder.read_config(out)
    for part in ("model", "training", "data"):
        known, now = (
            run_folder.flatten(before[part]),
            run_folder.flatten(document[part]),
        )
        for key in sorted(set(known) | set(now)):
            if known.get(key) != now.get(key) and (part, key) != ("training", "epochs"):
                raise InputError(
                    f"--out={out}: holds a run with {part} {key}={known.get(key)!r},"
                    f" now it is {now.get(key)!r}; choose another --out, or give the"
                    " settings of the run to go on with it"
                )
    atomic.remove_leftovers(out)
    run_folder.write_config(out, {**before, "training": document["training"]})
    return run_folder.ResumePoint(out).load()
