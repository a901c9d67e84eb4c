"""Training and inference speed of every system that reads audio, in one run.

  python benchmarks/systems.py WIDTH

WIDTH scales the systems of Kim & Ghaffarzadegan 2019 (1 is the published size; those of
Xu et al. 2017 have theirs). Inputs are features of 10 s, made beforehand, 10 classes,
batches of 16. The systems take turns; clips a second are of the fastest round, for
whatever else the machine does only slows it down, and ratios are to the `attention_fcn`
without supervision.
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

CLASSES, CLIPS, SECONDS = 10, 16, 10
ROUNDS = 4
BASE = "attention_fcn, unsupervised"
# name -> architecture, settings, supervision
SCALED = {
    "attention_fcn, average": ("attention_fcn", {"pooling": "average"}, "none"),
    BASE: ("attention_fcn", {}, "none"),
    "attention_fcn, self": ("attention_fcn", {}, "self"),
    "tlweak": ("tlweak", {}, "none"),
    "resnet_att": ("resnet_att", {}, "none"),
    "mmnet_ms": ("mmnet_ms", {}, "none"),
    "gated_crnn": ("gated_crnn", {}, "none"),
}
AS_PUBLISHED = {
    name: (name, {}, "none")
    for name in ("cgrnn", "att_loc", "dae_dnn", "cakir_cnn", "lidy_cnn")
}


def main(width: float) -> None:
    tf.get_logger().setLevel("ERROR")  # each system is traced anew
    systems = {}
    for name, (architecture, settings, supervision) in {
        **SCALED,
        **AS_PUBLISHED,
    }.items():
        settings = {**settings, **({"width": width} if name in SCALED else {})}
        if architecture == "attention_fcn":
            settings["batch_norm"] = True  # as from random weights
        systems[name] = _system(architecture, settings, supervision)
    best = {name: [np.inf, np.inf] for name in systems}
    for _ in range(ROUNDS):
        for name, (_, train, infer) in systems.items():
            for i, step in enumerate((train, infer)):
                began = time.perf_counter()
                step()
                best[name][i] = min(best[name][i], time.perf_counter() - began)
    print(
        f"width {width:g}, {CLASSES} classes, batches of {CLIPS} clips of {SECONDS} s"
    )
    print("| system | parameters | training clips/s | | inference clips/s | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (parameters, _, _) in systems.items():
        cells = [name, f"{parameters:,}"]
        for mine, base in zip(best[name], best[BASE]):
            cells += [f"{CLIPS / mine:.1f}", f"{base / mine:.2f} x"]
        print(f"| {' | '.join(cells)} |", flush=True)


def _system(name, settings, supervision):
    architecture = create(name, CLASSES, **settings)
    front_end = architecture.front_end
    frames = front_end.num_frames(SECONDS * front_end.sample_rate_hz)
    rng = np.random.default_rng(0)
    x = {
        "features": tf.constant(
            rng.normal(size=(CLIPS, frames, front_end.num_bins)), tf.float32
        ),
        "num_frames": tf.fill([CLIPS], frames),
    }
    y = {"weak": tf.constant(rng.random((CLIPS, CLASSES)) < 0.2, tf.float32)}
    network = architecture.build("auto")
    model = WeakModel(network, Supervision(supervision))
    model.compile(keras.optimizers.Adam(1e-3))
    step = tf.function(model.train_step)
    answer = tf.function(lambda x: network(x, training=False)["clip_probs"])

    def train():
        step((x, y))["loss"].numpy()

    def infer():
        answer(x).numpy()

    train()  # traced, and variables made
    infer()
    parameters = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    return parameters, train, infer


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(float(sys.argv[1])))
