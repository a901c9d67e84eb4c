"""Speech-like sounds made in code, and the room that domestic sounds are heard in.

Nothing here says words: voices are pulses through formants, syllable after syllable,
with hisses for consonants. What tells the talkers apart is what does so in people
(Peterson & Barney 1952; Hillenbrand et al. 1995): the pitch, the length of the vocal
tract, which scales the formants, and the rhythm. The ranges of neighbours overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.signal

from tfweak.typing import Array

from .sound_parts import noise, resonance, rms, wander

# First four formants of a man's vowels in Hz.
_VOWELS = np.array(
    [
        [280, 2250, 2900, 3500],  # heed
        [400, 1950, 2550, 3450],  # hid
        [550, 1800, 2500, 3450],  # head
        [670, 1700, 2420, 3400],  # had
        [740, 1150, 2480, 3400],  # hod
        [590, 880, 2550, 3350],  # hawed
        [450, 1050, 2300, 3300],  # hood
        [310, 900, 2280, 3300],  # who'd
        [500, 1300, 1750, 3300],  # heard
    ],
    float,
)
_FORMANT_GAINS = np.array([1.0, 0.6, 0.3, 0.15])


class Talker(NamedTuple):
    """A kind of talker; every utterance draws its own from these ranges.

    Attributes:
      pitch_hz: of the voice on the whole.
      formant_scale: beside a man's.
      syllables_hz: how many a second.
      swing: deviation of the pitch within an utterance, in octaves.
      breath: share of breath in the voice.
    """

    pitch_hz: tuple[float, float]
    formant_scale: tuple[float, float]
    syllables_hz: tuple[float, float]
    swing: float
    breath: tuple[float, float]


CHILD = Talker((220, 420), (1.25, 1.45), (2.2, 4.5), 0.22, (0.05, 0.25))
MAN = Talker((85, 175), (0.93, 1.06), (3.5, 6.0), 0.10, (0.02, 0.15))
WOMAN = Talker((150, 265), (1.08, 1.24), (3.5, 6.0), 0.13, (0.05, 0.2))


def speech(
    rng: np.random.Generator, seconds: float, rate: int, talker: Talker
) -> Array:
    """An utterance that begins and ends with a syllable; (N,) float, unit power."""
    n = round(seconds * rate)
    tract = rng.uniform(*talker.formant_scale)
    pitch = _pitch(rng, n, rate, talker)
    source = _voice(rng, pitch, rate, rng.uniform(*talker.breath))
    out = np.zeros(n)
    for start, stop in _syllables(rng, n, rate, rng.uniform(*talker.syllables_hz)):
        first, last = _VOWELS[rng.integers(len(_VOWELS), size=2)] * tract
        part = source[start:stop]
        glide = np.linspace(0, 1, stop - start)
        vowel = (1 - glide) * _formants(part, rate, first)
        vowel += glide * _formants(part, rate, last)
        shape = np.hanning(stop - start + 2)[1:-1] ** rng.uniform(0.3, 0.8)
        out[start:stop] += rng.uniform(0.5, 1.0) * shape * vowel / max(rms(vowel), 1e-9)
        if rng.random() < 0.5:
            hiss = _consonant(rng, rate, tract)[: n - start]
            out[start : start + len(hiss)] += rng.uniform(0.1, 0.5) * hiss
    return out / rms(out)


def cry(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A child's shout, laugh or wail: one open vowel, high; (N,) float, unit power."""
    n = round(seconds * rate)
    pitch = rng.uniform(320, 560) * 2 ** wander(rng, n, rate, 2, 0.25)
    pitch *= 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(4, 8) * np.arange(n) / rate)
    source = _voice(rng, pitch, rate, rng.uniform(0.05, 0.3))
    vowel = _VOWELS[rng.integers(2, 6)] * rng.uniform(1.25, 1.45)
    bursts = rng.uniform(1.2, 5.5)  # wails are slow, laughter is quick
    gate = 0.55 - 0.45 * np.cos(2 * np.pi * (bursts * np.arange(n) / rate + 0.5))
    out = _formants(source, rate, vowel) * gate
    return out / rms(out)


