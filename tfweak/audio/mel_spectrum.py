"""Log-mel features, VGGish's unless told otherwise, and an 8-bit form for storage.

In NumPy and in graph; `front_ends` lists the settings that have a name.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy.fft

from ..errors import InputError
from ..typing import Array
from .framing import Framing

if TYPE_CHECKING:
    import tensorflow as tf

# Top of the 8-bit range: by Parseval's theorem no waveform within [-1, 1] gets above
# 6.173 with the default settings.
QUANTISER_HIGH = 6.2


@dataclasses.dataclass(frozen=True)
class LogMelConfig(Framing):
    """A log-mel front end; the defaults are VGGish's.

    Frames of a periodic Hann window, zero-padded to the next power of two; magnitudes
    of their spectrum (not powers); triangles over the HTK mel scale
    mel(f) = 1127 ln(1 + f / 700); log(mel + log_offset).

    Attributes:
      sample_rate_hz: rate of the waveforms.
      window_seconds, hop_seconds: the frames; whole numbers of samples.
      num_mel_bins: F.
      lower_edge_hz, upper_edge_hz: outer feet of the first and the last triangle.
      log_offset: keeps silence finite.
    """

    kind: ClassVar[str] = "log_mel"
    title: ClassVar[str] = "log-mel"

    sample_rate_hz: int = 16000
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    num_mel_bins: int = 64
    lower_edge_hz: float = 125.0
    upper_edge_hz: float = 7500.0
    log_offset: float = 0.01

    def __post_init__(self) -> None:
        self.check(may_be_zero=("lower_edge_hz",))
        if not 0 <= self.lower_edge_hz < self.upper_edge_hz <= self.sample_rate_hz / 2:
            raise InputError(
                f"log-mel bands from {self.lower_edge_hz} to {self.upper_edge_hz} Hz:"
                f" must rise and lie within 0 and {self.sample_rate_hz / 2:g} Hz"
            )

    @property
    def num_bins(self) -> int:
        """F, by the name that every front end has for it."""
        return self.num_mel_bins

    @property
    def fft_length(self) -> int:
        """The window's length, rounded up to a power of two."""
        return 1 << (self.window_samples - 1).bit_length()

    def parameters(self, dtype: str = "float16") -> dict[str, Any]:
        """All that changes the stored values, as JSON types, for a record payload.

        Args:
          dtype: how the features are stored; `uint8` adds the quantiser's range.
        """
        found = {"front_end": "magnitude-htk-log", **dataclasses.asdict(self)}
        if dtype == "uint8":
            found["quantiser_low"] = math.log(self.log_offset)
            found["quantiser_high"] = QUANTISER_HIGH
        return found

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> LogMelConfig:
        """The front end that a payload was made with; inverse of `parameters`.

        Raises:
          InputError: when a parameter is missing, or the front end or the quantiser is
            not this one.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if name not in parameters]
        if missing:
            raise InputError(f"log-mel parameters without {', '.join(missing)}")
        config = cls(**{name: parameters[name] for name in names})
        dtype = "uint8" if "quantiser_low" in parameters else "float16"
        expected = config.parameters(dtype)
        wrong = {
            name: value
            for name, value in parameters.items()
            if value != expected.get(name)
        }
        if wrong or "front_end" not in parameters:
            raise InputError(
                f"log-mel data of an unknown front end: {wrong}, expected"
                f" {expected}; prepare the data again"
            )
        return config

    def compute(self, waveform: Array) -> Array:
        """`log_mel` of one waveform; one shorter than a window is padded to it."""
        return log_mel(pad_to_window(waveform, self.window_samples), self)

    def in_graph(self, waveforms: tf.Tensor) -> tf.Tensor:
        """`compute` for (B, N) float64, N a window at least: (B, frames, F) float32."""
        import tensorflow as tf

        frames = tf.signal.frame(waveforms, self.window_samples, self.hop_samples)
        spectra = tf.signal.rfft(frames * hann(self.window_samples), [self.fft_length])
        # the magnitude of doubles takes four times as long, and gains nothing any more
        mel = tf.abs(tf.cast(spectra, tf.complex64)) @ mel_matrix(self)
        return tf.math.log(mel + self.log_offset)


def log_mel(waveform: Array, config: LogMelConfig | None = None) -> Array:
    """Log-mel features of one waveform.

    Args:
      waveform: (N,) float, in [-1, 1].
      config: the front end; VGGish's where None.

    Returns:
      (frames, F) float32, frames = `config.num_frames(N)`: a 10 s clip gives 998, less
      than a window gives none.
    """
    config = config or LogMelConfig()
    frames = config.num_frames(len(waveform))
    if not frames:
        return np.zeros((0, config.num_mel_bins), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.asarray(waveform, np.float64), config.window_samples
    )[:: config.hop_samples]
    # In double: a loud tone's rounding errors in single are near log_offset.
    spectrum = np.abs(
        scipy.fft.rfft(windows * hann(config.window_samples), config.fft_length)
    ).astype(np.float32)
    return np.log(spectrum @ mel_matrix(config) + np.float32(config.log_offset))


@functools.lru_cache(maxsize=8)
def hann(length: int) -> Array:
    """(length,) float64 periodic Hann window, 0.5 - 0.5 cos(2 pi n / length)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi / length * np.arange(length))
    window.flags.writeable = False  # the cache hands it out again
    return window


@functools.lru_cache(maxsize=8)
def mel_matrix(config: LogMelConfig) -> Array:
    """(fft_length // 2 + 1, F) float32: magnitudes to mel bands.

    Triangles whose sides are straight over mel, not over Hz (as VGGish has them and
    librosa has not), with peak 1 and feet at the neighbours' peaks; F + 2 points at
    equal distances in mel. The lower edge is not below 0, so DC counts nowhere.
    """
    bins = _mel(np.linspace(0, config.sample_rate_hz / 2, config.fft_length // 2 + 1))
    points = np.linspace(
        _mel(config.lower_edge_hz), _mel(config.upper_edge_hz), config.num_mel_bins + 2
    )
    width = points[1] - points[0]
    matrix = np.maximum(0, 1 - np.abs(bins[:, None] - points[None, 1:-1]) / width)
    matrix = matrix.astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def quantise(features: Array, config: LogMelConfig | None = None) -> Array:
    """(frames, F) float to uint8: 256 equal steps from log(log_offset), rounded.

    With the default front end a step is 0.0424, and every value from log(0.01) to
    `QUANTISER_HIGH` comes back within 0.0213 (0.18 dB); what lies outside is clipped.
    """
    step, low = quantiser_affine(config)
    return np.clip(np.rint((features - low) / step), 0, 255).astype(np.uint8)


def quantiser_affine(config: LogMelConfig | None = None) -> tuple[float, float]:
    """`step`, `low` of value = stored * step + low, in log units."""
    low = math.log((config or LogMelConfig()).log_offset)
    return (QUANTISER_HIGH - low) / 255, low


def pad_to_window(waveform: Array, window_samples: int) -> Array:
    """(N,) to at least (window_samples,), with zeros behind."""
    missing = window_samples - len(waveform)
    return np.pad(waveform, (0, missing)) if missing > 0 else waveform


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
