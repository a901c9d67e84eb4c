"""Decoding for preparation: soundfile + soxr beside TensorFlow I/O, on the same clips.

    python benchmarks/decoding.py FOLDER

Both turn every clip into a 16 kHz mono waveform, in turns and on one thread, so that a
busy machine slows both: the ratio counts, not the two speeds. Then both resample a
pulse and tones from 44.1 kHz: delay, and loss below 8 kHz.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import soxr
import tensorflow as tf
import tensorflow_io as tfio
from absl import flags

from tfweak.audio import in_graph, reading
from tfweak.cli import console
from tfweak.errors import InputError

_FLAGS = flags.FlagValues()
_CLIPS = flags.DEFINE_integer(
    "clips",
    40,
    "How many clips to decode, taken evenly from the sorted folder.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_ROUNDS = flags.DEFINE_integer(
    "rounds",
    3,
    "How often to decode them all each way; the fastest round counts.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_RATE_HZ = 44100


def decode_speeds(paths: list[str], rounds: int) -> tuple[float, float]:
    """Clips a second of soundfile + soxr and of TensorFlow I/O, in turns."""
    compiled = tf.function(
        in_graph.read_audio_in_graph, input_signature=[tf.TensorSpec([], tf.string)]
    )
    ways = (reading.read_audio, compiled)
    best = [float("inf")] * len(ways)
    for way in ways:  # loads libraries, traces the graph
        way(paths[0])
    for _ in range(rounds):
        for i, way in enumerate(ways):
            start = time.perf_counter()
            for path in paths:
                way(path)
            best[i] = min(best[i], time.perf_counter() - start)
    return len(paths) / best[0], len(paths) / best[1]


def delay_samples(resample) -> float:
    """How late a smooth pulse comes out, in samples at 16 kHz."""
    centre, width = 0.5, 0.002
    found = resample(_pulse(_RATE_HZ, centre, width))
    expected = _pulse(reading.SAMPLE_RATE_HZ, centre, width)
    score = np.correlate(found, expected, "full")
    peak = int(np.argmax(score))
    left, top, right = score[peak - 1 : peak + 2]
    return peak - (len(expected) - 1) + 0.5 * (left - right) / (left - 2 * top + right)


def loss_db(resample, frequency_hz: float) -> float:
    """How much of a tone's level is gone."""
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(_RATE_HZ) / _RATE_HZ)
    found = resample(tone.astype(np.float32))[2000:-2000]
    return float(-10 * np.log10(2 * np.mean(np.square(found, dtype=np.float64))))


def _pulse(rate_hz: int, centre: float, width: float) -> np.ndarray:
    offset = np.arange(rate_hz) / rate_hz - centre
    return np.exp(-0.5 * (offset / width) ** 2).astype(np.float32)


def _main(folders: list[str]) -> None:
    if len(folders) != 1:
        raise InputError("name one folder of audio files")
    found = reading.find_audio(folders[0])
    if not found:
        raise InputError(f"{folders[0]}: no audio files in it")
    picks = np.linspace(0, len(found) - 1, min(_CLIPS.value, len(found))).astype(int)
    soundfile_speed, tensorflow_speed = decode_speeds(
        [str(found[i]) for i in picks], _ROUNDS.value
    )
    resamplers = {
        "soundfile + soxr": lambda x: soxr.resample(
            x, _RATE_HZ, reading.SAMPLE_RATE_HZ, quality="HQ"
        ),
        "tensorflow-io": lambda x: tfio.audio.resample(
            x, _RATE_HZ, reading.SAMPLE_RATE_HZ
        ).numpy(),
    }
    print(
        f"{len(picks)} clips, best of {_ROUNDS.value} rounds each\n"
        f"{'':18}{'clips/s':>9}{'delay (samples)':>17}"
        f"{'loss at 7 kHz':>15}{'at 7.5 kHz':>12}"
    )
    for (name, resample), speed in zip(
        resamplers.items(), (soundfile_speed, tensorflow_speed)
    ):
        print(
            f"{name:18}{speed:9.1f}{delay_samples(resample):17.2f}"
            f"{loss_db(resample, 7000):12.3f} dB{loss_db(resample, 7500):9.2f} dB"
        )
    print(f"soundfile + soxr is {soundfile_speed / tensorflow_speed:.1f} times as fast")


def main(argv: list[str] | None = None) -> int:
    return console.run(
        _FLAGS, __doc__, _main, argv, program="decoding.py", positional="FOLDER"
    )


if __name__ == "__main__":
    sys.exit(main())
