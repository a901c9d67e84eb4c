"""The commands that are killed, on tiny data, and what they leave."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import pathlib
import re
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import made
import matplotlib.pyplot  # noqa: F401  what takes long to import, for all that fork
import numpy as np
import soundfile
import tensorflow as tf

import tfweak.data_prep.writer
import tfweak.models.experiments.runner
import tfweak.models.runs.predictions  # noqa: F401
from tfweak.data_prep.commands import prepare
from tfweak.models.architecture import create
from tfweak.models.commands import evaluate, experiment, export, predict, train
from tfweak.payload import Payload

SMALL = "hidden_units=8,hidden_layers=1,feature_units=8"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command in a folder of its own, whose `out` it writes.

    Attributes:
      main: what is called.
      arguments: of it; data lie beside the folder, in `../../data`.
      status: that it ends with.
    """

    main: Callable[[list[str]], int]
    arguments: tuple[str, ...]
    status: int = 0


_PREPARE = (
    "--dataset=folder",
    "--source=../../data/audio",
    "--clips_per_shard=2",
    "--out=out",
)
_TRAIN = (
    "--data=../../data/train",
    f"--set={SMALL}",
    "--batch_size=8",
    "--valid_fraction=0.3",
    "--precision=float32",
)

# two of the recordings are broken: 3
COMMANDS = {
    "prepare": Command(prepare.main, (*_PREPARE, "--workers=1"), 3),
    "prepare-2-workers": Command(prepare.main, (*_PREPARE, "--workers=2"), 3),
    "train": Command(train.main, (*_TRAIN, "--epochs=3", "--out=out")),
    "predict": Command(
        predict.main,
        (
            "--run=../../data/run",
            "../../data/audio",
            "--out=out/events.tsv",
            "--format=desed,raven,jsonl",
            "--scores=out/scores",
            "--precision=float32",
            "--batch_size=2",
        ),
        3,
    ),
    "predict-per-file": Command(
        predict.main,
        (
            "--run=../../data/run",
            "../../data/audio",
            "--out=out",
            "--per_file",
            "--precision=float32",
            "--batch_size=2",
        ),
        3,
    ),
    "experiment": Command(
        experiment.main,
        (
            "--table=kim2019_table2",
            "--rows=average,unsupervised",
            "--train_data=../../data/train",
            "--test_data=../../data/test",
            "--trials=1",
            f"--set={SMALL}",
            "--training=epochs=1,batch_size=16",
            "--out=out",
        ),
    ),
    "evaluate": Command(
        evaluate.main,
        (
            "--run=../../data/trained",
            "--data=../../data/test",
            "--out=out/metrics.json",
        ),
    ),
    "export": Command(export.main, ("--run=../../data/run", "--out=out/model")),
}


def make_data(folder: pathlib.Path) -> None:
    """What the commands read."""
    made.make_embeddings(folder / "train", 40, 1)
    made.make_embeddings(folder / "test", 24, 2)
    audio = folder / "audio"
    audio.mkdir()
    rng = np.random.default_rng(0)
    rows = ["filename,labels"]
    for number in range(14):
        name = f"{number:02d}.wav"
        samples = rng.uniform(-0.5, 0.5, 16000 * (1 + number % 3))
        soundfile.write(audio / name, samples, 16000)
        rows.append(f"{name},class{number % 3}")
    (audio / "tags.csv").write_text("\n".join([*rows, ""]))
    (audio / "03.wav").write_bytes(b"")
    broken = audio / "08.wav"
    broken.write_bytes(broken.read_bytes()[:-20000])
    model = create("attention_fcn", 3, width=0.02)
    payload = Payload("log_mel", "float16", {})
    made.write_run(folder / "run", model, payload, segment=0.5, clip=0.0)
    data = [f"--data={folder / 'train'}", f"--out={folder / 'trained'}"]
    assert train.main([*data, *_TRAIN[1:], "--epochs=1"]) == 0


def content(folder: pathlib.Path) -> dict[str, Any]:
    """What a folder holds by name, without dates, durations and logs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[f"{name}/"] = ""
        elif path.parent.name == "tensorboard":
            found.setdefault(f"{path.parent.relative_to(folder)}", {}).update(
                _curves(path)
            )
        elif path.name != "log.txt":
            found[name] = _READERS.get(path.suffix, bytes)(path.read_bytes())
    return found


def _document(stored: bytes) -> Any:
    """JSON without what is never twice the same.

    Those are durations, and checksums of documents with them.
    """

    def kept(item: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in item.items() if k != "checksum"}

    document = json.loads(stored, object_hook=kept)
    return {**document, "seconds": 0} if isinstance(document, dict) else document


def _curves(path: pathlib.Path) -> dict[tuple[str, int], bytes]:
    """An epoch that a kill had computed anew is there twice, and the same."""
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            found[value.tag, event.step] = value.tensor.tensor_content
    return found


def _weights(archive: bytes) -> dict[str, Any]:
    found = {}
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as files,
        h5py.File(io.BytesIO(files.read("model.weights.h5"))) as weights,
    ):

        def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item[()].tobytes()

        weights.visititems(note)
        # Keras numbers objects by where they lie in memory
        config = re.sub(rb'"shared_object_id": \d+', b"", files.read("config.json"))
        return {**found, "config": config}


def _arrays(archive: bytes) -> dict[str, bytes]:
    with np.load(io.BytesIO(archive)) as stored:
        return {name: stored[name].tobytes() for name in stored.files}


_READERS: dict[str, Callable[[bytes], Any]] = {
    ".json": _document,
    ".keras": _weights,
    ".npz": _arrays,
    ".gz": gzip.decompress,
}
