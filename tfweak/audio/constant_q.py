"""Constant-Q spectra: bins at equal distances in pitch, windows of equal periods.

Brown 1991, "Calculation of a constant Q spectral transform". librosa has a fast
approximation that halves the sample rate octave by octave, but needs numba; here each
bin's kernel, computed once, goes over the waveform itself, in NumPy and in graph.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import InputError
from ..typing import Array
from .framing import Framing
from .mel_spectrum import pad_to_window

if TYPE_CHECKING:
    import tensorflow as tf

_FRONT_END = "constant-q-hann-log"


@dataclasses.dataclass(frozen=True)
class ConstantQConfig(Framing):
    """A constant-Q front end: log(|X| + log_offset).

        X(t, k) = sqrt(l_k) / W_k sum_n x(s_t + n) w_k(n) exp(-2 pi i n f_k / rate)

    with f_k = lowest_hz 2^(k / bins_per_octave), Q = 1 / tanh(ln 2 / bins_per_octave)
    periods a window, l_k = Q rate / f_k samples, w_k(n) = 0.5 + 0.5 cos(2 pi n / l_k)
    for |n| < l_k / 2, and W_k the sum of w_k. s_t is the middle of frame t. A sine of
    amplitude a at f_k gives sqrt(l_k) a / 2, and white noise the same in all bins.
    `librosa.cqt` approximates this; on noise, all in all, to 2.4 %, most of it because
    it rounds the windows to whole samples.

    Low bins reach far beyond their frame, into other frames and beyond the clip's ends,
    where zeros stand; so the frames cover a clip as those of a spectrogram with this
    window and hop do.

    Attributes:
      sample_rate_hz: rate of the waveforms.
      window_seconds, hop_seconds: the frames; whole numbers of samples.
      num_bins: F.
      bins_per_octave: 12 are semitones.
      lowest_hz: centre of the first bin.
      log_offset: keeps silence finite.
    """

    kind: ClassVar[str] = "constant_q"
    title: ClassVar[str] = "constant-Q"

    sample_rate_hz: int = 16000
    window_seconds: float = 0.032
    hop_seconds: float = 0.016
    num_bins: int = 80
    bins_per_octave: int = 12
    lowest_hz: float = 65.4
    log_offset: float = 0.001

    def __post_init__(self) -> None:
        self.check()
        # half the width of the window's spectrum, 1.5 bins of its own transform
        upper = self.frequencies_hz[-1] * (1 + 0.75 / self.quality)
        if upper > self.sample_rate_hz / 2:
            raise InputError(
                f"constant-Q bins up to {upper:g} Hz: must lie below"
                f" {self.sample_rate_hz / 2:g} Hz; take fewer, or a lower lowest_hz"
            )

    @property
    def quality(self) -> float:
        """Q, the periods that a window holds: 17.3 with twelve bins an octave."""
        return 1 / math.tanh(math.log(2) / self.bins_per_octave)

    @property
    def frequencies_hz(self) -> Array:
        """(F,) float64 f_k, the centres of the bins."""
        return self.lowest_hz * 2 ** (np.arange(self.num_bins) / self.bins_per_octave)

    @property
    def context_frames(self) -> int:
        """Those that the lowest bin reaches, whose window is the longest."""
        half, _ = _banks(self)[0]
        beyond = half + 1 - self.window_samples // 2
        return math.ceil(max(0, beyond) / self.hop_samples)

    def parameters(self, dtype: str = "float16") -> dict[str, Any]:
        """All that changes the stored values, as JSON types, for a record payload.

        Raises:
          InputError: a dtype other than float16.
        """
        if dtype != "float16":
            raise InputError(f"constant-Q data is stored as float16, not as {dtype}")
        return {"front_end": _FRONT_END, **dataclasses.asdict(self)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> ConstantQConfig:
        """The front end that a payload was made with; inverse of `parameters`.

        Raises:
          InputError: when these are no parameters of this front end.
        """
        expected = {"front_end", *(field.name for field in dataclasses.fields(cls))}
        given = dict(parameters)
        if set(given) != expected or given.pop("front_end") != _FRONT_END:
            raise InputError(
                f"constant-Q data of an unknown front end: {dict(parameters)}, expected"
                f" {_FRONT_END} with {', '.join(sorted(expected))}"
            )
        return cls(**given)

    def compute(self, waveform: Array) -> Array:
        """The features of one waveform.

        Args:
          waveform: (N,) float, in [-1, 1]; one shorter than a window is padded to it.

        Returns:
          (frames, F) float32, frames = max(1, `num_frames(N)`).
        """
        waveform = pad_to_window(np.asarray(waveform, np.float64), self.window_samples)
        frames = self.num_frames(len(waveform))
        found = []
        for half, kernels in _banks(self):
            left, start, right = self._margins(half)
            padded = np.pad(waveform, (left, right))[start:]
            windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
            # a copy multiplies several times as fast as the overlapping view
            parts = np.ascontiguousarray(windows[:: self.hop_samples][:frames])
            real, imaginary = np.split(parts @ kernels, 2, axis=1)
            found.append(np.hypot(real, imaginary))
        magnitudes = np.concatenate(found, axis=1)
        return np.log(magnitudes + self.log_offset).astype(np.float32)

    def in_graph(self, waveforms: tf.Tensor) -> tf.Tensor:
        """`compute` for (B, N) float64, N a window at least: (B, frames, F) float32."""
        import tensorflow as tf

        # in double: a loud tone's rounding errors in single are near log_offset
        frames = 1 + (tf.shape(waveforms)[1] - self.window_samples) // self.hop_samples
        found = []
        for half, kernels in _banks(self):
            left, start, right = self._margins(half)
            padded = tf.pad(waveforms, [[0, 0], [left, right]])[:, start:]
            padded = padded[:, : (frames - 1) * self.hop_samples + 2 * half + 1]
            # does without the frames in memory, which overlap many times
            parts = tf.nn.conv1d(
                padded[..., tf.newaxis],
                kernels[:, np.newaxis],
                self.hop_samples,
                "VALID",
            )
            real, imaginary = tf.split(parts, 2, axis=-1)
            found.append(tf.sqrt(tf.square(real) + tf.square(imaginary)))
        magnitudes = tf.concat(found, axis=-1)
        return tf.cast(tf.math.log(magnitudes + self.log_offset), tf.float32)

    def _margins(self, half: int) -> tuple[int, int, int]:
        """Zeros to put before, samples to leave out before, zeros to put behind.

        So that a kernel of `half` samples either side of its middle, laid at the
        waveform's start, has its middle at that of the first frame.
        """
        middle = self.window_samples // 2
        return max(0, half - middle), max(0, middle - half), half + 1


@functools.lru_cache(maxsize=4)
def _banks(config: ConstantQConfig) -> list[tuple[int, Array]]:
    """The kernels of each octave, all as long as that of its lowest bin.

    Returns:
      (half, kernels) by octave; kernels is (2 half + 1, 2 x bins) float64, first the
      real parts, then the imaginary ones.
    """
    banks = []
    for first in range(0, config.num_bins, config.bins_per_octave):
        frequencies = config.frequencies_hz[first : first + config.bins_per_octave]
        lengths = config.quality * config.sample_rate_hz / frequencies
        half = math.ceil(lengths[0] / 2) - 1
        n = np.arange(-half, half + 1)[:, np.newaxis]
        windows = np.where(
            np.abs(n) < lengths / 2, 0.5 + 0.5 * np.cos(2 * np.pi * n / lengths), 0.0
        )
        waves = np.exp(-2j * np.pi * n * frequencies / config.sample_rate_hz)
        kernels = np.sqrt(lengths) * windows / windows.sum(axis=0) * waves
        both = np.concatenate([kernels.real, kernels.imag], axis=1)
        both.flags.writeable = False  # the cache hands it out again
        banks.append((half, both))
    return banks
