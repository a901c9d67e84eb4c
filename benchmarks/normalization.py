"""Masked batch normalisation: ours against Keras's, forward and backward.

  python benchmarks/normalization.py

Maps are those of first convolutions, 16 clips of which one in four is half as long as
the others. Both normalise in turn; the fastest round of each counts, for whatever else
the machine does only slows it down.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from tfweak.models.networks.normalization import MaskedBatchNormalization

ROUNDS = 15
# tlweak at width 0.25; gated_crnn at width 0.25 and as published
SHAPES = [(16, 860, 128, 4), (16, 240, 64, 32), (16, 240, 64, 128)]


def main() -> None:
    for shape in SHAPES:
        for policy in ("float32", "mixed_bfloat16"):
            layers = {
                "ours": MaskedBatchNormalization(dtype=policy),
                "Keras": keras.layers.BatchNormalization(dtype=policy),
            }
            steps = {name: _step(layer, shape) for name, layer in layers.items()}
            best = dict.fromkeys(steps, float("inf"))
            for _ in range(ROUNDS):
                for name, step in steps.items():
                    began = time.perf_counter()
                    step()
                    best[name] = min(best[name], time.perf_counter() - began)
            print(
                f"{shape}, {policy}: ours {1e3 * best['ours']:.1f} ms, Keras's"
                f" {1e3 * best['Keras']:.1f} ms, {best['Keras'] / best['ours']:.2f} x"
            )


def _step(layer, shape):
    clips, rows = shape[:2]
    layer.build(shape)
    values = tf.cast(tf.random.normal(shape), layer.compute_dtype)
    incoming = tf.cast(tf.random.normal(shape), layer.compute_dtype)
    lengths = [rows // 2 if clip % 4 == 0 else rows for clip in range(clips)]
    mask = tf.sequence_mask(lengths, rows)
    if isinstance(layer, keras.layers.BatchNormalization):
        mask = mask[:, :, tf.newaxis]  # it broadcasts over all axes but the last

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(values)
            out = layer.call(values, mask=mask, training=True)
        return tape.gradient(out, [values, layer.gamma.value], incoming)

    gradients()  # traced
    return lambda: gradients()[1].numpy()


if __name__ == "__main__":
    main()
