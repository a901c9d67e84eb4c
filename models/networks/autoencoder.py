"""The denoising auto-encoder of `dae_dnn`, and its training."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfweak.errors import InputError

from . import xu2017
from .layers import network_inputs, standardised

_log = logging.getLogger(__name__)

ENCODER = ("encoder", "code")
# share of the input set to zero
CORRUPTION = 0.1


@keras.saving.register_keras_serializable(package="tfweak")
class MaskingNoise(keras.layers.Layer):
    """Sets a random share of values to zero in training, and changes nothing else.

    The corruption of Vincent et al. 2008, "Extracting and composing robust features
    with denoising autoencoders". Unlike dropout it does not scale what it leaves.

    Args:
      rate: the share.
      seed: of the random numbers.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, values: Any, training: bool = False) -> Any:
        if not training:
            return values
        kept = keras.random.uniform(ops.shape(values), seed=self.generator) >= self.rate
        return values * ops.cast(kept, values.dtype)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def autoencoder(
    network: keras.Model, corruption: float = CORRUPTION, seed: int = 0
) -> keras.Model:
    """An auto-encoder whose standardisation and encoder are a network's own layers.

    Asymmetric: from the frames around a frame, some of their values set to zero, it
    gives that frame alone. The decoder mirrors the encoder.

      encoder, code    the network's
      decoder          as many units as `encoder`, ReLU
      reconstruction   40, linear

    Args:
      network: that `dae_dnn` built.
      corruption: share of the input that is set to zero in training.
      seed: of the decoder's first weights and of the corruption.

    Returns:
      (B, frames, 40) `features` and (B,) `num_frames` -> (B, frames, 40) float32, the
      standardised frames as it reconstructs them.
    """
    inputs = network_inputs(xu2017.FRAMES.size)
    frames, _ = standardised(inputs, network.get_layer("standardisation"))
    hidden = MaskingNoise(corruption, seed, name="corruption")(frames)
    for name in ENCODER:
        hidden = network.get_layer(name)(hidden)
    hidden = keras.layers.Dense(
        network.get_layer("encoder").filters,
        activation="relu",
        kernel_initializer=keras.initializers.HeUniform(seed),
        name="decoder",
    )(hidden)
    reconstruction = keras.layers.Dense(
        xu2017.FRAMES.size,
        kernel_initializer=keras.initializers.GlorotUniform(seed + 1),
        dtype="float32",
        name="reconstruction",
    )(hidden)
    return keras.Model(inputs, reconstruction, name="dae")


def pretrain(
    network: keras.Model,
    batches: Iterable[tuple[Any, Any]],
    epochs: int,
    learning_rate: float = 1e-3,
    seed: int = 0,
    corruption: float = CORRUPTION,
) -> list[float]:
    """Trains a network's encoder to reconstruct frames from corrupted neighbourhoods.

    No labels are used. The statistics of `standardisation` must have been set before.
    Adam; the paper's plain gradient descent needs many more epochs. Logs a line an
    epoch.

    Args:
      network: that `dae_dnn` built; its layers `encoder` and `code` are changed in
        place, also where `train_encoder` is false.
      batches: (x, y), of which x has `features` (B, frames, 40) and `num_frames`
        (B,); gone through once an epoch, so not an iterator.
      epochs: how many times.
      learning_rate: of Adam.
      seed: of the decoder's first weights and of the corruption.
      corruption: share of the input that is set to zero.

    Returns:
      The mean squared error of each epoch's batches, over valid frames, in units of
      the standardised features' variance.

    Raises:
      InputError: there are no batches (an iterator has none in its second epoch).
    """
    encoder = [network.get_layer(name) for name in ENCODER]
    before = [layer.trainable for layer in encoder]
    for layer in encoder:
        layer.trainable = True
    try:
        model = autoencoder(network, corruption, seed)
        # no XLA, which would compile anew for batches of another length
        model.compile(
            keras.optimizers.Adam(learning_rate),
            loss="mean_squared_error",
            jit_compile=False,
        )
        errors = []
        for epoch in range(1, epochs + 1):
            errors.append(_epoch(model, batches, epoch))
            _log.info(
                "pre-training, epoch %d/%d: reconstruction error %.4f",
                epoch,
                epochs,
                errors[-1],
            )
        return errors
    finally:
        for layer, trainable in zip(encoder, before):
            layer.trainable = trainable


def _epoch(model: keras.Model, batches: Iterable[tuple[Any, Any]], n: int) -> float:
    errors = []
    for x, _ in batches:
        inputs = {key: np.asarray(x[key]) for key in ("features", "num_frames")}
        clean = model.get_layer("standardisation")(inputs["features"])
        positions = np.arange(clean.shape[1])
        valid = positions[None] < inputs["num_frames"][:, None]
        # the mean is over all frames: the weight of valid ones makes up for padding
        weight = (valid / max(valid.mean(), 1e-9)).astype(np.float32)
        model.reset_metrics()  # or the answer is the mean since the epoch began
        errors.append(float(model.train_on_batch(inputs, clean, sample_weight=weight)))
    if not errors:
        raise InputError(
            f"pretrain: no batches in epoch {n}; give a data set or a list, which can"
            " be gone through again, and not an iterator"
        )
    return float(np.mean(errors))
