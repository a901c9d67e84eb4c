"""What one environment writes and another one reads.

  python tests/versions/exchange.py write|read FOLDER

`write` fills FOLDER with prepared data, a run, its two exports and a fitted model; both
write what is in there, and what it answers, to FOLDER/write.npz or FOLDER/read.npz.
Then `read` goes on with the run and with the fit.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import tensorflow as tf

import tfweak
from tfweak.data import pipelines
from tfweak.data_prep.commands import prepare
from tfweak.models.commands import export, train

SAMPLE_RATE_HZ = 16000
BATCHES = tfweak.InputConfig(batch_size=8, num_frames=398)


def run(command, *arguments):
    assert command.main([str(argument) for argument in arguments]) == 0, arguments


def train_run(folder, epochs):
    run(
        train,
        f"--data={folder / 'data'}",
        "--set=width=0.05,batch_norm=true",
        "--supervision=self",
        "--batch_size=8",
        "--precision=float32",
        f"--epochs={epochs}",
        f"--out={folder / 'run'}",
    )


def fit(model, data):
    model.fit(tfweak.training_batches(data, BATCHES), epochs=1, verbose=0)


def write(folder):
    run(
        prepare,
        "--dataset=soundscapes",
        "--profile=chime_like",
        "--num_clips=40",
        "--workers=1",
        f"--out={folder / 'data'}",
    )
    train_run(folder, epochs=1)
    run(export, f"--run={folder / 'run'}", f"--out={folder / 'saved_model'}")
    run(export, f"--run={folder / 'run'}", "--form=run", f"--out={folder / 'passed'}")
    data = tfweak.open_data([folder / "data"])
    architecture = tfweak.load(folder / "run").architecture
    model = tfweak.WeakModel(architecture.build(), tfweak.Supervision("self"))
    model.compile(optimizer="adam")
    fit(model, data)
    model.save(folder / "model.keras")


def answers(folder):
    """Name -> array."""
    found = {}
    data = tfweak.open_data([folder / "data"])
    batches = list(pipelines.evaluation_batches(data, BATCHES))
    for number, tensor in enumerate(tf.nest.flatten(batches)):
        value = tensor.numpy()  # clip ids are objects to NumPy
        found[f"data {number}"] = value.astype("S") if value.dtype == object else value
    waveform = np.random.default_rng(0).uniform(-0.3, 0.3, 4 * SAMPLE_RATE_HZ)
    for name in ("run", "passed"):
        loaded = tfweak.load(folder / name, "float32")
        answer = loaded.predict(waveform, SAMPLE_RATE_HZ)
        for key in ("clip_probs", "segment_probs", "attention"):
            found[f"{name} {key}"] = getattr(answer, key)
        metrics = loaded.evaluate(data, allow_overlap=True)
        found[f"{name} mAP"] = np.array(metrics["mAP"])
    served = tf.saved_model.load(str(folder / "saved_model"))
    given = tf.constant(waveform[np.newaxis], tf.float32)
    for key, value in served.signatures["serving_default"](waveform=given).items():
        found[f"saved_model {key}"] = value.numpy()
    model = tfweak.load_model(folder / "model.keras")
    for key, value in model(batches[0][0]).items():
        found[f"model.keras {key}"] = np.asarray(value)
    for number, variable in enumerate(model.optimizer.variables):
        found[f"optimizer {number}"] = np.asarray(variable)
    return found


def main():
    what, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "write":
        write(folder)
    np.savez(folder / f"{what}.npz", **answers(folder))
    if what == "read":
        train_run(folder, epochs=2)
        model = tfweak.load_model(folder / "model.keras")
        fit(model, tfweak.open_data([folder / "data"]))
        assert int(model.optimizer.iterations) == 10  # twice five batches


if __name__ == "__main__":
    main()
