"""Weights from elsewhere: VGGish from TensorFlow Hub or a checkpoint, or a run.

VGGish's six convolutions become L1 to L6. They are found by variable name, else (the
kernels, whose shapes all differ) by shape; then the transplant is proved: our layers,
with the fully connected ones of the same source behind them, must reproduce the
source's own embeddings.
"""

from __future__ import annotations

import pathlib
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfweak import features
from tfweak.errors import InputError
from tfweak.models import registry, runs

HUB_HANDLE = "https://tfhub.dev/google/vggish/1"
VGGISH_LAYERS = {
    "L1": "conv1",
    "L2": "conv2",
    "L3": "conv3/conv3_1",
    "L4": "conv3/conv3_2",
    "L5": "conv4/conv4_1",
    "L6": "conv4/conv4_2",
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
PATCH_FRAMES = 96
TOLERANCE = 1e-4
_ATTEMPTS = 3


def check(init: str, architecture: registry.Architecture) -> None:
    """Refuses an `--init` that cannot work, before any work.

    Raises:
      InputError: unknown form, missing path, or a model without VGGish's layers.
    """
    kind, _, where = init.partition(":")
    if kind not in ("random", "hub", "checkpoint", "run") or (
        kind == "random" and where
    ):
        raise InputError(
            f"--init={init}: one of random, run:PATH, hub,"
            " hub:HANDLE_OR_PATH, checkpoint:PATH"
        )
    if kind in ("checkpoint", "run") and not where:
        raise InputError(f"--init={init}: needs a path, {kind}:PATH")
    if kind == "run":
        runs.read_config(where)
    if kind in ("hub", "checkpoint"):
        width = getattr(architecture.config, "width", None)
        if width != 1.0:
            raise InputError(
                f"--init={init}: VGGish's convolutions fit attention_fcn of"
                f" width 1, not {architecture.name} of width {width}"
            )
    if (
        kind == "checkpoint"
        and not tf.train.latest_checkpoint(where)
        and not (
            pathlib.Path(where + ".index").exists() or pathlib.Path(where).exists()
        )
    ):
        raise InputError(
            f"--init={init}: no checkpoint there (expected vggish_model.ckpt)"
        )


def initialise(
    network: keras.Model, architecture: registry.Architecture, init: str
) -> list[str]:
    """Sets a network's weights as `--init` says.

    Returns:
      The names of the layers that got weights.

    Raises:
      InputError: the source cannot be had, does not fit, or fails the proof.
    """
    kind, _, where = init.partition(":")
    if kind == "random":
        return []
    if kind == "run":
        return _from_run(network, where)
    if kind == "hub":
        source = _load_hub(where or HUB_HANDLE)
        arrays = _by_name_or_shape(
            {v.name: v.numpy() for v in _variables(source)}, where or HUB_HANDLE
        )
    else:
        source = None
        arrays = _read_checkpoint(where)
    for layer, name in VGGISH_LAYERS.items():
        network.get_layer(layer).set_weights(arrays[name])
    if source is not None:
        _prove(_in_float32(network, architecture), arrays, source, where or HUB_HANDLE)
    print(f"L1 to L6 are VGGish's, from {where or HUB_HANDLE}", flush=True)
    return list(VGGISH_LAYERS)


def freeze(network: keras.Model, what: str) -> list[str]:
    """Fixes layers by count from the input, or by comma-separated names.

    Returns:
      The names of the layers fixed.

    Raises:
      InputError: an unknown name, or more layers than there are.
    """
    if not what:
        return []
    weighted = [layer for layer in network.layers if layer.trainable_weights]
    if what.isdigit():
        convolutions = [x for x in weighted if not x.name.endswith("_norm")]
        if int(what) >= len(convolutions):
            raise InputError(
                f"--freeze={what}: the model has {len(convolutions)} layers,"
                " and one at least must stay trainable"
            )
        chosen = {layer.name for layer in convolutions[: int(what)]}
    else:
        chosen = {name.strip() for name in what.split(",")}
        unknown = chosen - {layer.name for layer in weighted}
        if unknown:
            raise InputError(
                f"--freeze={what}: no layer {sorted(unknown)[0]!r}; there"
                f" are {', '.join(layer.name for layer in weighted)}"
            )
    for layer in weighted:
        if layer.name.removesuffix("_norm") in chosen:
            layer.trainable = False
    return sorted(chosen)


def _from_run(network: keras.Model, path: str) -> list[str]:
    """Copies L1 to L7 by layer name; L8 starts anew, for its classes may be others."""
    source = runs.load(path)
    taken, misfits = [], []
    for layer in network.layers:
        if not layer.weights or layer.name.startswith("L8"):
            continue
        try:
            values = source.network.get_layer(layer.name).get_weights()
            layer.set_weights(values)
            taken.append(layer.name)
        except ValueError as error:
            misfits.append(f"{layer.name} ({error})")
    if misfits:
        raise InputError(
            f"--init=run:{path}: its layers are not this model's:"
            f" {misfits[0]}; use the same --model and --set"
        )
    print(f"{', '.join(taken)} are from {path}", flush=True)
    return taken


def _load_hub(handle: str) -> Any:
    import tensorflow_hub as hub

    for attempt in range(_ATTEMPTS):
        try:
            return hub.load(handle)
        except Exception as error:  # whatever the network or the file system says
            problem = error
            if pathlib.Path(handle).exists() or "://" not in handle:
                break
            if attempt + 1 < _ATTEMPTS:
                print(f"{handle}: {type(error).__name__}, trying again", flush=True)
                time.sleep(2**attempt)
    raise InputError(
        f"{handle}: cannot be loaded ({type(problem).__name__}: {problem}). To go on"
        " offline, download the VGGish model where there is a network, unpack it and"
        " give --init=hub:FOLDER, or set TFHUB_CACHE_DIR to a cache that holds it;"
        " --init=checkpoint:vggish_model.ckpt works as well"
    ) from problem


def _variables(source: Any) -> list[Any]:
    for name in ("variables", "_variables"):
        found = list(getattr(source, name, ()))
        if found:
            return found
    raise InputError("the hub module exposes no variables; it is no VGGish")


def _by_name_or_shape(
    arrays: dict[str, np.ndarray], where: str
) -> dict[str, list[np.ndarray]]:
    """{layer: [kernel, bias]} from variables by name, kernels else by shape."""
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
        found[layer] = [kernel, bias]
    return found


def _bias_beside(plain: dict[str, np.ndarray], kernel: str, size: int) -> Any:
    """The bias that follows a kernel in the list, where names do not help."""
    names = list(plain)
    after = names[names.index(kernel) + 1 :]
    return next((plain[name] for name in after if plain[name].shape == (size,)), None)


def _read_checkpoint(path: str) -> dict[str, list[np.ndarray]]:
    prefix = tf.train.latest_checkpoint(path) or path
    try:
        reader = tf.train.load_checkpoint(prefix)
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"--init=checkpoint:{path}: cannot be read ({error})"
        ) from error
    names = reader.get_variable_to_shape_map()
    return _by_name_or_shape(
        {name: reader.get_tensor(name) for name in sorted(names)}, path
    )


