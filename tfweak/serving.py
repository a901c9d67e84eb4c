"""SavedModels that answer in a process with TensorFlow and nothing of ours."""

from __future__ import annotations

import functools
import math
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .audio.front_end_layer import FrontEndLayer
from .data.input_spec import InputSpec
from .decoding.decoder import PADDING
from .decoding.decoding import CLIP_SCORES, Decoding
from .errors import InputError
from .extractor import Extractor
from .files import atomic, documents
from .labels import ClassList, Event, SegmentGrid
from .typing import StrPath

CLASSES_NAME = "classes.csv"
DECODING_NAME = "decoding.json"
OUTPUTS = ("clip_probs", "segment_probs", "attention")


class _Served(tf.Module):
    """The network behind named endpoints; every variable and asset is tracked, once.

    TensorFlow saves the weights of a tracked Keras model beside the variables that they
    hold, as if these were others: the network is called, and not tracked.
    """

    def __init__(
        self,
        network: keras.Model,
        grid: SegmentGrid,
        decoding: Decoding,
        folder: pathlib.Path,
    ) -> None:
        super().__init__(name="tfweak")
        self._network = functools.partial(network, training=False)
        self._grid = grid
        self._decoding = decoding
        self.weights = [weight.value for weight in network.weights]
        self.classes = tf.saved_model.Asset(str(folder / CLASSES_NAME))
        self.decoding = tf.saved_model.Asset(str(folder / DECODING_NAME))

    def answer(
        self, features: tf.Tensor, num_frames: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        checks = [
            tf.debugging.assert_greater(
                tf.shape(features)[1],
                0,
                message="a clip of no rows: at least one row of features is needed",
            ),
            tf.debugging.assert_positive(
                num_frames, message="num_frames: at least one valid row is needed"
            ),
        ]
        with tf.control_dependencies(checks):
            features = tf.identity(features)
        outputs = self._network({"features": features, "num_frames": num_frames})
        segments = tf.shape(outputs["segment_probs"])[1]
        onsets = self._grid.offset_seconds + self._grid.hop_seconds * tf.cast(
            tf.range(segments), tf.float32
        )
        times = tf.stack([onsets, onsets + self._grid.hop_seconds], axis=1)
        outputs = {k: tf.cast(v, tf.float32) for k, v in outputs.items()}
        outputs[CLIP_SCORES] = outputs["clip_probs"][:, tf.newaxis]
        scores = self._decoding.segment_scores(outputs, tf)
        is_valid = outputs["mask"][:, :, tf.newaxis] > 0
        return {
            **{name: outputs[name] for name in OUTPUTS},
            "event_scores": tf.where(is_valid, scores, np.float32(PADDING)),
            "segment_times": times,
        }


def export(
    network: keras.Model,
    rows: InputSpec,
    grid: SegmentGrid,
    classes: ClassList,
    decoding: Decoding,
    folder: StrPath,
    extractor: Extractor | None = None,
) -> None:
    """Writes a SavedModel with named endpoints.

    For a model with a front end `serving_default` (also named `waveform`) takes
    `waveform` (B, N) float32, at the front end's sample rate (VGGish's is 16 kHz), in
    [-1, 1], every clip N samples long; `waveform_lengths` takes `num_samples` (B,)
    int32 beside it, for clips of different length padded to one; `log_mel`, or
    `constant_q` for such a front end, takes `features` (B, frames, bins) and
    `num_frames` (B,). For an embedding model `embeddings` takes `features` (B, T, D),
    the stored values as float32, and `num_frames` (B,); with an extractor, which
    travels in the SavedModel, `waveform`, at the extractor's sample rate, and
    `waveform_lengths` are there too. Without one `serving_default` is `embeddings`.

    All answer `clip_probs` (B, C), `segment_probs` (B, T, C), `attention` (B, T, C),
    `event_scores` (B, T, C), of which `find_events` makes events, -inf after the end of
    a shorter clip, and `segment_times` (T, 2), each segment's onset and offset in
    seconds. A clip shorter than one window
    is padded to it; one of no samples is an error. The class names and how events are
    found travel as assets, classes.csv and decoding.json.

    Args:
      network: in float32, of an architecture.
      rows: what it reads.
      grid: the network's segments.
      classes: C names.
      decoding: how events are found.
      folder: must not exist, or hold an earlier export.
      extractor: what makes the embeddings that the network reads.

    Raises:
      InputError: when the folder holds something else, or the network reads rows of
        another size.
    """
    size = network.input["features"].shape[-1]
    if size != rows.size:
        raise InputError(f"the network reads {size} values a row, not {rows.size}")
    folder = pathlib.Path(folder)
    if folder.exists() and any(folder.iterdir()):
        ours = {"saved_model.pb", "assets", "variables", "fingerprint.pb"}
        marked = (folder / "assets" / DECODING_NAME).is_file()
        if not marked or {path.name for path in folder.iterdir()} - ours:
            raise InputError(
                f"{folder}: is not empty and no SavedModel that tfweak-export wrote, or"
                " holds more than that; choose another folder"
            )
    with atomic.replaced_folder(folder) as target:
        assets = target / "to_copy"  # into the folder `assets`, by TensorFlow
        assets.mkdir()
        classes.write_csv(assets / CLASSES_NAME)
        documents.write(assets / DECODING_NAME, decoding.to_dict())
        module = _Served(network, grid, decoding, assets)
        signatures = _signatures(module, rows, extractor)
        try:
            tf.saved_model.save(module, str(target), signatures=signatures)
        except tf.errors.OpError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.message})"
            ) from error
        shutil.rmtree(assets)


