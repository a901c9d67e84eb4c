"""Reading embeddings: one parse a batch against one a clip, large shards against tiny.

  python benchmarks/input_pipeline.py FOLDER_OF_OFFICIAL_SHARDS

Re-shards the folder into a temporary one first. All ways read the same clips in one
run, in turn, and the medians and their ratios are printed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time

import tensorflow as tf

from tfweak.data import parsing, pipelines, sources, targets
from tfweak.data_prep.commands import prepare

BATCH_SIZE = 500
ROUNDS = 3


def by_clip(data: sources.ClipData) -> tf.data.Dataset:
    """The usual way: parse each clip, then batch."""
    make = targets.Targets(data)

    def one(clip: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = parsing.features(serialized[tf.newaxis], data.payload, num_frames=10)
        return x["features"][0], make(clip[tf.newaxis], 10)["weak"][0]

    dataset = data.open_numbered().map(one, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(2)


def by_batch(data: sources.ClipData) -> tf.data.Dataset:
    """The library's way: batch, then parse the batch."""
    config = pipelines.InputConfig(BATCH_SIZE, cache_bytes=0)
    return pipelines.evaluation_batches(data, config)


def main() -> None:
    source = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/large"
        status = prepare.main(
            ["--dataset=audioset_embeddings", f"--source={source}", f"--out={out}"]
        )
        if status not in (0, 3):
            sys.exit(status)
        tiny, large = sources.open_data([source]), sources.open_data([out])
        ways = {
            "a parse a clip, tiny shards": lambda: by_clip(tiny),
            "a parse a batch, tiny shards": lambda: by_batch(tiny),
            "a parse a batch, large shards": lambda: by_batch(large),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, make in ways.items():
                began = time.perf_counter()
                for _batch in make():
                    pass
                seconds[name].append(time.perf_counter() - began)
        medians = {name: statistics.median(found) for name, found in seconds.items()}
        slowest = medians["a parse a clip, tiny shards"]
        print(
            f"{len(tiny.files)} tiny and {len(large.files)} large shards,"
            f" {ROUNDS} rounds"
        )
        for name, median in medians.items():
            print(f"{name:32} {median:6.2f} s  {slowest / median:5.1f} x")


if __name__ == "__main__":
    main()
