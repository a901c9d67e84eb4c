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

from tfweak.data import parsing, records
from tfweak.data_prep.commands import prepare
from tfweak.payload import OFFICIAL_EMBEDDINGS

BATCH_SIZE = 500
ROUNDS = 3


def by_clip(files: list[str], parse: parsing.Parser) -> tf.data.Dataset:
    """The usual way: parse each clip, then batch."""

    def one(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = parse(serialized[tf.newaxis])
        features = x["features"][0]
        return tf.pad(features, [[0, 10 - tf.shape(features)[0]], [0, 0]]), y["weak"][0]

    dataset = tf.data.TFRecordDataset(files)
    dataset = dataset.map(one, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(2)


def by_batch(files: list[str], parse: parsing.Parser) -> tf.data.Dataset:
    """The library's way: batch, then parse the batch."""
    dataset = tf.data.TFRecordDataset(files).batch(BATCH_SIZE)
    return dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def main() -> None:
    source = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/large"
        status = prepare.main(
            ["--dataset=audioset_embeddings", f"--source={source}", f"--out={out}"]
        )
        if status not in (0, 3):
            sys.exit(status)
        parse = parsing.Parser(OFFICIAL_EMBEDDINGS, 527)
        tiny, large = records.shards(source), records.shards(out)
        ways = {
            "a parse a clip, tiny shards": lambda: by_clip(tiny, parse),
            "a parse a batch, tiny shards": lambda: by_batch(tiny, parse),
            "a parse a batch, large shards": lambda: by_batch(large, parse),
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
        print(f"{len(tiny)} tiny and {len(large)} large shards, {ROUNDS} rounds")
        for name, median in medians.items():
            print(f"{name:32} {median:6.2f} s  {slowest / median:5.1f} x")


if __name__ == "__main__":
    main()
