"""What supervising the attention costs: a training step against an unsupervised one.

  python benchmarks/supervision.py

The steps of the systems take turns in one process; the ratio is of their medians, and
the smallest and largest are those of rounds of five steps.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tfweak.learning.supervision import Supervision
from tfweak.learning.weak_model import WeakModel
from tfweak.models.architecture import create

ROUNDS = 7
STEPS = 5
SYSTEMS = {
    "unsupervised": Supervision(),
    "self, pasting": Supervision("self"),
    "self, as printed": Supervision("self", self_supervision="pseudo_labels"),
    "self, soft": Supervision(
        "self",
        self_supervision="pseudo_labels",
        target="cross_entropy",
        pseudo_labels="soft",
        self_weight=0.1,
    ),
    "strong": Supervision("strong"),
    "strong and self": Supervision("strong+self"),
}
# architecture, classes, clips a step, rows and values of the input, settings
CASES = (
    (
        "embedding_attention",
        527,
        500,
        (10, 128),
        {"feature_units": 0, "dropout_of": "values", "residual": False},
    ),
    ("attention_fcn", 17, 16, (998, 64), {"width": 0.25}),
)


def main() -> None:
    tf.get_logger().setLevel("ERROR")  # each system is traced anew
    for name, classes, clips, shape, settings in CASES:
        architecture = create(name, classes, **settings)
        rng = np.random.default_rng(0)
        segments = architecture.num_segments(shape[0])
        x = {
            "features": tf.constant(rng.normal(size=(clips, *shape)), tf.float32),
            "num_frames": tf.fill([clips], shape[0]),
        }
        strong = rng.random((clips, segments, classes)) < 2 / classes / segments
        y = {
            "weak": tf.constant(strong.any(1), tf.float32),
            "strong": tf.constant(strong, tf.float32),
            "has_strong": tf.fill([clips], True),
        }
        steps = {}
        for system, supervision in SYSTEMS.items():
            model = WeakModel(architecture.build("auto"), supervision)
            model.compile(keras.optimizers.Adam(1e-3))
            steps[system] = (model, tf.function(model.train_step))
            _seconds(steps[system][1], x, y, 2)  # traced, and variables made
        times = {system: [] for system in SYSTEMS}
        for _ in range(ROUNDS):
            for system, (_, step) in steps.items():
                times[system].append(_seconds(step, x, y, STEPS))
        base = np.array(times["unsupervised"])
        print(f"{name} {settings or ''}, {clips} clips a step:")
        for system, found in times.items():
            ratios = np.array(found) / base
            print(
                f"  {system:18} {np.median(found):7.3f} s a step,"
                f" {np.median(found) / np.median(base):.3f} x"
                f" ({ratios.min():.3f} to {ratios.max():.3f})",
                flush=True,
            )


def _seconds(step, x, y, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        logs = step((x, y))
    logs["loss"].numpy()
    return (time.perf_counter() - began) / count


if __name__ == "__main__":
    sys.exit(main())
