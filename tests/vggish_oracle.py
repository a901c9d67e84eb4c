"""VGGish in plain NumPy, from the published description and none of our own code.

Frames of 25 ms (400 samples) every 10 ms (160), a periodic Hann window, a DFT of 512
points, magnitudes; 64 mel bands from 125 to 7500 Hz, mel(f) = 1127 ln(1 + f / 700);
log(mel + 0.01); patches of 96 frames without overlap. Six 3 x 3 convolutions with ReLU,
three fully connected layers, of which the last has none.
"""

from __future__ import annotations

import numpy as np

# Convolutions in order, and whether 2 x 2 max pooling follows.
CONVOLUTIONS = (
    ("conv1", True),
    ("conv2", True),
    ("conv3/conv3_1", False),
    ("conv3/conv3_2", True),
    ("conv4/conv4_1", False),
    ("conv4/conv4_2", True),
)


def chirp_and_noise(seconds=2.0):
    """(N,) float32: a sine that rises from 50 to 7800 Hz and gets louder, and noise."""
    time = np.arange(round(16000 * seconds)) / 16000
    phase = 2 * np.pi * (50 * time + (7800 - 50) * time**2 / (2 * seconds))
    noise = np.random.default_rng(1).standard_normal(len(time))
    waveform = 0.6 * time / seconds * np.sin(phase) + 0.02 * noise
    return waveform.astype(np.float32)


def mel_weights():
    """(257, 64) float64, band by band: the lower of its two slopes, 0 at least."""

    def mel(hertz):
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    bins = mel(np.arange(257) * 16000 / 512)
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    weights = np.zeros((257, 64))
    for band in range(64):
        lower, centre, upper = edges[band : band + 3]
        lower_slope = (bins - lower) / (centre - lower)
        upper_slope = (upper - bins) / (upper - centre)
        weights[:, band] = np.maximum(0.0, np.minimum(lower_slope, upper_slope))
    weights[0] = 0.0  # no DC
    return weights


def log_mel(waveform):
    """(N,) to (1 + (N - 400) // 160, 64) float64."""
    n = np.arange(400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    dft = np.exp(-2j * np.pi * np.outer(n, np.arange(257)) / 512)
    count = 1 + (len(waveform) - 400) // 160
    frames = np.stack([waveform[160 * i : 160 * i + 400] for i in range(count)])
    spectra = np.abs((frames.astype(np.float64) * window) @ dft)
    return np.log(spectra @ mel_weights() + 0.01)


def embeddings(waveform, layers):
    """(N,) to (patches, 128), float64 as far as the fully connected layers.

    Args:
      waveform: at 16 kHz.
      layers: from a name of `CONVOLUTIONS`, `fc1/fc1_1`, `fc1/fc1_2`, `fc2` to its
        (kernel, bias).
    """
    features = log_mel(waveform)
    return np.stack(
        [
            _network(features[first : first + 96], layers)
            for first in range(0, len(features) - 95, 96)
        ]
    )


def _network(patch, layers):
    hidden = patch[:, :, np.newaxis]
    for name, pooled in CONVOLUTIONS:
        kernel, bias = layers(name)
        time, mel = hidden.shape[:2]
        padded = np.pad(hidden, ((1, 1), (1, 1), (0, 0)))
        total = np.zeros((time, mel, kernel.shape[-1])) + bias
        for i in range(3):
            for j in range(3):
                moved = padded[i : i + time, j : j + mel]
                total += moved @ kernel[i, j].astype(np.float64)
        hidden = np.maximum(total, 0)
        if pooled:
            blocks = hidden.reshape(time // 2, 2, mel // 2, 2, -1)
            hidden = blocks.max(axis=(1, 3))
    hidden = hidden.reshape(-1).astype(np.float32)  # time x mel x channel
    for name in ("fc1/fc1_1", "fc1/fc1_2"):
        kernel, bias = layers(name)
        hidden = np.maximum(hidden @ kernel + bias, 0)
    kernel, bias = layers("fc2")
    return hidden @ kernel + bias
