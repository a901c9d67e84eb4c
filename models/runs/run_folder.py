"""The run folder: all that evaluating, predicting, exporting and resuming need.

config.json      every setting, versions, fingerprints of the data
classes.csv      the vocabulary
model.keras      the network of the best epoch on validation
decoding.json    thresholds and how events are found, from validation
history.csv      a row an epoch
tensorboard/     the same as curves
last/            the resume point: the state after the last whole epoch
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import logging
import pathlib
import platform
from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from tfweak.decoding.decoder import create_decoder
from tfweak.decoding.decoding import Decoding
from tfweak.decoding.scores import available
from tfweak.errors import InputError
from tfweak.files import archives, atomic, documents
from tfweak.labels import ClassList
from tfweak.payload import Payload
from tfweak.typing import Array, StrPath

from ..architecture import Architecture, complete, create
from . import packaged, resume_point

DECODING_NAME = "decoding.json"
_log = logging.getLogger(__name__)
PACKAGES = (
    "tfweak",
    "tensorflow",
    "keras",
    "numpy",
    "scikit-learn",
    "tensorflow-io",
    "tensorflow-hub",
)


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained model and what belongs to it; `run.Run` says what it can do.

    Attributes:
      folder: of the run.
      architecture: name and settings.
      network: the best epoch's Keras model.
      classes: the vocabulary.
      payload: what the training data held; other data is refused.
      decodings: name -> how events are found, see `tuning.Found`.
      config: the whole of config.json.
    """

    folder: pathlib.Path
    architecture: Architecture
    network: keras.Model
    classes: ClassList
    payload: Payload
    decodings: dict[str, Decoding]
    config: dict[str, Any]

    @property
    def clip_thresholds(self) -> Array:
        """(C,) what a clip's score of a class has to reach."""
        return self.decodings["segment"].clip_thresholds


def load(folder: StrPath, precision: str = "float32") -> TrainedModel:
    """Loads a run.

    Args:
      folder: that a training wrote, or the name of a run that travels with the
        package, such as `audioset`.
      precision: that the network computes in; see `training.resolve_precision`.

    Raises:
      InputError: when the folder is no run, or one that has not finished an epoch.
    """
    folder = packaged.resolve(folder)
    config = read_config(folder)
    if not (folder / "model.keras").exists():
        raise InputError(
            f"{folder}: no model.keras; the training has not finished its"
            " first epoch: run the same tfweak-train command again"
        )
    try:
        model = complete(config["model"])
        architecture = create(model["name"], **model["config"])
        payload = Payload(**config["data"]["train"]["payload"])
        packaged.check(folder)
        network = architecture.build(precision)
        archives.load_weights(network, folder / "model.keras")
        num_classes = model["config"]["num_classes"]
        classes = ClassList.read_csv(folder / "classes.csv")
        digest = config["data"]["train"].get("classes", classes.digest)
        if len(classes) != num_classes:
            raise InputError(
                f"{folder / 'classes.csv'}: {len(classes)} classes, the model has"
                f" {num_classes}"
            )
        if classes.digest != digest:
            raise InputError(
                f"{folder / 'classes.csv'}: is not the list that the run was trained"
                " with; put that back"
            )
        decodings = _read_decodings(folder, num_classes, network.output)
    except InputError as error:
        raise InputError(f"{folder}: not a usable run ({error})") from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        OSError,
    ) as error:
        raise InputError(
            f"{folder}: not a usable run, by its config.json ({type(error).__name__}:"
            f" {error})"
        ) from error
    return TrainedModel(
        folder,
        architecture,
        network,
        classes,
        payload,
        decodings,
        config,
    )


def _read_decodings(
    folder: pathlib.Path, num_classes: int, outputs: Collection[str]
) -> dict[str, Decoding]:
    path = folder / DECODING_NAME
    if (folder / "thresholds.json").exists() and not path.exists():
        _log.info(
            "note: %s was trained before runs knew how to find events; until"
            " 'tfweak-evaluate --run=%s --tune', thresholds are 0.5",
            folder,
            folder,
        )
    if not path.exists():  # before the training has ended
        half = np.full(num_classes, 0.5)
        return {"segment": Decoding(create_decoder("threshold"), half, half)}
    advice = "remove it and tune the run to have it again"
    document = documents.read(path, advice)
    try:
        stored = document["decodings"].items()
        found = {name: Decoding.from_dict(value) for name, value in stored}
        if "segment" not in found:
            raise InputError("no decoding of the name segment")
        for decoding in found.values():
            if len(decoding.thresholds) != num_classes:
                raise InputError(
                    f"thresholds of {len(decoding.thresholds)} classes, the model has"
                    f" {num_classes}"
                )
            if decoding.scores not in available(outputs):
                raise InputError(f"the model has no {decoding.scores} scores")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: broken ({type(error).__name__}: {error}); {advice}"
        ) from error
    return found


def read_decoding(folder: StrPath) -> dict[str, Any]:
    """The whole of decoding.json, with what was tried.

    Raises:
      InputError: there is none, or nothing was tried for it.
    """
    path = packaged.resolve(folder) / DECODING_NAME
    if not path.exists():
        raise InputError(
            f"{path}: there is none; let the training end, or tune the run"
        )
    document = documents.read(path, "tune the run to have it again")
    if not isinstance(document.get("tried"), dict):
        raise InputError(f"{path}: does not say what was tried; tune the run")
    return document


