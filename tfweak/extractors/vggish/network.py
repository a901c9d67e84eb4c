"""VGGish's network with weights from TensorFlow Hub or from the original checkpoint.

What is computed with the weights is our own, proved against the hub's network when that
is loaded (Hershey et al. 2017).
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ...audio import mel_spectrum
from ...audio.front_end_layer import FrontEndLayer
from ...errors import InputError
from ...files import atomic
from ...typing import Array
from .._hub import load_hub
from .pca import digest
from .spec import FRONT_END, PATCH_FRAMES

HANDLE = "https://tfhub.dev/google/vggish/1"
# The variables' names after `vggish/`, and whether 2 x 2 max pooling follows.
CONVOLUTIONS = {
    "conv1": True,
    "conv2": True,
    "conv3/conv3_1": False,
    "conv3/conv3_2": True,
    "conv4/conv4_1": False,
    "conv4/conv4_2": True,
}
FULLY_CONNECTED = ("fc1/fc1_1", "fc1/fc1_2", "fc2")
SHAPES = {
    "conv1": (3, 3, 1, 64),
    "conv2": (3, 3, 64, 128),
    "conv3/conv3_1": (3, 3, 128, 256),
    "conv3/conv3_2": (3, 3, 256, 256),
    "conv4/conv4_1": (3, 3, 256, 512),
    "conv4/conv4_2": (3, 3, 512, 512),
    "fc1/fc1_1": (12288, 4096),
    "fc1/fc1_2": (4096, 4096),
    "fc2": (4096, 128),
}
TOLERANCE = 1e-4
_PATCH_HOP_SAMPLES = PATCH_FRAMES * FRONT_END.hop_samples
_PATCH_OVERLAP_SAMPLES = FRONT_END.window_samples - FRONT_END.hop_samples
_BATCH_PATCHES = 64
_CHECKPOINT = "; checkpoint:vggish_model.ckpt works as well"

# {layer: (kernel, bias)}
Layers = Mapping[str, tuple[Array, Array]]


class Vggish:
    """VGGish's front end and network with given weights.

    Attributes:
      name: of where the weights are from, for messages.
      reference: (3, 128) float32, the source's own embeddings of `probe()`; where the
        source cannot be run (a checkpoint), those of `embed`.
    """

    def __init__(self, layers: Layers, name: str) -> None:
        # the one copy that stays: 288 MB in each worker
        self._layers = {
            name: (
                tf.Variable(kernel, trainable=False, dtype=tf.float32),
                tf.Variable(bias, trainable=False, dtype=tf.float32),
            )
            for name, (kernel, bias) in layers.items()
        }
        self.name = name
        self.reference: Array = self.embed(probe())

    @classmethod
    def load(cls, source: str = "hub") -> Vggish:
        """Loads the weights; those of a hub are proved to compute what they did there.

        Args:
          source: `hub` for `HANDLE`, `hub:HANDLE_OR_PATH` (a folder with a SavedModel
            needs no network), or `checkpoint:PATH` (`vggish_model.ckpt`). The hub's
            cache is in TFHUB_CACHE_DIR.

        Raises:
          InputError: the source cannot be had, is no VGGish, or computes other
            embeddings of a test waveform than ours (by more than 1e-4).
        """
        kind, where = parse(source)
        if kind == "checkpoint":
            return cls(_by_name_or_shape(_read_checkpoint(where), where), where)
        module = load_hub(where, _CHECKPOINT)
        arrays = {v.name: v.numpy() for v in _variables(module, where)}
        vggish = cls(_by_name_or_shape(arrays, where), where)
        try:
            theirs = np.asarray(module(tf.constant(probe())))
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{where}: cannot be called with a waveform"
                f" ({type(error).__name__}: {error}); it is no VGGish"
            ) from error
        prove(vggish.reference, theirs, where)
        vggish.reference = theirs
        return vggish

    @property
    def layers(self) -> Layers:
        """{layer: (kernel, bias)} float32, by the names of `SHAPES`; a copy."""
        return {name: (k.numpy(), b.numpy()) for name, (k, b) in self._layers.items()}

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights, whether they came from a hub or a checkpoint."""
        return digest(x.numpy() for name in SHAPES for x in self._layers[name])

    def embed(self, waveform: Array) -> Array:
        """The embeddings of a waveform.

        Args:
          waveform: (N,) float32, 16 kHz, in [-1, 1]. One shorter than a patch (0.975 s)
            is padded with zeros to it, so that short clips are not lost.

        Returns:
          (rows, 128) float32, a row for each whole patch of 96 frames:
          1 + floor((frames - 96) / 96), 10 for 10 s. The samples after the last whole
          patch count nowhere.
        """
        waveform = np.asarray(waveform, np.float32)
        missing = _PATCH_HOP_SAMPLES + _PATCH_OVERLAP_SAMPLES - len(waveform)
        waveform = np.pad(waveform, (0, max(0, missing)))
        count = FRONT_END.num_frames(len(waveform)) // PATCH_FRAMES
        rows = []
        for first in range(0, count, _BATCH_PATCHES):
            last = min(first + _BATCH_PATCHES, count)
            end = last * _PATCH_HOP_SAMPLES + _PATCH_OVERLAP_SAMPLES
            frames = mel_spectrum.log_mel(
                waveform[first * _PATCH_HOP_SAMPLES : end], FRONT_END
            )
            patches = frames.reshape(last - first, PATCH_FRAMES, -1)
            rows.append(self._network(tf.constant(patches)).numpy())
        return np.concatenate(rows)

    def embed_tensor(self, waveform: tf.Tensor) -> tf.Tensor:
        """As `embed`, of whole patches, by TensorFlow's operations."""
        layer = FrontEndLayer(FRONT_END)
        frames = layer(waveform[tf.newaxis])["features"]
        return self._network(tf.reshape(frames, [-1, PATCH_FRAMES, frames.shape[-1]]))

    @property
    def variables(self) -> list[tf.Variable]:
        """All weights."""
        return [x for pair in self._layers.values() for x in pair]

    @functools.cached_property
    def _network(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """(B, 96, 64) log-mel patches -> (B, 128); no ReLU after the last layer."""
        layers = self._layers

        def network(patches: tf.Tensor) -> tf.Tensor:
            hidden = patches[..., tf.newaxis]
            for name, pooled in CONVOLUTIONS.items():
                kernel, bias = layers[name]
                hidden = tf.nn.relu(tf.nn.conv2d(hidden, kernel, 1, "SAME") + bias)
                if pooled:
                    hidden = tf.nn.max_pool2d(hidden, 2, 2, "SAME")
            return fully_connected(hidden, layers)

        spec = tf.TensorSpec([None, PATCH_FRAMES, FRONT_END.num_mel_bins], tf.float32)
        return tf.function(network, input_signature=[spec])


def fully_connected(hidden: tf.Tensor, layers: Mapping[str, Any]) -> tf.Tensor:
    """The last convolution's (B, 6, 4, 512), time x mel x channel, to (B, 128)."""
    hidden = tf.reshape(hidden, [-1, SHAPES[FULLY_CONNECTED[0]][0]])
    rows = tf.shape(hidden)[0]
    # TensorFlow splits the sums of a single row among its threads, so that their number
    # shows in the result; with two rows it does not.
    hidden = tf.pad(hidden, [[0, tf.maximum(2 - rows, 0)], [0, 0]])
    for name in FULLY_CONNECTED:
        kernel, bias = layers[name]
        hidden = hidden @ kernel + bias
        if name != FULLY_CONNECTED[-1]:
            hidden = tf.nn.relu(hidden)
    return hidden[:rows]


def parse(source: str) -> tuple[str, str]:
    """The kind of a source, `hub` or `checkpoint`, and its handle or path.

    Raises:
      InputError: an unknown form, or no checkpoint there.
    """
    kind, _, where = source.partition(":")
    if kind == "hub":
        return kind, where or HANDLE
    if kind != "checkpoint":
        raise InputError(f"{source}: one of hub, hub:HANDLE_OR_PATH, checkpoint:PATH")
    if not where:
        raise InputError(f"{source}: needs a path, checkpoint:PATH")
    path = pathlib.Path(where)
    atomic.require_files(path)
    files = (path, path.with_name(path.name + ".index"))
    if not any(file.is_file() for file in files) and not (
        path.is_dir() and tf.train.latest_checkpoint(where)
    ):
        raise InputError(f"{source}: no checkpoint there (expected vggish_model.ckpt)")
    return kind, where


def probe() -> Array:
    """The test waveform of proofs: (48000,) float32, 3 s of noise at 16 kHz."""
    noise = np.random.default_rng(0).standard_normal(3 * FRONT_END.sample_rate_hz)
    return (0.3 * noise).clip(-1, 1).astype(np.float32)


def prove(ours: Array, theirs: Array, name: str) -> None:
    """Requires two computations of the embeddings of `probe()` to agree to 1e-4.

    Older copies of the definition end in a ReLU, which is allowed of `theirs`.

    Raises:
      InputError: saying by how much they differ.
    """
    if theirs.shape != ours.shape:
        raise InputError(
            f"{name}: gives embeddings of shape {theirs.shape} for 3 s,"
            f" expected {ours.shape}; it is no VGGish"
        )
    error = min(np.abs(ours - theirs).max(), np.abs(np.maximum(ours, 0) - theirs).max())
    if not error <= TOLERANCE:
        raise InputError(
            f"{name}: our layers with its weights give embeddings that"
            f" differ by up to {error:.2g} from its own (at most {TOLERANCE}"
            " is allowed); its front end or its layers are others"
        )


def _variables(module: Any, where: str) -> list[Any]:
    for name in ("variables", "_variables"):
        found = list(getattr(module, name, ()))
        if found:
            return found
    raise InputError(f"{where}: exposes no variables; it is no VGGish")


def _read_checkpoint(path: str) -> dict[str, Array]:
    prefix = path
    if pathlib.Path(path).is_dir():
        prefix = tf.train.latest_checkpoint(path)
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = sorted(reader.get_variable_to_shape_map())
        return {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise InputError(f"checkpoint:{path}: cannot be read ({error})") from error


def _by_name_or_shape(
    arrays: Mapping[str, Array], where: str
) -> dict[str, tuple[Array, Array]]:
    """{layer: (kernel, bias)} from variables by name, kernels else by shape."""
    plain = {
        name.split(":")[0].removeprefix("vggish/"): value
        for name, value in arrays.items()
    }
    found = {}
    for layer, shape in SHAPES.items():
        kernel = plain.get(f"{layer}/weights")
        bias = plain.get(f"{layer}/biases")
        if kernel is None:
            named = [name for name, value in plain.items() if value.shape == shape]
            if len(named) != 1:
                raise InputError(
                    f"{where}: no variable vggish/{layer}/weights, and"
                    f" {len(named)} of shape {shape}; it is no VGGish"
                )
            kernel = plain[named[0]]
            bias = _bias_beside(plain, named[0], shape[-1])
        if bias is None or kernel.shape != shape or bias.shape != shape[-1:]:
            raise InputError(
                f"{where}: vggish/{layer} has shapes {kernel.shape} and"
                f" {None if bias is None else bias.shape}, expected {shape}"
                f" and {shape[-1:]}"
            )
        found[layer] = (kernel, bias)
    return found


def _bias_beside(plain: dict[str, Array], kernel: str, size: int) -> Any:
    """The bias of a kernel's own scope, else the next one in the list."""
    names = list(plain)
    scope = kernel.rpartition("/")[0]
    inside = [name for name in names if scope and name.startswith(f"{scope}/")]
    after = names[names.index(kernel) + 1 :]
    return next(
        (plain[name] for name in inside + after if plain[name].shape == (size,)), None
    )
