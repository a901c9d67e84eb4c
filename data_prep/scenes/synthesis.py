"""Sound events made in code: sirens, horns, alarms, engines and the like.

In the spirit of the classes of SL-DCASE-17. Every kind draws its pitch, speed, timbre
and envelope anew from the random generator that it gets, so a seed determines the
waveform. Kinds come in families (four sirens, two horns, three engines) whose members
differ in how they move rather than in where their energy lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import scipy.signal

from tfweak.typing import Array

from .sound_parts import (
    clicks,
    noise,
    odd_partials,
    resonance,
    rms,
    smooth,
    tone,
    wander,
)

Maker = Callable[[np.random.Generator, float, int], Array]


class EventKind(NamedTuple):
    """One kind of event.

    Attributes:
      make: (rng, duration_seconds, sample_rate_hz) to (N,) float32 with peak 0.9,
        N = round(duration * rate); silence at its ends is cut off by the mixer.
      min_seconds, max_seconds: how long such an event lasts.
    """

    make: Maker
    min_seconds: float
    max_seconds: float


def background(
    rng: np.random.Generator, duration_seconds: float, sample_rate_hz: int
) -> Array:
    """A street without the events: coloured noise, hum, and noises of no class.

    The noise falls by 1.5 to 6 dB an octave and its level wanders by some decibels;
    there may be mains hum and a few chirps, knocks and murmurs.

    Returns:
      (N,) float32, root mean square 0.1.
    """
    n = round(duration_seconds * sample_rate_hz)
    frequency = np.fft.rfftfreq(n, 1 / sample_rate_hz)
    slope = rng.uniform(0.25, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.maximum(frequency, 40) ** slope
    out = np.fft.irfft(spectrum, n)
    out *= 10 ** (wander(rng, n, sample_rate_hz, 0.5, 4.0) / 20) / rms(out)
    if rng.random() < 0.5:
        mains = np.full(n, rng.choice([50.0, 60.0]))
        out += rng.uniform(0.05, 0.5) * tone(
            mains, sample_rate_hz, rng.uniform(0, 1, 6) ** 2
        )
    for _ in range(rng.poisson(duration_seconds / 4)):
        sound = (_chirp, _knock, _murmur)[rng.integers(3)](rng, sample_rate_hz)[:n]
        start = rng.integers(0, n - len(sound) + 1)
        out[start : start + len(sound)] += rng.uniform(0.5, 3.0) * sound / rms(sound)
    return (0.1 * out / rms(out)).astype(np.float32)


# --- horns and alarms ---------------------------------------------------------------


def _train_horn(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A chord of three to five air horns that starts a little flat."""
    n = round(seconds * rate)
    ratios = np.array([1.0, 1.19, 1.335, 1.5, 1.68])[: rng.integers(3, 6)]
    rise = 1 - rng.uniform(0.02, 0.08) * np.exp(-np.arange(n) / (0.08 * rate))
    base = rng.uniform(230, 350) * rise
    out = 0.1 * noise(rng, n, rate, 500, 4000)
    for ratio in ratios:
        partials = rng.uniform(0.7, 1.3, 10) * 0.78 ** np.arange(10)
        out += tone(base * ratio * rng.uniform(0.995, 1.005), rate, partials)
    return _finish(rng, out, rate, 0.06, 0.12)


