"""Denoising auto-encoder features and a shrinking network, Xu et al. 2017: `dae_dnn`.

"Unsupervised feature learning based on deep models for environmental audio tagging",
IEEE/ACM TASLP 25(6), 2017: the system DAE-DNN of Xu et al. 2017's Table 3.

Layers for the 249 x 40 input (a chunk of 4 s); windows hop by 10 frames:

  standardisation             249 x 40
  encoder   7 x 40 -> 500     249 x 500   ReLU, on the 7 frames around a frame
  code      50                249 x 50    ReLU, the learnt features
  background                  50          mean code of a clip's first 6 frames
  dnn_1     92 x 50 -> 1000   25 x 1000   ReLU, on 91 frames of code and the background
  dnn_2     500               25 x 500    ReLU
  tags      C, sigmoid        25 x C
  mean over windows           C

Dropout: 0.1 of the code before `dnn_1`, 0.2 after `dnn_1` and `dnn_2`. 5,270,557
trainable parameters at C = 7.

A new run from random weights first trains `encoder` and `code` for `pretrain_epochs`
on the training clips without their labels, as an auto-encoder that gives the middle
frame alone from corrupted frames (asymmetric; see `_dae`). `pretrain_epochs=0` leaves
that out. The paper then leaves the encoder as it is: `train_encoder=false`. By default
the tags train it on.

Certain, from the paper's abstract: 40 log-mel bands, the asymmetric denoising
auto-encoder, a shrinking network with dropout on a large context, background noise
aware input. From the authors' published training script (of their MFCC system): 91
frames of context, one more frame of background appended, 1000 and 500 units, dropout
0.1 and 0.2. From memory and others' reimplementations: 7 frames into the auto-encoder,
500 units, a code of 50, the background from the first 6 frames, ReLU.

Chosen: windows hop by 10 of our 16 ms frames (a segment for 0.16 s); positions outside
a clip are zero, in the input the training mean; the corruption sets a tenth of the
input to zero; the network answers a mean of sigmoids over windows; dropout of the code
drops a value of a frame in all windows that hold it; 5 epochs of pre-training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from tfweak.errors import InputError
from tfweak.labels import SegmentGrid
from tfweak.settings import option

from ..networks import autoencoder, time_grid, xu2017
from ..networks.layers import ApplyMask, SequenceMask

BACKGROUND_FRAMES = 6


@dataclasses.dataclass(frozen=True)
class DaeDnn(xu2017.XuArchitecture):
    """Settings."""

    name = "dae_dnn"

    encoder_frames: int = xu2017.count(7, "frames into the auto-encoder, odd")
    encoder_units: int = xu2017.count(500, "of its hidden layer")
    code_units: int = xu2017.count(50, "learnt features of a frame")
    context_frames: int = xu2017.count(91, "frames of code into the network, odd")
    window_hop_frames: int = xu2017.count(10, "from one window to the next")
    hidden_units: int = xu2017.count(1000, "of dnn_1; dnn_2 has half as many")
    dropout: float = xu2017.dropout(0.2, "of the hidden layers' outputs")
    input_dropout: float = xu2017.dropout(0.1, "of the code")
    train_encoder: bool = option(True, "train encoder and code with the network")
    pretrain_epochs: int = option(
        5, "of the auto-encoder, before the labels are used; 0 for none", lower=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("encoder_frames", "context_frames"):
            if getattr(self, name) % 2 == 0:
                raise InputError(
                    f"{name}={getattr(self, name)}: an odd number is needed, one frame"
                    " and as many on either side"
                )
        if self.window_hop_frames > self.context_frames:
            raise InputError(
                f"window_hop_frames={self.window_hop_frames}: more than context_frames"
                f" {self.context_frames}, some frames would be in no window"
            )

    def network(self) -> keras.Model:
        """(B, frames, 40) log-mel -> the output dict, a segment for 10 frames."""
        inputs, frames, mask = xu2017.inputs()
        code = keras.layers.Conv1D(
            self.encoder_units,
            self.encoder_frames,
            padding="same",
            activation="relu",
            trainable=self.train_encoder,
            name="encoder",
        )(frames)
        code = keras.layers.Dense(
            self.code_units,
            activation="relu",
            trainable=self.train_encoder,
            name="code",
        )(code)
        code = ApplyMask(name="valid_code")(code, mask)
        background = BackgroundEstimate(BACKGROUND_FRAMES, name="background")(
            code, mask
        )
        if self.input_dropout:
            code = keras.layers.Dropout(self.input_dropout, name="code_dropout")(code)
        hidden = _windows(code, background, self)
        mask = SequenceMask(self.window_hop_frames, name="window_mask")(
            inputs["num_frames"], hidden
        )
        hidden = keras.layers.Dropout(self.dropout, name="dnn_1_dropout")(hidden)
        hidden = keras.layers.Dense(
            max(1, self.hidden_units // 2),
            activation="relu",
            kernel_initializer="he_uniform",
            name="dnn_2",
        )(hidden)
        hidden = keras.layers.Dropout(self.dropout, name="dnn_2_dropout")(hidden)
        probs = xu2017.tag_probs(hidden, mask, self.num_classes)
        return keras.Model(inputs, xu2017.averaged(probs, mask), name="dae_dnn")

    @property
    def grid(self) -> SegmentGrid:
        """A window a slot, both centred on the same frame."""
        before, _ = _edges(self)
        window = time_grid.TimeLayer(
            self.context_frames, self.window_hop_frames, before
        )
        layers = [time_grid.same(self.encoder_frames), window]
        return time_grid.segment_grid(layers, xu2017.FRAMES)

    def num_segments(self, num_frames: Any) -> Any:
        """A window for every started hop."""
        hop = self.window_hop_frames
        return (num_frames + hop - 1) // hop

    def pretrain(self, network: keras.Model, batches: Iterable[Any], seed: int) -> None:
        """Trains encoder and code without labels; see `_dae.pretrain`."""
        if self.pretrain_epochs:
            autoencoder.pretrain(network, batches, self.pretrain_epochs, seed=seed)


@keras.saving.register_keras_serializable(package="tfweak")
class BackgroundEstimate(keras.layers.Layer):
    """The mean of a clip's first valid frames: (B, T, D) -> (B, D).

    Args:
      num_frames: how many, fewer where the clip is shorter.
    """

    def __init__(self, num_frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_frames = num_frames
        self.supports_masking = False

    def call(self, values: Any, mask: Any) -> Any:
        first = ops.cast(values[:, : self.num_frames], "float32")
        valid = ops.cast(mask[:, : self.num_frames, None], "float32")
        count = ops.maximum(ops.sum(valid, axis=1), 1.0)
        return ops.cast(ops.sum(first * valid, axis=1) / count, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_frames": self.num_frames}


def _edges(config: DaeDnn) -> tuple[int, int]:
    # Frames of padding before and after a clip. A window is centred on the middle frame
    # of its slot.
    centre = (config.window_hop_frames - 1) // 2
    before = (config.context_frames - 1) // 2 - centre
    return before, config.context_frames - 1 - before


def _windows(code: Any, background: Any, config: DaeDnn) -> Any:
    # A window's frames side by side, times a matrix, is a convolution; the background
    # that stands beside them has columns of its own in that matrix.
    padded = keras.layers.ZeroPadding1D(_edges(config), name="edges")(code)
    hidden = keras.layers.Conv1D(
        config.hidden_units,
        config.context_frames,
        strides=config.window_hop_frames,
        kernel_initializer="he_uniform",
        name="dnn_1",
    )(padded)
    shift = keras.layers.Dense(
        config.hidden_units,
        use_bias=False,
        kernel_initializer="he_uniform",
        name="dnn_1_background",
    )(background)
    shift = keras.layers.Reshape((1, config.hidden_units), name="background_shift")(
        shift
    )
    hidden = keras.layers.Add(name="dnn_1_sum")([hidden, shift])
    return keras.layers.ReLU(name="dnn_1_relu")(hidden)