def _in_float32(
    network: keras.Model, architecture: registry.Architecture
) -> keras.Model:
    """VGGish's layers in a network that computes in float32, whatever this one does."""
    copy = architecture.build("float32")
    for layer in copy.layers:
        if layer.name in VGGISH_LAYERS:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    return copy


def _prove(
    network: keras.Model, arrays: dict[str, list[np.ndarray]], source: Any, where: str
) -> None:
    """Our trunk and the source must give the same embeddings of a test waveform."""
    waveform = (
        (0.3 * np.random.default_rng(0).standard_normal(3 * 16000))
        .clip(-1, 1)
        .astype(np.float32)
    )
    theirs = np.asarray(source(tf.constant(waveform)))
    frames = features.log_mel(waveform)
    count = len(frames) // PATCH_FRAMES
    trunk = keras.Model(network.input, network.get_layer("L6_valid").output)
    hidden = trunk(
        {
            "features": frames[: count * PATCH_FRAMES].reshape(count, PATCH_FRAMES, -1),
            "num_frames": np.full(count, PATCH_FRAMES, np.int32),
        }
    )
    hidden = tf.reshape(hidden, [count, -1])  # time, mel, channel
    for name in FULLY_CONNECTED:
        kernel, bias = arrays[name]
        hidden = hidden @ kernel + bias
        if name != FULLY_CONNECTED[-1]:
            hidden = tf.nn.relu(hidden)
    ours = hidden.numpy()
    if theirs.shape != ours.shape:
        raise InputError(
            f"{where}: gives embeddings of shape {theirs.shape} for 3 s,"
            f" expected {ours.shape}; it is no VGGish"
        )
    # older copies of the definition end in a ReLU
    error = min(np.abs(ours - theirs).max(), np.abs(np.maximum(ours, 0) - theirs).max())
    if not error <= TOLERANCE:
        raise InputError(
            f"{where}: our layers with its weights give embeddings that"
            f" differ by up to {error:.2g} from its own (at most {TOLERANCE}"
            " is allowed); its front end or its layers are others"
        )
