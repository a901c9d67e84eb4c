"""Small data sets and stand-ins for what no test can download.

Apart from conftest.py, which the process that only hands out tests imports too: it can
do without TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfweak.audio.reading import to_int16
from tfweak.data import records
from tfweak.decoding.decoder import create_decoder
from tfweak.decoding.decoding import Decoding
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.extractors.vggish import network as vggish_network
from tfweak.labels import ClassList, Event
from tfweak.models.architecture import Architecture
from tfweak.models.runs import run_folder
from tfweak.payload import Payload

CLASSES = ClassList(("dog", "siren", "horn"))


def make_embeddings(
    folder: pathlib.Path,
    count: int = 60,
    seed: int = 0,
    strong: bool = True,
    prefix: str = "clip",
) -> pathlib.Path:
    """Records of embeddings in which a class raises a block of its own dimensions.

    Every third clip has strong labels; clips have 1 to 10 rows.
    """
    rng = np.random.default_rng(seed)
    payload = RELEASED_EMBEDDINGS
    clips = []
    for i in range(count):
        rows = int(rng.integers(1, 11))
        values = rng.integers(100, 156, (rows, 128))
        labels = sorted(np.flatnonzero(rng.random(len(CLASSES)) < 0.5).tolist())
        events = []
        for label in labels:
            start = int(rng.integers(0, rows))
            end = int(rng.integers(start, rows)) + 1
            values[start:end, 40 * label : 40 * label + 40] += 90
            events.append(Event(label, 0.96 * start, 0.96 * end))
        clips.append(
            records.Clip(
                f"{prefix}-{seed}-{i}",
                labels,
                values.astype(np.uint8),
                events if strong and i % 3 == 0 else None,
                0.0,
                0.96 * rows,
            )
        )
    folder.mkdir(parents=True)
    half = count // 2
    for number, part in enumerate((clips[:half], clips[half:])):
        records.write_shard(
            folder / f"part-{number}.tfrecord",
            (records.encode(clip, payload) for clip in part),
        )
    records.DatasetInfo("made", payload, CLASSES, count, strong).write(folder)
    return folder


def plain_decoding(num_classes, segment=0.5, clip=0.5):
    """Plain thresholds, one for all classes or one a class."""
    return Decoding(
        create_decoder("threshold", {"max_gap_seconds": 0.25}),
        np.broadcast_to(np.asarray(segment, float), num_classes),
        np.broadcast_to(np.asarray(clip, float), num_classes),
    )


def write_run(
    folder: pathlib.Path,
    architecture: Architecture,
    payload: Payload,
    segment: float = 0.5,
    clip: float = 0.5,
) -> pathlib.Path:
    """A run folder whose network has learnt nothing: weights by seed 0."""
    count = architecture.num_classes
    folder.mkdir(parents=True)
    keras.utils.set_random_seed(0)
    architecture.build().save(folder / "model.keras")
    ClassList(tuple(f"class{i}" for i in range(count))).write_csv(
        folder / "classes.csv"
    )
    decoding = plain_decoding(count, segment, clip).to_dict()
    document = {"decodings": {"segment": decoding}, "tried": {}, "durations": {}}
    run_folder.write_decoding(folder, document)
    data = {"train": {"payload": dataclasses.asdict(payload)}}
    config = {"model": architecture.to_dict(), "training": {}, "data": data}
    run_folder.write_config(folder, config)
    return folder


def tone(label: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Event]]:
    """Two seconds at 16 kHz with a low (0) or a high (1) tone in one of them."""
    waveform = rng.normal(size=32000).astype(np.float32) * 0.01
    begin = int(rng.integers(0, 2))
    hertz = (300, 2500)[label]
    sine = 0.3 * np.sin(2 * np.pi * hertz / 16000 * np.arange(16000))
    waveform[begin * 16000 : begin * 16000 + 16000] += sine.astype(np.float32)
    return waveform, [Event(label, float(begin), begin + 1.0)]


def make_tones(folder: pathlib.Path, count: int = 24, seed: int = 0) -> pathlib.Path:
    """Records of waveforms by `tone`, both classes in turn, with strong labels."""
    rng = np.random.default_rng(seed)
    payload = Payload("waveform", "int16", {"sample_rate_hz": 16000})
    clips = []
    for i in range(count):
        waveform, events = tone(i % 2, rng)
        samples = to_int16(waveform)
        name = f"tone-{seed}-{i}"
        clips.append(records.Clip(name, [i % 2], samples, events, 0.0, 2.0))
    folder.mkdir(parents=True)
    encoded = (records.encode(clip, payload) for clip in clips)
    records.write_shard(folder / "part-0.tfrecord", encoded)
    classes = ClassList(("low", "high"))
    records.DatasetInfo("tones", payload, classes, count, True).write(folder)
    return folder


class VggishStandIn(tf.Module):
    """What `hub.load` gives for VGGish: waveform (N,) -> (patches, 128).

    No model hub can be reached by a test: this has the published variable names,
    shapes and call signature, random values, and TensorFlow's own front end.
    """

    def __init__(self, scale=1.0, rename=False, like=None):
        super().__init__()
        rng = np.random.default_rng(0)
        self._variables, self._layers = [], {}
        for name, shape in vggish_network.SHAPES.items():
            if like is None:
                fan_in = float(np.prod(shape[:-1]))
                kernel = rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in)
                bias = rng.standard_normal(shape[-1:], np.float32) * 0.1
            else:
                kernel, bias = like.arrays(name)
            prefix = f"other/{len(self._variables)}" if rename else f"vggish/{name}"
            pair = (
                tf.Variable(kernel.astype(np.float32), name=f"{prefix}/weights"),
                tf.Variable(bias, name=f"{prefix}/biases"),
            )
            self._variables += pair
            self._layers[name] = pair
        self._scale = scale

    def arrays(self, layer):
        """(kernel, bias) of a layer."""
        return tuple(variable.numpy() for variable in self._layers[layer])

    def named_arrays(self):
        """{variable name: values}, as in the published checkpoint."""
        return {v.name.split(":")[0]: v.numpy() for v in self._variables}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        spectra = tf.signal.stft(tf.cast(waveform, tf.float64), 400, 160, 512)
        mel = tf.signal.linear_to_mel_weight_matrix(
            64, 257, 16000, 125.0, 7500.0, tf.float64
        )
        frames = tf.cast(tf.math.log(tf.abs(spectra) @ mel + 0.01), tf.float32)
        count = tf.shape(frames)[0] // 96
        hidden = tf.reshape(frames[: count * 96], [count, 96, 64, 1]) * self._scale
        names = list(self._layers)
        for name, pool in zip(names[:6], (True, True, False, True, False, True)):
            kernel, bias = self._layers[name]
            hidden = tf.nn.relu(tf.nn.conv2d(hidden, kernel, 1, "SAME") + bias)
            if pool:
                hidden = tf.nn.max_pool2d(hidden, 2, 2, "SAME")
        hidden = tf.reshape(hidden, [count, 12288])
        for name in ("fc1/fc1_1", "fc1/fc1_2"):
            kernel, bias = self._layers[name]
            hidden = tf.nn.relu(hidden @ kernel + bias)
        kernel, bias = self._layers["fc2"]
        return hidden @ kernel + bias


def write_vggish_checkpoint(
    path: pathlib.Path, arrays: dict[str, np.ndarray], version: int
) -> None:
    """A TF1 checkpoint, as vggish_model.ckpt is: one file in version 1."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [
            tf.compat.v1.get_variable(
                name, shape=value.shape, initializer=tf.zeros_initializer()
            )
            for name, value in arrays.items()
        ]
        for variable, value in zip(made, arrays.values()):
            variable.load(value, session)
        saver = tf.compat.v1.train.Saver(made, write_version=version)
        saver.save(session, str(path), write_meta_graph=False, write_state=False)


def uncount(folder):
    """Lets a folder have other shards than it was made with, as nobody has counted."""
    path = folder / "dataset_info.json"
    document = json.loads(path.read_text())
    del document["checksum"]
    path.write_text(json.dumps({**document, "num_clips": None}))
