"""Training from a configuration to a run folder; what `tfweak-train` does."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from tfweak import pipelines, records, sources, training
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.models import compatibility, registry, runs, scoring, weights

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


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What `tfweak-train` takes; the flags of the same names say more."""

    data: Sequence[str]
    out: str
    valid_data: Sequence[str] = ()
    valid_fraction: float = 0.1
    classes: str | None = None
    model: str | None = None
    model_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    supervision: str = "none"
    attention_weights: tuple[float, float] = (1.0, 1.0)
    attention_target: str = "attention"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    mixup: float | None = None
    balance: bool = False
    average_weights: float = 0.999
    seed: int = 0
    precision: str = "auto"
    init: str = "random"
    freeze: str = ""
    resume: bool = True


def parse_settings(items: Sequence[str]) -> dict[str, str]:
    """["width=0.25", ...] -> {"width": "0.25", ...}.

    Raises:
      InputError: an item without `=`.
    """
    for item in items:
        if "=" not in item:
            raise InputError(f"--set={item}: expected name=value")
    return dict(item.split("=", 1) for item in items)


def parse_weights(items: Sequence[str]) -> tuple[float, float]:
    """One alpha for both attention terms, or two, strong and self.

    Raises:
      InputError: no number, or more than two.
    """
    try:
        values = [float(item) for item in items]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(
        math.isfinite(v) and v >= 0 for v in values
    ):
        raise InputError(
            f"--attention_weight={','.join(items)}: one number, or two"
            " separated by a comma, each 0 or more"
        )
    return values[0], values[-1]


def train(config: TrainConfig) -> runs.Run:
    """Trains, keeping the best epoch on validation; resumes an unfinished run.

    Raises:
      InputError: settings that contradict each other or the data, a broken data set,
        a run folder of other settings, or a loss that is not a number.
    """
    config = _with_defaults(config)
    architecture, supervision = _check(config)
    out = pathlib.Path(config.out)
    classes = ClassList.read_csv(config.classes) if config.classes else None
    print("reading the data", flush=True)
    train_data, valid_data = _open(config, classes)
    compatibility.check_model(
        architecture.payload_kind, train_data.payload, config.data[0]
    )
    if supervision.uses_strong and not train_data.num_strong:
        raise InputError(
            f"--supervision={supervision.kind}, but no clip of"
            f" {', '.join(config.data)} has strong labels"
        )
    architecture = registry.create(
        config.model, len(train_data.classes), **config.model_settings
    )
    document = _document(config, architecture, train_data, valid_data)
    state = _open_run(out, document, train_data.classes, config.resume)

    keras.utils.set_random_seed(config.seed)
    precision = training.resolve_precision(config.precision)
    network = architecture.build(precision)
    if state is None:
        weights.initialise(network, architecture, config.init)
    frozen = weights.freeze(network, config.freeze)
    model = training.WeakModel(network, supervision)
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
    model.optimizer.build(model.trainable_variables)
    inputs = pipelines.InputConfig(
        batch_size=cast(int, config.batch_size),
        num_frames=architecture.training_frames,
        grid=architecture.grid if supervision.uses_strong else None,
        num_segments=architecture.num_segments,
        balance=config.balance,
        mixup=cast(float, config.mixup),
        seed=config.seed,
    )
    valid_batches = pipelines.evaluation_batches(
        valid_data, dataclasses.replace(inputs, grid=None)
    )
    average = (
        training.WeightAverage(config.average_weights)
        if config.average_weights
        else None
    )
    epochs = cast(int, config.epochs)
    keeper = _Keeper(out, model, average, epochs)
    start = keeper.restore(state) if state else 0
    trainable = sum(math.prod(v.shape) for v in network.trainable_variables)
    print(
        f"{config.model}: {trainable:,} trainable parameters"
        f"{f' ({len(frozen)} layers frozen)' if frozen else ''}, {precision};"
        f" {len(train_data):,} clips to train on ({train_data.num_strong:,} with"
        f" strong labels), {len(valid_data):,} to validate;"
        f" epochs {start + 1} to {epochs}",
        flush=True,
    )
    callbacks: list[Any] = [_Divergence()]
    callbacks += [] if average is None else [average]
    callbacks += [training.ClipScores(valid_batches, average), keeper]
    source = pipelines.TrainingInput(train_data, inputs)
    for epoch in range(start, epochs):
        model.fit(
            source.epoch(epoch),
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=1 if sys.stdout.isatty() else 0,
            shuffle=False,
            callbacks=callbacks,
        )
    if not (out / "thresholds.json").exists() or start < epochs:
        runs.write_thresholds(
            out, scoring.tune_thresholds(runs.load(out, precision), valid_data)
        )
    best = keeper.best
    print(
        f"best epoch {best['epoch']} of {epochs}: validation mAP"
        f" {best['val_mAP']:.4f}; the run is in {out}\nnext: tfweak-evaluate"
        f" --run={out} --data=DIR --out=metrics.json, or tfweak-predict --run={out}"
        " FILES --out=events.tsv",
        flush=True,
    )
    return runs.load(out)


