"""What a television or a video game sounds like from across the room, made in code.

Voices, music and effects through a small loudspeaker: no lows, fewer highs, and loud
passages held down, so that the level hardly moves.
"""

from __future__ import annotations

import numpy as np
import scipy.signal

from tfweak.typing import Array

from .domestic_voices import CHILD, MAN, WOMAN, in_a_room, speech
from .sound_parts import clicks, noise, rms, smooth, tone

_SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])  # major, in semitones


def show(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """A voice of any kind over music, or over an audience."""
    n = round(seconds * rate)
    talker = (MAN, WOMAN, MAN, WOMAN, CHILD)[rng.integers(5)]
    voice = speech(rng, seconds, rate, talker)
    crowd = noise(rng, n, rate, 500, 3500) * smooth(rng.random(n), rate, 0.02)
    bed = _music(rng, n, rate) if rng.random() < 0.75 else crowd / rms(crowd)
    return _loudspeaker(rng, voice + rng.uniform(0.25, 1.0) * bed, rate)


def jingle(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Music alone."""
    return _loudspeaker(rng, _music(rng, round(seconds * rate), rate), rate)


def game(rng: np.random.Generator, seconds: float, rate: int) -> Array:
    """Runs of square-wave notes with shots and sweeps between them."""
    n = round(seconds * rate)
    length = rng.uniform(0.06, 0.16)
    steps = rng.integers(0, len(_SCALE), n // round(length * rate) + 2)
    note = np.repeat(_SCALE[steps], round(length * rate))[:n]
    partials = np.where(np.arange(1, 12) % 2 == 1, 1 / np.arange(1, 12), 0)
    out = _notes(rng.uniform(260, 620) * 2 ** (note / 12), rate, partials)
    for time in np.cumsum(rng.exponential(0.7, 6)):
        start, size = round(time * rate), round(rng.uniform(0.1, 0.4) * rate)
        size = min(size, n - start)
        if size < 100:
            break
        fall = np.linspace(1, 0, size)
        if rng.random() < 0.5:
            effect = 2 * noise(rng, size, rate, 100, 3000) * fall**2
        else:
            sweep = rng.uniform(300, 800) * 2 ** (rng.uniform(1, 2) * fall)
            effect = 2 * tone(sweep, rate, [1, 0.5, 0.3])
        out[start : start + size] += effect
    return _loudspeaker(rng, out, rate)


def _music(rng: np.random.Generator, n: int, rate: int) -> Array:
    """(N,) unit power: chords that change on the beat, a tune over them, a drum."""
    beat = round(rng.uniform(0.28, 0.6) * rate)
    count = n // beat + 2
    key = rng.uniform(130, 260)
    roots = np.repeat(rng.choice([0, 3, 4, 5], count), 2)[:count]
    partials = rng.uniform(0.3, 1, 6) * 0.6 ** np.arange(6)
    out = np.zeros(n)
    for third in (0, 2, 4):  # of the scale's steps above the root
        chord = np.repeat(_SCALE[roots + third], beat)[:n]
        out += tone(key * 2 ** (chord / 12), rate, partials)
    tune = np.repeat(_SCALE[rng.integers(0, len(_SCALE), 2 * count)], beat // 2)[:n]
    tune = np.pad(tune, (0, n - len(tune)), "edge")
    out += 1.2 * _notes(2 * key * 2 ** (tune / 12), rate, partials)
    out /= rms(out)
    if rng.random() < 0.7:
        times = np.arange(0, n, beat) / rate
        out += rng.uniform(0.3, 0.8) * clicks(rng, times, n, rate, 0.03)
    return out / rms(out)


def _notes(pitch_hz: Array, rate: int, partials: Array) -> Array:
    """(N,) a tone that is struck anew wherever the pitch changes."""
    starts = np.flatnonzero(np.diff(pitch_hz, prepend=0))
    strikes = np.zeros(len(pitch_hz))
    strikes[starts] = 1
    since = np.arange(len(pitch_hz)) - starts[np.cumsum(strikes).astype(int) - 1]
    return tone(pitch_hz, rate, partials) * np.exp(-since / (0.25 * rate))


def _loudspeaker(rng: np.random.Generator, values: Array, rate: int) -> Array:
    """Levelled, band-limited, in the room."""
    level = np.sqrt(smooth(values**2, rate, 0.1) + 1e-6)
    out = values / level ** rng.uniform(0.4, 0.9)
    low, high = rng.uniform(120, 350), rng.uniform(2800, 6500)
    sos = scipy.signal.butter(
        3, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos"
    )
    return in_a_room(rng, scipy.signal.sosfilt(sos, out), rate, 0.02, 0.05)
