"""Xu et al. 2017's baseline, the chunk-level CGRNN of their Fig. 1: `cgrnn`.

Layers for the 249 x 40 input (a chunk of 4 s):

  standardisation           249 x 40
  cnn     1x30, 128, ReLU   249 x 11 x 128  over the bands of one frame, valid; nothing
                                            over time
          max               249 x 128       over the 11 positions
  gru_1   2 x 128           249 x 256       bidirectional
  gru_2   2 x 128           249 x 256
  gru_3   2 x 128           249 x 256
  hidden  500, ReLU         249 x 500       dropout 0.2
  tags    C, sigmoid        249 x C         O(t)
  mean over frames          C               Eq. (2)

927,015 trainable parameters at C = 7. The paper prints the numbers of units and the
kernel size; that the convolution sees one frame, the dropout and where it lies are from
the published model file. That file has 8 outputs (7 tags and silence); here there are
as many as classes, 7 as the paper prints.

Deviations: the GRUs have the reset gate after the recurrent product and two biases
(Keras's default today, what fast kernels compute), not before it. Frame settings are
not printed: 249 frames of 32 ms are ours, see `tfweak.audio.front_ends`.
"""

from __future__ import annotations

import dataclasses

import keras

from ..networks import frame_cnn, xu2017


@dataclasses.dataclass(frozen=True)
class Cgrnn(frame_cnn.FrameCnnTrunk):
    """Settings: those of the trunk, and no others."""

    name = "cgrnn"

    def network(self) -> keras.Model:
        """(B, frames, 40) log-mel -> the output dict, a segment a frame."""
        inputs, frames, mask = xu2017.inputs()
        hidden = frame_cnn.frame_cnn(frames, self)
        probs = frame_cnn.recurrent_tags(hidden, mask, self)
        return keras.Model(inputs, xu2017.averaged(probs, mask), name="cgrnn")
