"""What front ends have in common that cut a waveform into frames."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from ..errors import InputError


@dataclasses.dataclass(frozen=True)
class Framing:
    """Windows of one length, from a clip's first sample on, at equal distances.

    The base of the front ends' settings: a frozen dataclass that derives from it gives
    these fields their defaults, and calls `check` in its `__post_init__`.

    Attributes:
      title: what messages call the front end.
      sample_rate_hz: rate of the waveforms.
      window_seconds, hop_seconds: the frames; whole numbers of samples.
    """

    title: ClassVar[str]

    sample_rate_hz: int
    window_seconds: float
    hop_seconds: float

    @property
    def window_samples(self) -> int:
        """Length of a frame."""
        return round(self.window_seconds * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """From one frame's start to the next one's."""
        return round(self.hop_seconds * self.sample_rate_hz)

    @property
    def context_frames(self) -> int:
        """How many hops beyond its own window a frame reaches, on both sides."""
        return 0

    def num_frames(self, num_samples: int) -> int:
        """Whole windows in `num_samples`: 1 + floor((N - window) / hop), or 0."""
        return max(0, 1 + (num_samples - self.window_samples) // self.hop_samples)

    def check(self, may_be_zero: tuple[str, ...] = ()) -> None:
        """Refuses settings that are not above 0, and times that are no whole samples.

        A quotient such as 1024 / 44100 counts as whole, for it is so but for its
        rounding.

        Args:
          may_be_zero: settings that need not be above 0.

        Raises:
          InputError: naming the setting.
        """
        for name, value in dataclasses.asdict(self).items():
            if name not in may_be_zero and not value > 0:
                raise InputError(f"{self.title} {name}={value}: must be above 0")
        for name in ("window_seconds", "hop_seconds"):
            samples = getattr(self, name) * self.sample_rate_hz
            if round(samples) < 1 or abs(samples - round(samples)) > 1e-6:
                raise InputError(
                    f"{self.title} {name}={getattr(self, name)}: {samples:g} samples at"
                    f" {self.sample_rate_hz} Hz, must be a whole number"
                )