class _Divergence(keras.callbacks.Callback):
    """Ends a training whose loss is no number, with advice."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in epoch {epoch + 1}: the training diverges; try a"
                " smaller --learning_rate or --precision=float32 in a new --out"
            )


class _Keeper(keras.callbacks.Callback):
    """After each epoch: best model, history, curves, and the resume point, last."""

    def __init__(
        self,
        out: pathlib.Path,
        model: training.WeakModel,
        average: training.WeightAverage | None,
        epochs: int,
    ) -> None:
        super().__init__()
        self._epochs = epochs
        self._began = time.monotonic()
        self._out = out
        self._weak_model = model
        self._average = average
        self._point = runs.ResumePoint(out)
        self._curves = tf.summary.create_file_writer(str(out / "tensorboard"))
        self._rows: list[dict[str, float]] = []
        self.best: dict[str, float] = {"epoch": 0, "val_mAP": -1.0}

    def restore(self, state: tuple[dict[str, list[np.ndarray]], dict[str, Any]]) -> int:
        """Puts a stored state back; returns how many epochs are done."""
        arrays, document = state
        groups = self._groups()
        for name, variables in groups.items():
            if len(arrays.get(name, ())) != len(variables):
                raise InputError(
                    f"{self._out}/last: does not fit this model; remove the"
                    " folder to start the training over"
                )
            for variable, value in zip(variables, arrays[name]):
                variable.assign(value)
        self._rows, self.best = document["history"], document["best"]
        return document["epoch"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
        self._rows.append(row)
        if row["val_mAP"] > self.best["val_mAP"]:
            self.best = row
            self._save_best()
        with self._curves.as_default(step=epoch + 1):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        self._curves.flush()
        runs.write_history(self._out / "history.csv", self._rows)
        arrays = {
            name: [np.asarray(v) for v in variables]
            for name, variables in self._groups().items()
        }
        seconds = time.monotonic() - self._began
        left = seconds * (self._epochs - epoch - 1)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch")
        print(
            f"epoch {epoch + 1}/{self._epochs}: {shown}; {seconds:.0f} s,"
            f" about {left / 60:.0f} min left",
            flush=True,
        )
        self._point.save(
            arrays, {"epoch": epoch + 1, "history": self._rows, "best": self.best}
        )

    def _save_best(self) -> None:
        if self._average:
            self._average.swap()
        runs.save_model(self._weak_model.network, self._out / "model.keras")
        if self._average:
            self._average.swap()

    def _groups(self) -> dict[str, list[Any]]:
        groups = {
            "network": self._weak_model.network.variables,
            "optimizer": self._weak_model.optimizer.variables,
        }
        if self._average:
            groups["average"] = self._average.variables(self._weak_model)
        return groups


def _check(config: TrainConfig) -> tuple[registry.Architecture, training.Supervision]:
    """Refuses settings that cannot work, before any data is read."""
    supervision = training.Supervision(
        config.supervision, *config.attention_weights, config.attention_target
    )
    architecture = registry.create(config.model, 1, **config.model_settings)
    if supervision.kind != "none" and architecture.config.pooling == "average":
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


def _open(config: TrainConfig, classes: ClassList | None) -> tuple[Any, Any]:
    data = sources.open_data(config.data, classes)
    if not config.valid_data:
        return data.split(config.valid_fraction, config.seed)
    valid = sources.open_data(config.valid_data, data.classes)
    compatibility.check_data(data.payload, valid.payload, config.valid_data[0])
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
        "versions": runs.versions(),
    }


def _open_run(
    out: pathlib.Path, document: dict[str, Any], classes: ClassList, resume: bool
) -> tuple[dict, dict] | None:
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
        runs.write_config(out, document)
        return None
    if not resume:
        raise InputError(f"--out={out}: holds a run already, and --noresume was given")
    before = runs.read_config(out)
    for part in ("model", "training", "data"):
        known, now = runs.flatten(before[part]), runs.flatten(document[part])
        for key in sorted(set(known) | set(now)):
            if known.get(key) != now.get(key) and (part, key) != ("training", "epochs"):
                raise InputError(
                    f"--out={out}: holds a run with {part} {key}={known.get(key)!r},"
                    f" now it is {now.get(key)!r}; choose another --out, or give the"
                    " settings of the run to go on with it"
                )
    for leftover in out.glob(f"{runs.TEMPORARY_PREFIX}*"):  # of a killed run
        leftover.unlink()
    runs.write_config(out, {**before, "training": document["training"]})
    return runs.ResumePoint(out).load()
