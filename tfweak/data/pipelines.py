"""tf.data input: records in, batches of padded features, lengths and labels out.

    data = sources.open_data(["prepared/train"])
    train, valid = data.split(valid_fraction=0.1, seed=0)
    batches = training_batches(train, InputConfig(batch_size=32), epoch=0)

Every element is `(x, y)`: x has `features` (B, T_in, F) float32 and `num_frames` (B,)
int32; y has `weak` (B, C), and where asked for `strong` (B, T, C) and `has_strong`
(B,); in evaluation `clip_id` (B,) and `clip` (B,), its number in the data, by which
the data tells more of it. An epoch's order follows from the seed and the epoch's
number alone, so that a run can resume at any epoch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..audio import front_ends, in_graph
from ..audio.front_end_layer import FrontEndLayer
from ..errors import InputError
from ..labels import SegmentGrid
from ..typing import Array, StrPath, Tensors
from . import parsing
from .sources import ClipData, uniform_hash
from .targets import Targets


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """How clips become batches.

    Attributes:
      batch_size: clips a batch.
      num_frames: training clips are padded or cut to this many rows; None pads each
        batch to its longest clip.
      grid: the model's segments; gives `strong` labels on them; None leaves them out.
      num_segments: rows of input -> segments of the model, for ints and tensors; one a
        row if not given.
      front_end: the model's, for data that holds waveforms; VGGish's where None.
      balance: repeat clips of rare classes (repeat-factor sampling, Gupta et al. 2019):
        a clip comes max_c sqrt(mean frequency / frequency of c) times an epoch on
        average, at least once.
      random_rows: share of a clip's rows, drawn at random in each step; 0 for all. For
        models with a segment a row.
      mixup: alpha of the Beta distribution of mixup (Zhang et al. 2018); 0 is off.
      seed: of shuffling, balancing, drawing and mixing.
      shuffle_clips: size of the shuffle buffer.
      cache_bytes: records are kept in memory when the files are no larger in all; of
        waveforms, their features.
    """

    batch_size: int = 32
    num_frames: int | None = None
    grid: SegmentGrid | None = None
    num_segments: Callable[[Any], Any] = lambda rows: rows
    front_end: front_ends.FrontEnd | None = None
    balance: bool = False
    random_rows: float = 0.0
    mixup: float = 0.0
    seed: int = 0
    shuffle_clips: int = 4096
    cache_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch size {self.batch_size}: at least 1 is needed")
        if not 0 <= self.random_rows <= 1:
            raise InputError(
                f"random rows {self.random_rows}: a share, 0 (all) to 1, is needed"
            )
        if self.mixup < 0:
            raise InputError(f"mixup {self.mixup}: 0 (off) or more is needed")


class TrainingInput:
    """The training batches of every epoch; small data stays in memory between them."""

    def __init__(self, data: ClipData, config: InputConfig) -> None:
        self._data, self._config = data, config
        self._in_memory = data.num_bytes <= config.cache_bytes
        # (N,) records or, of waveforms, (N, None, F) features
        self._clips: tf.Tensor | tf.RaggedTensor | None = None

    def whole_clips(self) -> tf.data.Dataset:
        """Every clip once, whole, in file order, with its `weak` labels.

        What is in memory for the epochs is not read, nor computed, a second time. Take
        them before the first epoch: features of waveforms are then not rounded yet.
        """
        if not self._in_memory:
            return evaluation_batches(self._data, self._config)
        clips = tf.data.Dataset.range(len(self._data))
        return _batches(clips, self._data, self._config, held=self._load(tf.float32))

    def epoch(self, number: int) -> tf.data.Dataset:
        """The batches of one epoch, in the order that seed and epoch give."""
        config, data = self._config, self._data
        rng = np.random.default_rng([config.seed, number])
        times = _repeats(data, config, number)
        if self._in_memory:
            numbers = np.repeat(np.arange(len(data)), times)
            clips = tf.data.Dataset.from_tensor_slices(numbers)
            held, buffer = self._load(tf.float16), len(data)
        else:
            order = rng.permutation(len(data.files))
            # an enumeration of each shard would take longer than reading it
            ranges = data.starts[order], data.starts[order + 1]
            positions = _interleaved(ranges, tf.data.Dataset.range)
            positions = positions.batch(int(data.starts[-1])).get_single_element()
            read = _interleaved(
                np.array(data.files)[order],
                tf.data.TFRecordDataset,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            positions = tf.data.Dataset.from_tensor_slices(positions)
            clips = data.select(tf.data.Dataset.zip((positions, read)), times)
            held, buffer = None, config.shuffle_clips
        clips = clips.shuffle(
            buffer, seed=int(rng.integers(1 << 31)), reshuffle_each_iteration=False
        )
        dataset = _batches(clips, data, config, config.num_frames, held)
        steps = -(-int(times.sum()) // config.batch_size)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
        if config.random_rows or config.mixup:
            number = int(rng.integers(1 << 31))

            def varied(batch: tuple[Tensors, Tensors], step: tf.Tensor) -> Any:
                seed = tf.stack([tf.cast(step, tf.int32), number])
                if config.random_rows:
                    batch = draw_rows(*batch, config.random_rows, seed)
                return mix(*batch, config.mixup, seed) if config.mixup else batch

            steps = tf.data.Dataset.counter()
            dataset = tf.data.Dataset.zip((dataset, steps)).map(
                varied, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
            )
        return _to_device(dataset)

    def _load(self, dtype: tf.DType) -> tf.Tensor | tf.RaggedTensor:
        """All clips in memory; features in a precision, at most what they were in."""
        data = self._data
        with tf.device("CPU"):
            if self._clips is None and data.payload.kind == "waveform":
                once = dataclasses.replace(self._config, grid=None, cache_bytes=0)
                parts = [
                    tf.RaggedTensor.from_tensor(
                        tf.cast(x["features"], dtype), x["num_frames"]
                    )
                    for x, _ in evaluation_batches(data, once)
                ]
                self._clips = tf.concat(parts, axis=0)
            elif self._clips is None:
                whole = data.open_numbered().batch(len(data))
                self._clips = whole.get_single_element()[1]
            if isinstance(self._clips, tf.RaggedTensor):
                self._clips = tf.cast(self._clips, dtype)
        return self._clips


def training_batches(
    data: ClipData, config: InputConfig, epoch: int = 0
) -> tf.data.Dataset:
    """The training batches of a single epoch; see `TrainingInput` for many."""
    return TrainingInput(data, config).epoch(epoch)


def evaluation_batches(data: ClipData, config: InputConfig) -> tf.data.Dataset:
    """Every clip once, whole, in file order, padded to the longest of its batch."""
    dataset = data.open_numbered()
    small = data.num_bytes <= config.cache_bytes
    waveforms = data.payload.kind == "waveform"
    if small and not waveforms:
        dataset = dataset.cache()
    dataset = _batches(dataset, data, config, ids=tf.constant(data.clip_ids))
    if small and waveforms:  # their features are costly, and no larger
        dataset = dataset.cache()
    # stays on the host, for clip ids are strings
    return _without_tuning(dataset).prefetch(tf.data.AUTOTUNE)


def audio_file_batches(
    paths: Sequence[StrPath],
    weak: Array,
    batch_size: int,
    num_frames: int | None = None,
    front_end: front_ends.FrontEnd | None = None,
) -> tf.data.Dataset:
    """Batches straight from audio files, decoded and framed inside the pipeline.

    For a look at some files or a set too small to prepare; preparing records is several
    times as fast from the second epoch on.

    Args:
      paths: (N,) files of any format, rate and length.
      weak: (N, C) labels in {0, 1}.
      batch_size: clips a batch.
      num_frames: pad or cut to so many frames; None pads each batch to its longest.
      front_end: the model's, at whose rate the files are read; VGGish's where None.

    Returns:
      `(x, y)` batches in the order of the paths, as from records.

    Raises:
      InputError: labels that do not fit the paths.
    """
    labels = np.asarray(weak, np.float32)
    if labels.ndim != 2 or len(labels) != len(paths):
        raise InputError(f"{len(paths)} files but labels of shape {labels.shape}")
    layer = FrontEndLayer(front_end or front_ends.get(front_ends.DEFAULT))

    def load(path: tf.Tensor, label: tf.Tensor) -> tuple[Any, Any, Any]:
        waveform = in_graph.read_audio_in_graph(path, layer.config.sample_rate_hz)
        return waveform, tf.shape(waveform)[0], label

    def frame(
        waveform: tf.Tensor, num_samples: tf.Tensor, label: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        found = layer(waveform, num_samples)
        x = parsing.fit_frames(found["features"], found["num_frames"], num_frames)
        return x, {"weak": label}

    dataset = tf.data.Dataset.from_tensor_slices(([str(p) for p in paths], labels))
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.padded_batch(batch_size, ([None], [], [None]))
    return _to_device(dataset.map(frame, num_parallel_calls=tf.data.AUTOTUNE))


def draw_rows(
    x: dict[str, Any], y: dict[str, Any], share: float, seed: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A share of each clip's rows, drawn without replacement, in their order.

    Of n valid rows ceil(share n) are kept. The labels of segments follow their rows;
    those of clips are the whole clip's.

    Args:
      x, y: a batch as this module makes it, of a model with a segment a row.
      share: above 0, at most 1.
      seed: (2,) int32; the same seed draws alike.
    """
    size, num_rows = tf.unstack(tf.shape(x["features"])[:2])
    valid = tf.sequence_mask(x["num_frames"], num_rows)
    draw = tf.random.stateless_uniform([size, num_rows], seed + [0, 2])
    draw = tf.where(valid, draw, -1.0)

    def wanted_of(rows: tf.Tensor) -> tf.Tensor:
        # less what rounding adds, so that a third of 9 rows are 3
        return tf.cast(tf.math.ceil(share * tf.cast(rows, tf.float64) - 1e-6), tf.int32)

    counts, width = wanted_of(x["num_frames"]), wanted_of(num_rows)
    kept = tf.sequence_mask(counts, width)
    # the last place is sorted behind every row that is kept, and zeroed
    drawn = tf.where(kept, tf.math.top_k(draw, width).indices, num_rows - 1)
    drawn = tf.sort(drawn, axis=1)

    def rows_of(values: tf.Tensor) -> tf.Tensor:
        values = tf.gather(values, drawn, batch_dims=1)
        return tf.where(kept[..., tf.newaxis], values, tf.zeros_like(values))

    x = {"features": rows_of(x["features"]), "num_frames": counts}
    if "strong" in y:
        y = {**y, "strong": rows_of(y["strong"])}
    return x, y