def in_a_room(
    rng: np.random.Generator,
    values: Array,
    rate: int,
    attack_seconds: float = 0.005,
    release_seconds: float = 0.03,
) -> Array:
    """Reverberation, distance (fewer highs), soft ends; (N,) float32, peak 0.9."""
    decay = rng.uniform(0.15, 0.45)  # seconds until 60 dB down
    size = round(decay * rate)
    tail = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    tail[: round(0.004 * rate)] = 0
    tail *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    out = scipy.signal.fftconvolve(values, tail)[: len(values)]
    corner = min(rng.uniform(2500, 7500), 0.45 * rate)
    b, a = scipy.signal.butter(1, corner, fs=rate)
    out = scipy.signal.lfilter(b, a, out)
    time = np.arange(len(out)) / rate
    out *= np.minimum(1, (time + 1 / rate) / attack_seconds)
    out *= np.minimum(1, (time[::-1] + 1 / rate) / release_seconds)
    return (0.9 / np.abs(out).max() * out).astype(np.float32)


def _pitch(rng: np.random.Generator, n: int, rate: int, talker: Talker) -> Array:
    """(N,) Hz: falls a little, or rises as in a question, and swings on the way."""
    low, high = talker.pitch_hz
    base = low * (high / low) ** rng.random()
    drift = np.linspace(0.5, -0.5, n) * rng.uniform(-0.15, 0.4)
    swing = wander(rng, n, rate, rng.uniform(1.0, 2.5), talker.swing)
    return base * 2 ** (drift + swing + wander(rng, n, rate, 30, 0.008))


def _voice(
    rng: np.random.Generator, pitch_hz: Array, rate: int, breath: float
) -> Array:
    """(N,) the vocal folds: a smooth pulse a period, slope -6 dB an octave, breath."""
    phase = np.cumsum(pitch_hz) / rate % 1
    opening = rng.uniform(0.5, 0.7)
    flow = np.where(phase < opening, phase**2 * (opening - phase), 0.0)
    pulses = np.diff(flow, prepend=flow[0])
    hiss = noise(rng, len(pulses), rate, 500, 6500) * (0.3 + flow / flow.max())
    return pulses / rms(pulses) + breath * hiss


def _formants(source: Array, rate: int, centres_hz: Array) -> Array:
    """(N,) the sum of four resonances, about 60 to 200 Hz wide."""
    out = np.zeros(len(source))
    for centre, gain in zip(centres_hz, _FORMANT_GAINS):
        out += gain * resonance(source, rate, centre, centre / (50 + 0.04 * centre))
    return out


def _syllables(
    rng: np.random.Generator, n: int, rate: int, speed_hz: float
) -> list[tuple[int, int]]:
    """Start and stop of each in samples; now and then one is a pause instead."""
    count = max(1, round(n / rate * speed_hz))
    lengths = rng.uniform(0.6, 1.4, count)
    edges = np.round(np.cumsum(np.r_[0, lengths]) / lengths.sum() * n).astype(int)
    sounding = rng.random(count) > 0.12
    sounding[[0, -1]] = True
    overlap = round(0.03 * rate)  # one runs into the next
    return [
        (int(edges[i]), int(min(n, edges[i + 1] + overlap)))
        for i in np.flatnonzero(sounding)
    ]


def _consonant(rng: np.random.Generator, rate: int, tract: float) -> Array:
    """A hiss or a burst of 30 to 120 ms."""
    size = round(rng.uniform(0.03, 0.12) * rate)
    low = min(rng.uniform(1500, 4000) * tract, 0.35 * rate)
    hiss = noise(rng, size, rate, low, low + rng.uniform(1500, 3500))
    return hiss * np.hanning(size)