def tried_decodings(folder: StrPath) -> dict[str, Decoding]:
    """The best with each decoder on each source, as tuning left them.

    Returns:
      `DECODER, SOURCE`, for mixtures with `, mixtures` -> decoding.

    Raises:
      InputError: there is none, or it is broken.
    """
    found, document = {}, read_decoding(folder)
    fields = {f.name for f in dataclasses.fields(Decoding)}
    try:
        for truth, tried in document["tried"].items():
            for one in tried:
                given = {name: one[name] for name in fields}
                decoding = Decoding.from_dict(given)
                name = f"{decoding.decoder.name}, {decoding.scores}"
                found[f"{name}, mixtures" if truth == "mixtures" else name] = decoding
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{packaged.resolve(folder) / DECODING_NAME}: broken"
            f" ({type(error).__name__}: {error}); tune the run again"
        ) from error
    return found


def write_decoding(folder: pathlib.Path, document: dict[str, Any]) -> None:
    """Writes decoding.json, see `tuning.Found.document`."""
    documents.write(folder / DECODING_NAME, document, indent=None)


def read_config(folder: StrPath) -> dict[str, Any]:
    """config.json of a run folder.

    Raises:
      InputError: when there is none, or it is broken.
    """
    path = packaged.resolve(folder) / "config.json"
    if not path.exists():
        raise InputError(
            f"{folder}: not a run folder (no config.json); the folder that a training"
            " wrote is needed"
        )
    advice = "fetch the run again, or train it again in another folder"
    config = documents.read(path, advice)
    for part in ("model", "training", "data"):
        if not isinstance(config.get(part), dict):
            raise InputError(f"{path}: broken (no {part}); {advice}")
    return config


def write_config(folder: pathlib.Path, config: dict[str, Any]) -> None:
    documents.write(folder / "config.json", config)


def start_or_resume(
    folder: pathlib.Path, document: dict[str, Any], classes: ClassList, resume: bool
) -> tuple[dict[str, list[Array]], dict[str, Any]] | None:
    """Makes a run's folder, or checks that the one there is this very run.

    Args:
      folder: of the run.
      document: its config.json.
      classes: the vocabulary.
      resume: whether a run that is there may be gone on with.

    Returns:
      What `ResumePoint.load` gives of a run that was begun, None for a new one.

    Raises:
      InputError: a folder of something else, or a run of other settings.
    """
    atomic.require_files(folder)
    atomic.remove_leftovers(folder)
    classes_path = folder / "classes.csv"
    if not (folder / "config.json").exists():
        if folder.exists() and any(folder.iterdir()) and not classes_path.exists():
            raise InputError(
                f"out={folder}: the folder is not empty and no run of tfweak; choose"
                " another"
            )
        folder.mkdir(parents=True, exist_ok=True)
        classes.write_csv(classes_path)
        write_config(folder, document)
        return None
    if not resume:
        raise InputError(f"out={folder}: holds a run already, and resume is off")
    before = read_config(folder)
    if "random_rows" in document["training"]:  # begun when there were none
        before["training"].setdefault("random_rows", 0)
    before["model"] = complete(before["model"])
    if "self" in before["training"].get("supervision", ""):
        # begun when there was no other
        before["training"].setdefault("self_supervision", "pseudo_labels")
    for part in ("model", "training", "data"):
        known, now = _flat(before[part]), _flat(document[part])
        for key in sorted(set(known) | set(now)):
            if known.get(key) != now.get(key) and (part, key) != ("training", "epochs"):
                raise InputError(
                    f"out={folder}: holds a run with {part} {key}={known.get(key)!r},"
                    f" now it is {now.get(key)!r}; choose another folder, or give the"
                    " settings of the run to go on with it"
                )
    again = {**before, "training": document["training"]}
    if before.get("versions") != document["versions"]:
        again["resumed_with"] = document["versions"]
    write_config(folder, again)
    return resume_point.ResumePoint(folder).load()


def _flat(document: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists and tuples are leaves, alike."""
    if isinstance(document, dict):
        out = {}
        for key, value in document.items():
            out.update(_flat(value, f"{prefix}.{key}" if prefix else key))
        return out
    return {prefix: list(document) if isinstance(document, tuple) else document}


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def save_model(network: keras.Model, path: pathlib.Path) -> None:
    """Saves a Keras model whole or not at all."""
    with atomic.replaced(path, suffix=f"{atomic.SUFFIX}{path.suffix}") as temporary:
        network.save(temporary)


def write_history(path: pathlib.Path, rows: list[dict[str, float]]) -> None:
    """history.csv: a row an epoch."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(str(row.get(name, "")) for name in names) for row in rows]
    atomic.write_text(path, "\n".join(lines) + "\n")


def read_history(path: pathlib.Path) -> list[dict[str, float]]:
    """The rows of history.csv, an epoch each, with `val_mAP` in all.

    Raises:
      InputError: it is missing or broken.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = [
                {k: float(v) for k, v in row.items() if v}
                for row in csv.DictReader(handle)
            ]
        if not rows or not all("val_mAP" in row for row in rows):
            raise ValueError("an epoch without val_mAP, or none")
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); fetch the run"
            " again, or train it again"
        ) from error
    return rows
