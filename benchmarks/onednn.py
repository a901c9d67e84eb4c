"""The networks with and without oneDNN's kernels: the reason for the default.

  python benchmarks/onednn.py [ROUNDS]

TensorFlow decides once a process, so each measurement is one of its own, in turn.
Prints medians and ratios of one run. On CPUs with AVX512-VNNI, AMX and the like
TensorFlow takes oneDNN anyway.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

STEPS = 8
ONE_HEAD = {"feature_units": 0, "dropout_of": "values", "residual": False}
CLIPS = {"attention_fcn": 16, "embedding_attention": 500}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for switch in ("0", "1"):
            output = subprocess.run(
                [sys.executable, __file__, "--here"],
                env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": switch},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
            for what, rate in json.loads(output).items():
                found.setdefault(what, {}).setdefault(switch, []).append(rate)
    for what, rates in found.items():
        without, with_it = (statistics.median(rates[s]) for s in ("0", "1"))
        print(
            f"{what:30} {without:8.1f} clips/s without, {with_it:8.1f} with"
            f" ({with_it / without:.2f} x)"
        )


def measure() -> None:
    import numpy as np
    import tensorflow as tf

    from tfweak.learning import weak_model
    from tfweak.models.architecture import create

    rng = np.random.default_rng(0)
    inputs = {
        "attention_fcn": ({"width": 0.125, "batch_norm": True}, (998, 64), 10),
        "embedding_attention": (ONE_HEAD, (10, 128), 527),
    }
    rates = {}
    for name, (settings, shape, classes) in inputs.items():
        clips = CLIPS[name]
        network = create(name, classes, **settings).build("float32")
        model = weak_model.WeakModel(network)
        model.compile(optimizer="adam")
        x = {
            "features": rng.normal(size=(clips, *shape)).astype(np.float32),
            "num_frames": np.full(clips, shape[0], np.int32),
        }
        y = {"weak": (rng.random((clips, classes)) < 0.1).astype(np.float32)}
        x, y = tf.nest.map_structure(tf.constant, (x, y))
        for what, call in (
            ("forward", lambda model=model, x=x: model.predict_on_batch(x)),
            ("training", lambda model=model, x=x, y=y: model.train_on_batch(x, y)),
        ):
            call()  # traces
            began = time.perf_counter()
            for _ in range(STEPS):
                call()
            seconds = time.perf_counter() - began
            rates[f"{name}, {what}"] = STEPS * clips / seconds
    print(json.dumps(rates))


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["--here"] else main()
