"""Sounds of a home, by the seven letters of CHiME-Home: built in code, varied anew.

Each class is a family of kinds. As in a home, classes share what they are made of: the
television has voices and impacts, a bark is close to a cough or a knock, a tap hisses
as a consonant does. Kinds end as they decay; the mixer trims what is too quiet.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.signal

from tfweak.labels import ClassList
from tfweak.typing import Array

from . import domestic_media as media
from .domestic_voices import CHILD, MAN, WOMAN, Talker, cry, in_a_room, speech
from .sound_parts import clicks, noise, resonance, rms, smooth, tone, wander
from .synthesis import EventKind

# the tags of CHiME-Home, with their letters
CHIME_HOME_CLASSES = ClassList(
    (
        "Child speech",
        "Adult male speech",
        "Adult female speech",
        "TV sounds or Video games",
        "Percussive sound events",
        "Broadband noise",
        "Other identifiable sounds",
    ),
    tuple("cmfvpbo"),
)


def room(
    rng: np.random.Generator, duration_seconds: float, sample_rate_hz: int
) -> Array:
    """A quiet home without the events: air, mains hum, at times a clock or a rustle.

    The air falls by 3 to 7.5 dB an octave; nothing in it belongs to a class.

    Returns:
      (N,) float32, root mean square 0.1.
    """
    n, rate = round(duration_seconds * sample_rate_hz), sample_rate_hz
    frequency = np.fft.rfftfreq(n, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(frequency, 60) ** rng.uniform(0.5, 1.25)
    out = np.fft.irfft(spectrum, n)
    out *= 10 ** (wander(rng, n, rate, 0.5, 2.0) / 20) / rms(out)
    if rng.random() < 0.6:  # a refrigerator
        hum = tone(np.full(n, 50.0), rate, rng.uniform(0, 1, 8) ** 2)
        out += rng.uniform(0.05, 0.6) * hum
    if rng.random() < 0.25:  # a clock
        times = np.arange(rng.uniform(0, 1), duration_seconds, rng.choice([0.5, 1.0]))
        out += rng.uniform(0.2, 0.6) * clicks(rng, times, n, rate, 0.004)
    for _ in range(rng.poisson(duration_seconds / 8)):
        size = min(n, round(rng.uniform(0.1, 0.6) * rate))
        start = rng.integers(0, n - size + 1)
        rustle = noise(rng, size, rate, 800, 5000) * np.hanning(size)
        out[start : start + size] += rng.uniform(0.3, 1.0) * rustle
    return (0.1 * out / rms(out)).astype(np.float32)


# --- c, m, f: speech ----------------------------------------------------------------


def _says(rng: np.random.Generator, s: float, rate: int, talker: Talker) -> Array:
    return in_a_room(rng, speech(rng, s, rate, talker), rate)


def _child_speech(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """High voice, short vocal tract, uneven rhythm, wide swings."""
    return _says(rng, seconds, rate, CHILD)


def _child_cry(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A shout, a laugh, a wail."""
    return in_a_room(rng, cry(rng, seconds, rate), rate)


