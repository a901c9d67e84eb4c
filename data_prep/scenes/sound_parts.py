"""Parts that the built-in sounds are put together from; rates in Hz throughout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.signal

from tfweak.typing import Array


def tone(frequency_hz: Array, rate: int, partials: Sequence[float] | Array) -> Array:
    """(N,) harmonics of a moving pitch; those above 0.45 of the rate are left out."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / rate
    heard = int(0.45 * rate / float(np.max(frequency_hz)))
    # sin((k + 1) x) = 2 cos(x) sin(k x) - sin((k - 1) x), much quicker than many sines
    twice, sine, last = 2 * np.cos(phase), np.sin(phase), np.zeros(len(phase))
    out = np.zeros(len(phase))
    for gain in partials[:heard]:
        out += gain * sine
        last, sine = sine, twice * sine - last
    return out


def odd_partials(rng: np.random.Generator, count: int) -> Array:
    """Gains of harmonics as of a horn driver fed a square wave; even ones are weak."""
    k = np.arange(1, count + 1)
    return rng.uniform(0.6, 1.4, count) * np.where(k % 2 == 1, 1.0, 0.25) / k


def noise(
    rng: np.random.Generator, n: int, rate: int, low_hz: float, high_hz: float
) -> Array:
    """(N,) noise of unit power between two frequencies, 12 dB an octave beyond."""
    high = min(high_hz, 0.45 * rate)
    sos = scipy.signal.butter(2, [low_hz, high], "bandpass", fs=rate, output="sos")
    out = scipy.signal.sosfilt(sos, rng.standard_normal(n))
    return out / rms(out)


def wander(
    rng: np.random.Generator, n: int, rate: int, speed_hz: float, depth: float
) -> Array:
    """(N,) slow random curve: about `speed_hz` turns a second, deviation `depth`."""
    points = rng.standard_normal(max(4, round(n / rate * speed_hz * 2) + 2)) * depth
    at = np.linspace(0, len(points) - 1, n)
    left = np.minimum(at.astype(int), len(points) - 2)
    ease = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    return points[left] * (1 - ease) + points[left + 1] * ease


def smooth(values: Array, rate: int, seconds: float) -> Array:
    """(N,) moving average; the ends are held."""
    size = max(1, round(seconds * rate))
    padded = np.pad(values, (size // 2, size - 1 - size // 2), "edge")
    total = np.cumsum(np.concatenate([[0.0], padded]))
    return (total[size:] - total[:-size]) / size


def resonance(values: Array, rate: int, centre_hz: float, quality: float) -> Array:
    """(N,) one formant, gain 1 at its centre."""
    b, a = scipy.signal.iirpeak(min(centre_hz, 0.45 * rate), quality, fs=rate)
    return scipy.signal.lfilter(b, a, values)


def clicks(
    rng: np.random.Generator,
    times_seconds: Array,
    n: int,
    rate: int,
    decay_seconds: float,
) -> Array:
    """(N,) impacts at the given times: decaying noise, 100 to 3000 Hz, peak about 3."""
    at = np.round(times_seconds * rate).astype(int)
    at = at[(at >= 0) & (at < n)]
    strikes = np.zeros(n)
    strikes[at] = rng.uniform(0.7, 1.3, len(at)) * 3
    fade = np.exp(-1 / (decay_seconds * rate))
    level = scipy.signal.lfilter([1], [1, -fade], strikes)
    return level * noise(rng, n, rate, 100, 3000)


def rms(values: Array) -> float:
    """Root mean square, summed in double."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
