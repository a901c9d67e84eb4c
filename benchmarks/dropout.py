"""Dropout of units, which are not computed, against that of single values.

  python benchmarks/dropout.py

A training step of `embedding_attention` as it is by default, on half of the rows of 500
clips. Both kinds take turns in one process; the ratio is of their medians, and the
smallest and largest are those of rounds of three steps.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tfweak.learning.weak_model import WeakModel
from tfweak.models.architecture import create

ROUNDS = 7
STEPS = 3
CLIPS, ROWS, CLASSES = 500, 5, 527


def main() -> None:
    rng = np.random.default_rng(0)
    x = {
        "features": rng.integers(0, 256, (CLIPS, ROWS, 128)).astype(np.float32),
        "num_frames": np.full(CLIPS, ROWS, np.int32),
    }
    y = (rng.random((CLIPS, CLASSES)) < 2 / CLASSES).astype(np.float32)
    times = {}
    models = {}
    for kind in ("units", "values"):
        network = create("embedding_attention", CLASSES, dropout_of=kind).build()
        models[kind] = WeakModel(network)
        models[kind].compile(keras.optimizers.Adam(1e-3))
        models[kind].train_on_batch(x, y)  # traces
        times[kind] = []
    for _ in range(ROUNDS):
        for kind, model in models.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                model.train_on_batch(x, y)
            times[kind].append((time.perf_counter() - began) / STEPS)
    ratios = np.array(times["values"]) / times["units"]
    units, values = (np.median(times[kind]) for kind in ("units", "values"))
    print(
        f"values {values:.3f} s a step, units {units:.3f} s: {values / units:.2f} x"
        f" ({ratios.min():.2f} to {ratios.max():.2f})"
    )


if __name__ == "__main__":
    main()
