"""Weights from elsewhere: VGGish from TensorFlow Hub or a checkpoint, or a run.

VGGish's six convolutions become L1 to L6; then the transplant is proved: our layers,
with the fully connected ones of the same source behind them, must reproduce the
source's own embeddings.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import keras
import numpy as np
import tensorflow as tf

from tfweak.audio import mel_spectrum
from tfweak.errors import InputError
from tfweak.extractors.vggish import network as vggish
from tfweak.labels import ClassList

from ..architecture import Architecture, complete
from ..networks.normalization import MaskedBatchNormalization
from . import run_folder

_log = logging.getLogger(__name__)
_NORMALISATIONS = (MaskedBatchNormalization, keras.layers.BatchNormalization)


def check(init: str, architecture: Architecture) -> None:
    """Refuses an `init` that cannot work, before any work.

    Raises:
      InputError: unknown form, missing path, or a model without VGGish's layers.
    """
    kind, _, where = init.partition(":")
    if kind not in ("random", "hub", "checkpoint", "run") or (
        kind == "random" and where
    ):
        raise InputError(
            f"init={init}: one of random, run:PATH, hub,"
            " hub:HANDLE_OR_PATH, checkpoint:PATH"
        )
    if kind in ("checkpoint", "run") and not where:
        raise InputError(f"init={init}: needs a path, {kind}:PATH")
    if kind == "run":
        model = complete(run_folder.read_config(where)["model"])
        settings = model.get("config")  # what is broken is named when it is loaded
        if model.get("name") == architecture.name and isinstance(settings, dict):
            for name in architecture.unseen_in_weights:
                there, here = settings.get(name), getattr(architecture, name)
                if there != here:
                    raise InputError(
                        f"init={init}: its {name} is {there}, here it is {here}: the"
                        f" same weights compute something else; set {name}={there}"
                    )
    if kind in ("hub", "checkpoint"):
        if not architecture.vggish_layers:
            raise InputError(
                f"init={init}: {architecture.name} with these settings has no layers"
                " that VGGish's convolutions fit; attention_fcn of width 1 has"
            )
        try:
            vggish.parse(init)
        except InputError as error:
            raise InputError(f"init={error}") from error


def initialise(
    network: keras.Model,
    architecture: Architecture,
    init: str,
    classes: ClassList | None = None,
) -> list[str]:
    """Sets a network's weights as `init` says.

    Args:
      network: of the architecture.
      architecture: whose settings these are.
      init: see `TrainConfig`.
      classes: of the network; where given, those that a run has, too, start with its
        weights, else only what has no output for each class does.

    Returns:
      The names of the layers that got weights.

    Raises:
      InputError: the source cannot be had, does not fit, or fails the proof.
    """
    kind, _, where = init.partition(":")
    if kind == "random":
        return []
    if kind == "run":
        return _from_run(network, architecture, where, classes)
    source = vggish.Vggish.load(init)
    arrays = source.layers
    for layer, name in architecture.vggish_layers.items():
        network.get_layer(layer).set_weights(arrays[name])
    _prove(_in_float32(network, architecture), source)
    names = list(architecture.vggish_layers)
    _log.info("%s to %s are VGGish's, from %s", names[0], names[-1], source.name)
    return names


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
        convolutions = [x for x in weighted if not isinstance(x, _NORMALISATIONS)]
        if int(what) >= len(convolutions):
            raise InputError(
                f"freeze={what}: the model has {len(convolutions)} layers,"
                " and one at least must stay trainable"
            )
        chosen = {layer.name for layer in convolutions[: int(what)]}
    else:
        chosen = {name.strip() for name in what.split(",")}
        unknown = chosen - {layer.name for layer in weighted}
        if unknown:
            raise InputError(
                f"freeze={what}: no layer {sorted(unknown)[0]!r}; there"
                f" are {', '.join(layer.name for layer in weighted)}"
            )
    for layer in weighted:
        of = layer.of if isinstance(layer, MaskedBatchNormalization) else None
        if layer.name in chosen or of in chosen:
            layer.trainable = False
    return sorted(chosen)


def _from_run(
    network: keras.Model,
    architecture: Architecture,
    path: str,
    classes: ClassList | None,
) -> list[str]:
    """Copies layers by name; of those with an output for each class the shared ones.

    The classes of the two runs may be others.
    """
    source = run_folder.load(path)
    of_classes = {*architecture.class_layers, *architecture.per_class_layers}
    taken, misfits = [], []
    for layer in network.layers:
        if not layer.weights or layer.name in of_classes:
            continue
        try:
            values = source.network.get_layer(layer.name).get_weights()
            layer.set_weights(values)
            taken.append(layer.name)
        except ValueError as error:
            misfits.append(f"{layer.name} ({error})")
    if misfits:
        raise InputError(
            f"init=run:{path}: its layers are not this model's:"
            f" {misfits[0]}; use the same model and settings, which its config.json"
            " has"
        )
    _log.info("%s are from %s", ", ".join(taken), path)
    if classes is not None:
        _take_classes(network, classes, source, of_classes)
    return taken


def _take_classes(
    network: keras.Model,
    classes: ClassList,
    source: run_folder.TrainedModel,
    layers: Collection[str],
) -> None:
    """The outputs of classes that a run has, too, start with its weights."""
    own, theirs = shared_classes(classes, source.classes)
    there = {layer.name: layer for layer in source.network.layers}
    taken = []
    for layer in network.layers:
        if layer.name not in layers or layer.name not in there or not own:
            continue
        values, given = layer.get_weights(), there[layer.name].get_weights()
        # kernel and bias; behind the classes there may be an output for none of them
        if [v.shape[:-1] for v in values] != [v.shape[:-1] for v in given]:
            continue
        for value, other in zip(values, given):
            value[..., own] = other[..., theirs]
        layer.set_weights(values)
        taken.append(layer.name)
    if taken:
        new = sorted(set(range(len(classes))) - set(own))
        _log.info(
            "%d of %d classes start with its weights in %s%s",
            len(own),
            len(classes),
            ", ".join(taken),
            f"; new are {', '.join(classes.names[i] for i in new[:5])}" if new else "",
        )


def shared_classes(
    classes: ClassList, others: ClassList
) -> tuple[list[int], list[int]]:
    """Where two lists have the same class: by machine id, else by name.

    Returns:
      The indices in the one, and those in the other, in the order of the first.
    """
    by_mid = {mid: i for i, mid in enumerate(others.mids)}
    by_name = {name.casefold(): i for i, name in enumerate(others.names)}
    own, theirs = [], []
    for i, (mid, name) in enumerate(zip(classes.mids, classes.names)):
        j = by_mid.get(mid, by_name.get(name.casefold()))
        if j is not None and j not in theirs:
            own.append(i)
            theirs.append(j)
    return own, theirs


def _in_float32(network: keras.Model, architecture: Architecture) -> keras.Model:
    """VGGish's layers in a network that computes in float32, whatever this one does."""
    copy = architecture.build("float32")
    for layer in copy.layers:
        if layer.name in architecture.vggish_layers:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    return copy


def _prove(network: keras.Model, source: vggish.Vggish) -> None:
    """Our trunk and the source must give the same embeddings of a test waveform."""
    frames = mel_spectrum.log_mel(vggish.probe())
    length = vggish.PATCH_FRAMES
    count = len(frames) // length
    trunk = keras.Model(network.input, network.get_layer("L6_valid").output)
    hidden = trunk(
        {
            "features": frames[: count * length].reshape(count, length, -1),
            "num_frames": np.full(count, length, np.int32),
        }
    )
    ours = vggish.fully_connected(tf.convert_to_tensor(hidden), source.layers)
    vggish.prove(ours.numpy(), source.reference, source.name)