def _signatures(
    module: _Served, rows: InputSpec, extractor: Extractor | None
) -> dict[str, Any]:
    features = tf.TensorSpec([None, None, rows.size], tf.float32, "features")
    num_frames = tf.TensorSpec([None], tf.int32, "num_frames")
    by_features = tf.function(module.answer, [features, num_frames])
    module.by_features = by_features
    kind = rows.payload_kind if rows.front_end else "embeddings"
    layer: Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
    if rows.front_end is not None:
        layer = module.front_end = FrontEndLayer(rows.front_end)
    elif extractor is not None:
        layer = functools.partial(_extracted, extractor)
        module.trunk = extractor.trackables
    else:
        return {"serving_default": by_features, kind: by_features}

    def by_lengths(waveform: tf.Tensor, num_samples: tf.Tensor) -> dict[str, tf.Tensor]:
        check = tf.debugging.assert_positive(
            num_samples, message="a clip of no samples: at least one sample is needed"
        )
        with tf.control_dependencies([check]):
            found = layer(waveform, num_samples)
        return module.answer(found["features"], found["num_frames"])

    def by_waveform(waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = tf.shape(waveform)
        return by_lengths(waveform, tf.fill([shape[0]], shape[1]))

    waveform = tf.TensorSpec([None, None], tf.float32, "waveform")
    num_samples = tf.TensorSpec([None], tf.int32, "num_samples")
    module.by_waveform = tf.function(by_waveform, [waveform])
    module.by_lengths = tf.function(by_lengths, [waveform, num_samples])
    return {
        "serving_default": module.by_waveform,
        "waveform": module.by_waveform,
        "waveform_lengths": module.by_lengths,
        kind: by_features,
    }


def _extracted(
    extractor: Extractor, waveforms: tf.Tensor, num_samples: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Embeddings of (B, N) waveforms, as `FrontEndLayer` gives features."""
    window, hop = extractor.window_samples, extractor.hop_samples
    length = tf.shape(waveforms)[1]
    is_heard = tf.range(length) < num_samples[:, tf.newaxis]
    waveforms = tf.where(is_heard, waveforms, tf.zeros([], tf.float32))
    waveforms = tf.pad(waveforms, [[0, 0], [0, tf.maximum(0, window - length)]])
    rows = 1 + tf.maximum(0, length - window) // hop
    features = tf.map_fn(
        extractor.embed_windows,
        waveforms[:, : window + (rows - 1) * hop],
        fn_output_signature=tf.TensorSpec([None, extractor.embedding_size]),
    )
    return {
        "features": features,
        "num_frames": 1 + tf.maximum(0, num_samples - window) // hop,
    }


def read_assets(folder: StrPath) -> tuple[ClassList, Decoding]:
    """Class names of an exported SavedModel, and how events are found.

    Raises:
      InputError: when the folder holds no export of ours, or a broken one.
    """
    assets = pathlib.Path(folder) / "assets"
    atomic.require_files(assets)
    if not (assets / DECODING_NAME).exists():
        raise InputError(f"{folder}: no SavedModel that tfweak-export wrote")
    path = assets / DECODING_NAME
    document = documents.read(path, "export the run again")
    try:
        decoding = Decoding.from_dict(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: broken ({type(error).__name__}: {error}); export the run again"
        ) from error
    classes = ClassList.read_csv(assets / CLASSES_NAME)
    if len(classes) != len(decoding.thresholds):
        raise InputError(
            f"{assets / CLASSES_NAME}: {len(classes)} classes, the model has"
            f" {len(decoding.thresholds)}; export the run again"
        )
    return classes, decoding


def find_events(
    decoding: Decoding,
    answer: Mapping[str, Any],
    seconds: float | Sequence[float] = math.inf,
) -> list[list[tuple[Event, float]]]:
    """The events in what an exported model answers.

        classes, decoding = serving.read_assets("saved_model")
        answer = model.signatures["serving_default"](waveform=waveform)
        for event, confidence in serving.find_events(decoding, answer)[0]: ...

    Args:
      decoding: of `read_assets`.
      answer: `event_scores` (B, T, C) and `segment_times` (T, 2).
      seconds: length of the clips, or of each, at which events end.

    Returns:
      For each clip its events with their confidences, by onset.
    """
    times = np.asarray(answer["segment_times"], np.float64)
    hop = float(times[0, 1] - times[0, 0])
    grid = SegmentGrid(hop, hop, float(times[0, 0]))
    scores = np.asarray(answer["event_scores"])
    ends = np.broadcast_to(np.asarray(seconds, np.float64), len(scores)).tolist()
    return [decoding.decode_scores(one, grid, end) for one, end in zip(scores, ends)]
