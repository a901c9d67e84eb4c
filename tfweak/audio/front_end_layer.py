"""Front ends as Keras layers: inside models, `tf.data` and SavedModels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from . import front_ends


@keras.saving.register_keras_serializable(package="tfweak")
class FrontEndLayer(keras.layers.Layer):
    """Waveforms to frames of features; the same values as the front end's `compute`.

    Whatever the dtype policy, spectra are computed in float64 (a loud tone's rounding
    errors in float32 are near the log offset) and the features are float32. Clips
    shorter than a window are padded with zeros to one. It works in models, in `tf.data`
    and in SavedModels; TensorFlow must be the Keras backend.

    Args:
      config: the front end, or its `parameters`, as `get_config` gives them.
      **kwargs: of `keras.layers.Layer`.

    Example:
      >>> layer = FrontEndLayer(front_ends.get("xu2017"))
      >>> layer(np.zeros((2, 64000), np.float32))["features"].shape
      TensorShape([2, 249, 40])
    """

    def __init__(
        self, config: front_ends.FrontEnd | Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if isinstance(config, Mapping):
            config = front_ends.from_parameters(config)
        self.config = config

    def call(
        self, waveforms: tf.Tensor, num_samples: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Computes the features.

        Args:
          waveforms: (B, N) float, in [-1, 1].
          num_samples: (B,) integers in 1 .. N, where each clip ends; what stands behind
            is taken as zero. N throughout where None. The caller refuses clips of no
            samples.

        Returns:
          `features`: (B, frames, F) float32, frames = max(1, 1 + floor((N - window) /
          hop)); `num_frames`: (B,) int32, the same with each clip's own length for N.
        """
        config = self.config
        waveforms = tf.cast(waveforms, tf.float64)
        batch, length = tf.shape(waveforms)[0], tf.shape(waveforms)[1]
        if num_samples is None:
            num_samples = tf.fill([batch], length)
        num_samples = tf.cast(num_samples, tf.int32)
        waveforms = tf.where(
            tf.range(length) < num_samples[:, tf.newaxis],
            waveforms,
            tf.zeros([], tf.float64),
        )
        missing = tf.maximum(0, config.window_samples - length)
        waveforms = tf.pad(waveforms, [[0, 0], [0, missing]])
        num_frames = 1 + (num_samples - config.window_samples) // config.hop_samples
        return {
            "features": config.in_graph(waveforms),
            "num_frames": tf.maximum(1, num_frames),
        }

    def compute_output_spec(
        self, waveforms: Any, num_samples: Any = None
    ) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of `call`'s results; frames is None where N is."""
        batch, length = waveforms.shape
        frames = None if length is None else max(1, self.config.num_frames(length))
        return {
            "features": keras.KerasTensor(
                (batch, frames, self.config.num_bins), "float32"
            ),
            "num_frames": keras.KerasTensor((batch,), "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "config": self.config.parameters()}
