"""Audio files that several tests make."""

import struct

import numpy as np
import soundfile as sf


def noise(num_samples, channels=None, seed=0):
    shape = num_samples if channels is None else (num_samples, channels)
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape)


def cut(path, share):
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * share)])


def tone_level_db(waveform):
    middle = waveform[2000:-2000].astype(np.float64)
    return 10 * np.log10(2 * np.mean(middle**2))


def noisy_wav(path, num_samples=16000, **header):
    """A WAV of noise at 16 kHz, with other numbers at some places of its header."""
    sf.write(path, noise(num_samples), 16000)
    contents = bytearray(path.read_bytes())
    for place, (kind, value) in header.items():
        struct.pack_into(kind, contents, int(place[2:]), value)
    path.write_bytes(contents)
    return path
