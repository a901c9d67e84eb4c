"""The network in float32, bfloat16 and with XLA: the reason for the defaults.

  python benchmarks/precision.py [WIDTH]

Times forward passes and training steps of attention_fcn (WIDTH 1 if not given, 8 clips
of 10 s) in turn, and prints medians and ratios of one run.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import tensorflow as tf

from tfweak.learning import weak_model
from tfweak.models.architecture import create

CLIPS = 8
ROUNDS = 5
WAYS = {
    "float32": ("float32", False),
    "float32, XLA": ("float32", True),
    "bfloat16": ("bfloat16", False),
    "bfloat16, XLA": ("bfloat16", True),
}


def main() -> None:
    width = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    rng = np.random.default_rng(0)
    x = {
        "features": rng.normal(size=(CLIPS, 998, 64)).astype(np.float32),
        "num_frames": np.full(CLIPS, 998, np.int32),
    }
    y = {"weak": (rng.random((CLIPS, 527)) < 0.01).astype(np.float32)}
    x, y = tf.nest.map_structure(tf.constant, (x, y))
    models = {}
    for name, (precision, jit) in WAYS.items():
        network = create("attention_fcn", 527, width=width).build(precision)
        model = weak_model.WeakModel(network)
        model.compile(optimizer="adam", jit_compile=jit)
        models[name] = model
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in WAYS}
    for turn in range(ROUNDS + 1):  # the first traces and compiles
        for name, model in models.items():
            for what, call in (
                ("forward", lambda model=model: model.predict_on_batch(x)),
                ("training", lambda model=model: model.train_on_batch(x, y)),
            ):
                began = time.perf_counter()
                call()
                if turn:
                    found = seconds[name].setdefault(what, [])
                    found.append(time.perf_counter() - began)
    for what in ("forward", "training"):
        base = statistics.median(seconds["float32"][what])
        for name in WAYS:
            median = statistics.median(seconds[name][what])
            print(
                f"{what:9} {name:15} {CLIPS / median:7.1f} clips/s"
                f"  {base / median:5.2f} x float32"
            )


if __name__ == "__main__":
    main()