def _truck_horn(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Two bright tones about a major third apart, switched on and off hard."""
    n = round(seconds * rate)
    base = rng.uniform(150, 330)
    partials = rng.uniform(0.7, 1.3, 16) / np.arange(1, 17) ** rng.uniform(0.3, 0.8)
    out = tone(np.full(n, base), rate, partials)
    out += tone(np.full(n, base * rng.uniform(1.2, 1.3)), rate, partials)
    return _finish(rng, out, rate, 0.02, 0.04)


def _car_alarm(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """One of three patterns: repeated rising sweeps, two tones, or pulsed horn."""
    n = round(seconds * rate)
    speed = rng.uniform(2.5, 6.0)
    phase = speed * np.arange(n) / rate % 1
    low, ratio = rng.uniform(700, 1100), rng.uniform(1.4, 2.4)
    pattern = rng.integers(3)
    if pattern == 0:
        frequency, gate = low * ratio**phase, np.ones(n)
    elif pattern == 1:
        frequency, gate = np.where(phase < 0.5, low, low * ratio**0.5), np.ones(n)
    else:
        frequency, gate = np.full(n, low / 2), (phase < 0.55).astype(float)
        gate[-round(0.1 * rate) :] = 1
    out = tone(frequency, rate, odd_partials(rng, 7)) * smooth(gate, rate, 0.008)
    return _finish(rng, out, rate, 0.01, 0.02)


def _reversing_beeps(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Beeps of one pitch, about as long as the silences between them."""
    n = round(seconds * rate)
    on, off = rng.uniform(0.25, 0.55, 2)
    # whole beeps, the last of which ends with the event
    count = max(2, round((seconds + off) / (on + off)))
    period = seconds / (count - off / (on + off))
    gate = (np.arange(n) / rate % period < period * on / (on + off)).astype(float)
    partials = [1, rng.uniform(0, 0.3), rng.uniform(0.05, 0.4)]
    out = tone(np.full(n, rng.uniform(950, 1500)), rate, partials)
    return _finish(rng, out * smooth(gate, rate, 0.006), rate, 0.005, 0.01)


# --- sirens -------------------------------------------------------------------------


def _ambulance_siren(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Wail: the pitch swings slowly, a few seconds up and down."""
    return _swinging_siren(rng, seconds, rate, rng.uniform(0.18, 0.4))


def _police_siren(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Yelp: the same swing several times a second."""
    return _swinging_siren(rng, seconds, rate, rng.uniform(2.3, 4.5))


def _fire_engine_siren(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Hi-lo: two pitches about a fourth apart in turn."""
    n = round(seconds * rate)
    phase = (np.arange(n) / rate / rng.uniform(0.8, 1.4) + rng.random()) % 1
    low = rng.uniform(550, 900)
    frequency = np.where(phase < 0.5, low, low * rng.uniform(1.22, 1.4))
    out = tone(smooth(frequency, rate, 0.02), rate, odd_partials(rng, 6))
    return _finish(rng, out, rate, 0.05, 0.05)


def _civil_defense_siren(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A rotor that winds up, holds and runs down, its pitch with it."""
    n = round(seconds * rate)
    up, down = rng.uniform(0.25, 0.45), rng.uniform(0.55, 0.75)
    top = rng.uniform(420, 650)
    frequency = np.interp(
        np.linspace(0, 1, n),
        [0, up / 2, up, down, 1],
        top * np.array([0.35, 0.8, 1, 1, rng.uniform(0.4, 0.7)]),
    )
    partials = rng.uniform(0.6, 1.4, 8) * 0.7 ** np.arange(8)
    out = tone(smooth(frequency, rate, 0.3), rate, partials)
    return _finish(rng, out * (frequency / top) ** 0.5, rate, 0.1, 0.1)


def _swinging_siren(
    rng: np.random.Generator, seconds: float, rate: int, speed_hz: float
) -> Array:
    """An electronic siren between about 600 and 1500 Hz, faster up than down."""
    n = round(seconds * rate)
    rising = rng.uniform(0.35, 0.5)
    phase = (speed_hz * np.arange(n) / rate + rng.random()) % 1
    swing = np.interp(phase, [0, rising, 1], [0, 1, 0])
    swing = 0.5 - 0.5 * np.cos(np.pi * swing)
    low = rng.uniform(500, 750)
    frequency = low * rng.uniform(1.8, 2.6) ** swing
    return _finish(rng, tone(frequency, rate, odd_partials(rng, 6)), rate, 0.04, 0.06)


# --- voice, bell --------------------------------------------------------------------


def _screaming(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A rough, high voice through formants, breath with it."""
    n = round(seconds * rate)
    contour = np.interp(
        np.linspace(0, 1, n),
        [0, 0.2, 0.7, 1],
        [0.75, 1.0, rng.uniform(0.95, 1.1), rng.uniform(0.65, 0.9)],
    )
    pitch = rng.uniform(600, 1150) * contour * 2 ** wander(rng, n, rate, 12, 0.025)
    source = tone(pitch, rate, np.ones(10))
    rough = 1 + rng.uniform(0.3, 0.8) * np.sin(
        2
        * np.pi
        * np.cumsum(rng.uniform(50, 110) * 2 ** wander(rng, n, rate, 8, 0.2))
        / rate
    )
    source = source / rms(source) * rough + rng.uniform(0.1, 0.4) * noise(
        rng, n, rate, 1000, 6000
    )
    out = np.zeros(n)
    for centre, gain in ((1100, 1.0), (2400, 0.8), (3600, 0.4)):
        out += gain * resonance(source, rate, centre * rng.uniform(0.9, 1.1), 5)
    return _finish(rng, out, rate, 0.06, 0.1)


def _bicycle_bell(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Quick strikes on a small bell, partials out of tune with one another."""
    n = round(seconds * rate)
    base, decay = rng.uniform(1700, 2900), rng.uniform(0.08, 0.25)
    time = np.arange(n) / rate
    ring = np.zeros(n)
    for ratio, gain in ((1, 1.0), (1.013, 0.6), (1.53, 0.3), (2.31, 0.4)):
        if base * ratio < rate / 2:
            ring += gain * np.sin(2 * np.pi * (base * ratio * time + rng.random()))
    gap = 1 / rng.uniform(9, 20)
    strikes = np.zeros(n)
    at = np.arange(0, max(seconds - 0.08, gap / 2), gap)
    at = np.clip(at + rng.uniform(-0.1, 0.1, len(at)) * gap, 0, None)
    strikes[np.minimum((at * rate).astype(int), n - 1)] = rng.uniform(0.5, 1, len(at))
    level = scipy.signal.lfilter([1], [1, -np.exp(-1 / (decay * rate))], strikes)
    return _finish(rng, ring * level, rate, 0.002, 0.02)


# --- wheels and engines -------------------------------------------------------------


def _skateboard(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Rolling noise with the click-clack of joints in the pavement."""
    n = round(seconds * rate)
    roll = noise(rng, n, rate, rng.uniform(200, 500), rng.uniform(1500, 3500))
    roll *= 10 ** (wander(rng, n, rate, 3, 3.0) / 20)
    gap, wheelbase = 1 / rng.uniform(2, 6), rng.uniform(0.03, 0.08)
    joints = np.arange(rng.uniform(0, gap), seconds, gap)
    knocks = clicks(rng, np.concatenate([joints, joints + wheelbase]), n, rate, 0.006)
    out = roll + rng.uniform(0.6, 1.2) * knocks
    return _finish(rng, out, rate, 0.05, 0.08)


def _train(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Rumble under the clatter of bogies: two close pairs of knocks, then a pause."""
    n = round(seconds * rate)
    rumble = noise(rng, n, rate, 40, rng.uniform(250, 500))
    hiss = noise(rng, n, rate, 800, 5000)
    gap, axle = rng.uniform(0.6, 1.1), rng.uniform(0.09, 0.14)
    bogies = np.arange(-gap, seconds, gap)
    times = np.concatenate([bogies + k * axle for k in (0, 1, 3, 4)])
    knocks = clicks(rng, times, n, rate, 0.03)
    out = rumble + rng.uniform(0.05, 0.3) * hiss + rng.uniform(0.5, 1.0) * knocks
    return _finish(rng, out, rate, 0.2, 0.2)


def _car_passing_by(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Tyre noise that swells, brightens and goes, over an engine whose pitch falls."""
    n = round(seconds * rate)
    away = (np.linspace(-1, 1, n) - rng.uniform(-0.2, 0.2)) / rng.uniform(0.15, 0.35)
    near = 1 / np.sqrt(1 + away**2)
    dull = noise(rng, n, rate, 80, 700)
    bright = noise(rng, n, rate, 700, rng.uniform(2500, 6000))
    doppler = 1 - rng.uniform(0.04, 0.1) * away * near
    engine = tone(rng.uniform(70, 140) * doppler, rate, 0.8 ** np.arange(8))
    out = (
        dull * near
        + rng.uniform(0.8, 1.6) * bright * near**1.5
        + (rng.uniform(0.1, 0.4) * engine * near)
    )
    return _finish(rng, out, rate, 0.1, 0.1)


def _truck_engine(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A diesel at idle: slow firing, each one a dull knock with a rattle."""
    n = round(seconds * rate)
    speed = rng.uniform(18, 32) * 2 ** wander(rng, n, rate, 1, 0.04)
    phase = np.cumsum(speed) / rate
    pulse = np.exp(-8 * (phase % 1)) * (1 + 0.4 * np.sin(2 * np.pi * phase / 3))
    knock = pulse * noise(rng, n, rate, 60, rng.uniform(400, 900))
    rattle = pulse**2 * noise(rng, n, rate, 1000, 3500)
    hum = tone(speed, rate, 0.85 ** np.arange(12))
    out = 2 * knock + rng.uniform(0.2, 0.8) * rattle + rng.uniform(0.2, 0.5) * hum
    return _finish(rng, out, rate, 0.1, 0.1)


def _motorcycle(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A fast single exhaust whose speed is revved up and down."""
    n = round(seconds * rate)
    revs = 2 ** (wander(rng, n, rate, rng.uniform(0.5, 1.2), 0.5))
    speed = rng.uniform(50, 90) * revs
    source = tone(speed, rate, rng.uniform(0.6, 1.4, 40) * 0.96 ** np.arange(40))
    source = np.tanh(source / rms(source)) * revs
    source += 0.3 * noise(rng, n, rate, 200, 4000)
    out = source + 1.5 * resonance(source, rate, rng.uniform(250, 700), 3)
    return _finish(rng, out, rate, 0.08, 0.12)


EVENT_KINDS: Mapping[str, EventKind] = {
    "train_horn": EventKind(_train_horn, 1.0, 4.0),
    "truck_horn": EventKind(_truck_horn, 0.3, 1.5),
    "car_alarm": EventKind(_car_alarm, 1.5, 6.0),
    "reversing_beeps": EventKind(_reversing_beeps, 1.0, 6.0),
    "ambulance_siren": EventKind(_ambulance_siren, 3.0, 8.0),
    "police_siren": EventKind(_police_siren, 1.0, 5.0),
    "fire_engine_siren": EventKind(_fire_engine_siren, 1.5, 6.0),
    "civil_defense_siren": EventKind(_civil_defense_siren, 4.0, 8.0),
    "screaming": EventKind(_screaming, 0.4, 1.8),
    "bicycle_bell": EventKind(_bicycle_bell, 0.3, 1.0),
    "skateboard": EventKind(_skateboard, 1.5, 5.0),
    "train": EventKind(_train, 3.0, 8.0),
    "car_passing_by": EventKind(_car_passing_by, 2.5, 6.0),
    "truck_engine": EventKind(_truck_engine, 2.5, 8.0),
    "motorcycle": EventKind(_motorcycle, 1.0, 5.0),
}


# --- noises of no class, for the background -----------------------------------------


def _chirp(rng: np.random.Generator, rate: int) -> Array:
    """A bird: one short sweep."""
    n = round(rng.uniform(0.05, 0.2) * rate)
    frequency = np.linspace(rng.uniform(2500, 5500), rng.uniform(2500, 5500), n)
    return tone(frequency, rate, [1.0]) * np.hanning(n)


def _knock(rng: np.random.Generator, rate: int) -> Array:
    """A dull impact."""
    n = round(0.12 * rate)
    high = rng.uniform(400, 2000)
    return noise(rng, n, rate, 80, high) * np.exp(-np.arange(n) / (0.02 * rate))


def _murmur(rng: np.random.Generator, rate: int) -> Array:
    """A voiced syllable or two, as of speech far away."""
    n = round(rng.uniform(0.2, 0.7) * rate)
    pitch = rng.uniform(90, 220) * 2 ** wander(rng, n, rate, 6, 0.15)
    source = tone(pitch, rate, 0.9 ** np.arange(20))
    voiced = resonance(source, rate, rng.uniform(400, 900), 2) * np.hanning(n)
    return voiced * (1.2 + np.sin(np.cumsum(2 * np.pi * 5 / rate * np.ones(n))))


def _finish(
    rng: np.random.Generator,
    values: Array,
    rate: int,
    attack_seconds: float,
    release_seconds: float,
) -> Array:
    """Early reflections, a random low-pass, attack and release, peak 0.9."""
    out = values.copy()
    for delay in rng.uniform(0.003, 0.04, 3):
        shift = round(delay * rate)
        out[shift:] += rng.uniform(-0.3, 0.3) * values[:-shift]
    corner = rng.uniform(1500, 6000)
    b, a = scipy.signal.butter(1, min(corner, 0.45 * rate), fs=rate)
    out = scipy.signal.lfilter(b, a, out)
    n = len(out)
    time = np.arange(n) / rate
    out *= np.minimum(1, (time + 1 / rate) / attack_seconds)
    out *= np.minimum(1, (time[::-1] + 1 / rate) / release_seconds)
    return (0.9 / np.abs(out).max() * out).astype(np.float32)