def _man(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Low voice, long vocal tract."""
    return _says(rng, seconds, rate, MAN)


def _woman(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Between the two others, overlapping both."""
    return _says(rng, seconds, rate, WOMAN)


# --- p: percussive ------------------------------------------------------------------


def _knocks(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Two to six blows on wood at an even pace."""
    gap = rng.uniform(0.13, 0.3)
    times = np.arange(0.01, max(seconds - 0.12, 0.02), gap)
    times[1:] += rng.uniform(-0.1, 0.1, len(times) - 1) * gap
    modes = rng.uniform(150, 450) * np.array([1, 2.3, 3.9, 6.1])
    decay = rng.uniform(0.02, 0.05)
    out = _blows(rng, seconds, rate, times, modes, decay, rng.uniform(0.3, 1))
    return in_a_room(rng, out, rate, 0.001)


def _footsteps(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Dull thuds at walking or running pace, left and right a little different."""
    gap = rng.uniform(0.28, 0.6)
    times = np.arange(0.01, max(seconds - 0.15, 0.02), gap)
    times[1::2] += rng.uniform(-0.08, 0.08) * gap
    modes = rng.uniform(60, 130) * np.array([1, 1.8, 2.9])
    decay = rng.uniform(0.03, 0.07)
    out = _blows(rng, seconds, rate, times, modes, decay, rng.uniform(0.2, 1.2))
    return in_a_room(rng, out, rate, 0.001)


def _crash(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Crockery or cutlery: a first blow, then a few that bounce, each of its pitch."""
    n = round(seconds * rate)
    times = np.r_[0.01, 0.01 + np.cumsum(rng.exponential(0.09, rng.integers(2, 9)))]
    out = np.zeros(n)
    for number, time in enumerate(times[times < seconds - 0.1]):
        base = rng.uniform(700, 2800)
        modes = base * np.r_[1, 1 + np.sort(rng.uniform(0.3, 4, 6))]
        part = _blows(
            rng, seconds, rate, np.array([time]), modes, rng.uniform(0.03, 0.15), 0.3
        )
        out += rng.uniform(0.4, 1) * 0.85**number * part
    return in_a_room(rng, out, rate, 0.001)


def _slam(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A door: a boom with a rattle that dies away."""
    n = round(seconds * rate)
    time = np.arange(n) / rate
    boom = noise(rng, n, rate, 40, rng.uniform(150, 400))
    boom *= np.exp(-time / rng.uniform(0.05, 0.15))
    crack = noise(rng, n, rate, 500, 4000) * np.exp(-time / rng.uniform(0.01, 0.04))
    rattle = clicks(rng, rng.exponential(0.1, 6) + 0.03, n, rate, 0.008)
    out = boom + rng.uniform(0.2, 0.8) * crack + rng.uniform(0, 0.1) * rattle
    return in_a_room(rng, out, rate, 0.001)


def _blows(
    rng: np.random.Generator,
    seconds: float,
    rate: int,
    times_seconds: Array,
    modes_hz: Array,
    decay_seconds: float,
    click: float,
) -> Array:
    """(N,) float, blows on one body: its modes, the higher the shorter, and a click."""
    n = round(seconds * rate)
    strikes = np.zeros(n)
    at = np.clip(np.round(times_seconds * rate).astype(int), 0, n - 1)
    strikes[at] = rng.uniform(0.6, 1, len(at))
    out = np.zeros(n)
    for order, mode in enumerate(modes_hz[modes_hz < 0.45 * rate]):
        radius = np.exp(-(1 + 0.3 * order) / (decay_seconds * rate))
        angle = 2 * np.pi * mode / rate
        ring = scipy.signal.lfilter(
            [np.sin(angle)], [1, -2 * radius * np.cos(angle), radius**2], strikes
        )
        out += rng.uniform(0.4, 1) / (1 + order) * ring
    return out + click * clicks(rng, times_seconds, n, rate, 0.004)


# --- b: broadband noise -------------------------------------------------------------


def _vacuum(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Air noise over a motor's whine, which labours as it is pushed about."""
    n = round(seconds * rate)
    effort = 2 ** wander(rng, n, rate, rng.uniform(0.5, 1.5), 0.05)
    whine = tone(rng.uniform(180, 420) * effort, rate, 0.75 ** np.arange(10))
    air = noise(rng, n, rate, rng.uniform(100, 300), rng.uniform(3000, 7000))
    out = air + rng.uniform(0.1, 0.8) * whine
    return in_a_room(rng, out, rate, 0.15, 0.2)


def _tap(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Running water: hiss with splashes."""
    n = round(seconds * rate)
    hiss = noise(rng, n, rate, rng.uniform(600, 2000), rng.uniform(5000, 7000))
    hiss *= 10 ** (wander(rng, n, rate, 8, 2.0) / 20)
    splash = resonance(noise(rng, n, rate, 200, 2000), rate, rng.uniform(300, 900), 2)
    out = hiss + rng.uniform(0.2, 1) * splash * 2 ** wander(rng, n, rate, 12, 0.7)
    return in_a_room(rng, out, rate, 0.05, 0.1)


def _fan(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """An extractor hood or a dryer: smooth, lower, a slow beat of the blades."""
    n = round(seconds * rate)
    air = noise(rng, n, rate, 60, rng.uniform(800, 3000))
    air += rng.uniform(0.1, 0.5) * noise(rng, n, rate, 1000, 6000)
    beat = 2 * np.pi * rng.uniform(8, 40) * np.arange(n) / rate
    out = air * (1 + rng.uniform(0, 0.3) * np.sin(beat))
    out += rng.uniform(0, 0.3) * tone(np.full(n, rng.uniform(90, 240)), rate, [1, 0.5])
    return in_a_room(rng, out, rate, 0.2, 0.3)


# --- o: other identifiable sounds ---------------------------------------------------


def _beeps(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A microwave's or an alarm clock's beeps, pure and even."""
    n = round(seconds * rate)
    phase = np.arange(n) / rate * rng.uniform(1.5, 6) % 1
    gate = (phase < rng.uniform(0.35, 0.65)).astype(float)
    out = tone(np.full(n, rng.uniform(1600, 3300)), rate, [1, 0, rng.uniform(0, 0.4)])
    return in_a_room(rng, out * smooth(gate, rate, 0.004), rate)


def _ringing(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A telephone or a doorbell: struck tones that ring on."""
    n = round(seconds * rate)
    out = np.zeros(n)
    base, gap = rng.uniform(600, 1200), rng.uniform(0.08, 0.6)
    for number, time in enumerate(np.arange(0.005, max(seconds - 0.1, 0.01), gap)):
        start = round(time * rate)
        pitch = base * (1.0, rng.uniform(0.75, 0.85))[number % 2]
        fade = np.exp(-np.arange(n - start) / (rate * min(0.6, 1.5 * gap)))
        out[start:] += fade * tone(np.full(n - start, pitch), rate, [1, 0.2, 0.3])
    return in_a_room(rng, out, rate)


def _squeak(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A hinge or a toy: a rough tone that slides."""
    n = round(seconds * rate)
    slide = rng.uniform(-0.8, 0.8) * np.linspace(0, 1, n) + wander(rng, n, rate, 3, 0.2)
    pitch = np.clip(rng.uniform(500, 1600) * 2**slide, 200, 3500)
    out = tone(pitch, rate, 0.7 ** np.arange(5))
    grip = 0.5 + 0.5 * np.sin(
        2
        * np.pi
        * np.cumsum(rng.uniform(15, 60) * 2 ** wander(rng, n, rate, 4, 0.3))
        / rate
    )
    return in_a_room(rng, out * (0.2 + grip), rate, 0.02, 0.05)


def _barks(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A dog: short rough calls, the pitch up and down within each."""
    n = round(seconds * rate)
    out = np.zeros(n)
    base, tract = rng.uniform(250, 650), rng.uniform(0.8, 1.5)
    for time in np.arange(0.0, max(seconds - 0.12, 0.01), rng.uniform(0.25, 0.6)):
        start = round(time * rate)
        size = min(n - start, round(rng.uniform(0.1, 0.2) * rate))
        arch = 1 + 0.4 * np.sin(np.pi * np.linspace(0, 1, size))
        call = np.tanh(3 * tone(base * arch, rate, 0.8 ** np.arange(10)))
        call += 0.5 * noise(rng, size, rate, 400, 4000)
        voiced = resonance(call, rate, 750 * tract, 2)
        voiced += 0.5 * resonance(call, rate, 1700 * tract, 3)
        out[start : start + size] += voiced * np.hanning(size) ** 0.6
    return in_a_room(rng, out, rate)


# Letter of CHiME-Home -> its kinds.
DOMESTIC_KINDS: Mapping[str, tuple[EventKind, ...]] = {
    "c": (EventKind(_child_speech, 0.6, 2.8), EventKind(_child_cry, 0.4, 1.5)),
    "m": (EventKind(_man, 0.6, 3.0),),
    "f": (EventKind(_woman, 0.6, 3.0),),
    "v": (
        EventKind(media.show, 1.5, 4.0),
        EventKind(media.jingle, 1.2, 4.0),
        EventKind(media.game, 1.0, 4.0),
    ),
    "p": (
        EventKind(_knocks, 0.35, 1.3),
        EventKind(_footsteps, 0.7, 2.5),
        EventKind(_crash, 0.3, 0.9),
        EventKind(_slam, 0.3, 0.7),
    ),
    "b": (
        EventKind(_vacuum, 1.5, 4.0),
        EventKind(_tap, 1.0, 4.0),
        EventKind(_fan, 1.5, 4.0),
    ),
    "o": (
        EventKind(_beeps, 0.8, 2.5),
        EventKind(_ringing, 0.7, 2.0),
        EventKind(_squeak, 0.5, 1.5),
        EventKind(_barks, 0.4, 2.0),
    ),
}