def mix(
    x: dict[str, Any], y: dict[str, Any], alpha: float, seed: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Mixup (Zhang et al. 2018): each clip with another of its batch.

    lambda ~ Beta(alpha, alpha) a pair, the larger share for the clip itself; features
    and labels mix alike; a mix has strong labels where both clips have.

    Args:
      x, y: a batch as this module makes it.
      alpha: of the Beta distribution.
      seed: (2,) int32; the same seed mixes alike.
    """
    size = tf.shape(y["weak"])[0]
    gammas = tf.random.stateless_gamma([size, 2], seed, alpha)
    share = gammas[:, 0] / tf.reduce_sum(gammas, axis=1)
    share = tf.where(tf.math.is_finite(share), share, 1.0)
    share = tf.maximum(share, 1.0 - share)
    partner = tf.argsort(tf.random.stateless_uniform([size], seed + [0, 1]))

    def blend(value: tf.Tensor) -> tf.Tensor:
        weight = tf.reshape(share, [-1] + [1] * (value.shape.rank - 1))
        return weight * value + (1.0 - weight) * tf.gather(value, partner)

    x = {
        "features": blend(x["features"]),
        "num_frames": tf.maximum(x["num_frames"], tf.gather(x["num_frames"], partner)),
    }
    mixed = {**y, "weak": blend(y["weak"])}
    if "strong" in y:
        mixed["strong"] = blend(y["strong"])
        mixed["has_strong"] = y["has_strong"] & tf.gather(y["has_strong"], partner)
    return x, mixed


def _batches(
    clips: tf.data.Dataset,
    data: ClipData,
    config: InputConfig,
    num_frames: int | None = None,
    held: tf.Tensor | tf.RaggedTensor | None = None,
    ids: tf.Tensor | None = None,
) -> tf.data.Dataset:
    """Of numbers of clips that are held, or of pairs of a number and a record."""
    targets = Targets(data, config.grid, config.num_segments)

    def example(
        clips: tf.Tensor, found: tf.Tensor | tf.RaggedTensor | None = None
    ) -> tuple[Tensors, Tensors]:
        if held is not None:
            found = tf.gather(held, clips)
        if isinstance(found, tf.RaggedTensor):
            rows = tf.cast(found.row_lengths(), tf.int32)
            frames = tf.cast(found.to_tensor(), tf.float32)
            x = parsing.fit_frames(frames, rows, num_frames)
        else:
            x = parsing.features(found, data.payload, config.front_end, num_frames)
        y = targets(clips, tf.shape(x["features"])[1])
        if ids is not None:
            y |= {"clip": clips, "clip_id": tf.gather(ids, clips)}
        return x, y

    return clips.batch(config.batch_size).map(
        example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _interleaved(
    shards: Any, opened: Callable[..., Any], **parallel: Any
) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(shards).interleave(
        opened, cycle_length=16, block_length=4, **parallel
    )


def _to_device(dataset: tf.data.Dataset) -> tf.data.Dataset:
    dataset = _without_tuning(dataset)
    if tf.config.list_logical_devices("GPU"):
        return dataset.apply(tf.data.experimental.prefetch_to_device("/GPU:0", 2))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Without the thread that tunes buffers and parallel calls while a dataset is read.

    At the end of an epoch it is woken before it can see that it shall end. On a core
    that has other work it then sleeps on, up to a minute, and all wait for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _repeats(data: ClipData, config: InputConfig, epoch: int) -> Array:
    """(N,) how often each clip comes in an epoch."""
    wanted = np.ones(len(data))
    if config.balance:
        counts = np.maximum(data.label_counts, 1)
        factors = np.sqrt(np.maximum(counts.mean() / counts, 1.0))
        np.maximum.at(wanted, data.labels.row_ids, factors[data.labels.values])
        wanted += uniform_hash(data.clip_ids, config.seed, epoch)
    return np.floor(wanted).astype(np.int64)
