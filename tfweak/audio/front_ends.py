"""Front ends by name: what makes of a waveform the features that a model reads.

A new one is an entry of `FRONT_ENDS`, if need be of a new class with the members of
`FrontEnd`. `features_layer.FrontEndLayer` computes any of them inside a graph.

What the papers print, and what is chosen here because they do not:

  vggish      VGGish's, as published with it (`features.LogMelConfig`).
  xu2017      Xu et al. 2017 print 40 mel bands and 249 frames for 4 s at 16 kHz.
              Chosen: windows of 32 ms every 16 ms, which give just that,
              1 + (64000 - 512) / 256; bands from 0 to 8000 Hz.
  gated_crnn  The winner of DCASE 2017's task 4 (Xu et al. 2018): 16 kHz, 64 mel bands,
              240 frames for 10 s, from windows of 1024 samples every 664. Chosen: bands
              from 0 to 8000 Hz; a Hann window, as everywhere here.
  tlweak      Kumar et al. 2018: 44.1 kHz, 128 mel bands, windows of 1024 samples every
              512. Theirs are in dB; ours are natural logarithms, which standardisation
              makes the same but for the offset that keeps silence finite. Chosen:
              bands of magnitudes from 20 Hz (from 0 Hz, the first would lie between
              two bins of the FFT) to 22050 Hz.
  constant_q  Lidy & Schindler 2016 used a constant-Q transform, of 80 bins as far as
              we know. Chosen: twelve bins an octave from 65.4 Hz (C2) to 6271 Hz, so
              that all lie below 8 kHz; a frame every 16 ms.

All but `vggish` take their logarithm's offset, and the HTK mel scale, from us.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..errors import InputError
from ..typing import Array
from .constant_q import ConstantQConfig
from .mel_spectrum import LogMelConfig

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT = "vggish"


class FrontEnd(Protocol):
    """A waveform's features: frames of F values. Immutable, hashable, picklable.

    Attributes:
      kind: of the record payload, see `records.PAYLOAD_DTYPES`.
    """

    kind: ClassVar[str]

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the waveforms."""

    @property
    def window_seconds(self) -> float:
        """Length of a frame."""

    @property
    def hop_seconds(self) -> float:
        """From one frame's start to the next one's."""

    @property
    def window_samples(self) -> int:
        """Length of a frame."""

    @property
    def hop_samples(self) -> int:
        """From one frame's start to the next one's."""

    @property
    def num_bins(self) -> int:
        """F."""

    @property
    def context_frames(self) -> int:
        """How many hops beyond its own window a frame reaches, on both sides."""

    def num_frames(self, num_samples: int) -> int:
        """Whole windows in a waveform: 1 + floor((N - window) / hop), or 0."""

    def parameters(self, dtype: str = "float16") -> dict[str, Any]:
        """All that changes values stored as `dtype`, as JSON types."""

    def compute(self, waveform: Array) -> Array:
        """(N,) float to (frames, F) float32; one shorter than a window is padded."""

    def in_graph(self, waveforms: tf.Tensor) -> tf.Tensor:
        """(B, N) float64, N a window at least, to (B, frames, F) float32."""


FRONT_ENDS: Mapping[str, FrontEnd] = types.MappingProxyType(
    {
        DEFAULT: LogMelConfig(),
        "xu2017": LogMelConfig(
            window_seconds=0.032,
            hop_seconds=0.016,
            num_mel_bins=40,
            lower_edge_hz=0.0,
            upper_edge_hz=8000.0,
        ),
        "gated_crnn": LogMelConfig(
            window_seconds=1024 / 16000,
            hop_seconds=664 / 16000,
            num_mel_bins=64,
            lower_edge_hz=0.0,
            upper_edge_hz=8000.0,
        ),
        "tlweak": LogMelConfig(
            sample_rate_hz=44100,
            window_seconds=1024 / 44100,
            hop_seconds=512 / 44100,
            num_mel_bins=128,
            lower_edge_hz=20.0,
            upper_edge_hz=22050.0,
        ),
        "constant_q": ConstantQConfig(),
    }
)


def get(name: str) -> FrontEnd:
    """A front end by name.

    Raises:
      InputError: when there is none of that name.
    """
    if name not in FRONT_ENDS:
        raise InputError(f"no front end {name!r}; there are {', '.join(FRONT_ENDS)}")
    return FRONT_ENDS[name]


def name_of(front_end: FrontEnd) -> str:
    """The name of a front end, or what it is where it has none."""
    names = [name for name, known in FRONT_ENDS.items() if known == front_end]
    return names[0] if names else repr(front_end)


def advice(front_end: FrontEnd) -> str:
    """How data for a front end is prepared."""
    return f"with features=log_mel and front_end={name_of(front_end)}"


def from_parameters(parameters: Mapping[str, Any]) -> FrontEnd:
    """The front end that a payload was made with; inverse of `FrontEnd.parameters`.

    Raises:
      InputError: when no front end here has such parameters.
    """
    if "bins_per_octave" in parameters:
        return ConstantQConfig.from_parameters(parameters)
    return LogMelConfig.from_parameters(parameters)
