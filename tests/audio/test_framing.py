"""Frames of a waveform: sizes, refusals, and what a derived front end keeps."""

import dataclasses
import pickle
from typing import ClassVar

import numpy as np
import pytest

from tfweak.audio.constant_q import ConstantQConfig
from tfweak.audio.framing import Framing
from tfweak.audio.mel_spectrum import LogMelConfig
from tfweak.errors import InputError


@dataclasses.dataclass(frozen=True)
class Bands(Framing):
    title: ClassVar[str] = "bands"

    sample_rate_hz: int = 100
    window_seconds: float = 0.05
    hop_seconds: float = 0.02
    floor: float = 0.0

    def __post_init__(self):
        self.check(may_be_zero=("floor",))


def test_frames_are_the_windows_that_fit():
    bands = Bands()
    assert (bands.window_samples, bands.hop_samples) == (5, 2)
    for num_samples in range(40):
        # window by window: starts 0, 2, 4, ... whose five samples are all there
        starts = [s for s in range(0, num_samples, 2) if s + 5 <= num_samples]
        assert bands.num_frames(num_samples) == len(starts)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sample_rate_hz": 0}, "bands sample_rate_hz=0: must be above 0"),
        ({"hop_seconds": -0.02}, "bands hop_seconds=-0.02: must be above 0"),
        ({"hop_seconds": np.nan}, "bands hop_seconds=nan: must be above 0"),
        ({"window_seconds": 0.055}, "window_seconds=0.055: 5.5 samples at 100 Hz"),
        ({"hop_seconds": 0.004}, "hop_seconds=0.004: 0.4 samples .* a whole number"),
    ],
)
def test_refused(change, message):
    with pytest.raises(InputError, match=message):
        Bands(**change)


def test_what_is_told_may_be_zero():
    assert Bands(floor=0.0).floor == 0

    class Strict(Bands):
        def __post_init__(self):
            self.check()

    with pytest.raises(InputError, match="bands floor=0.0: must be above 0"):
        Strict()


@pytest.mark.parametrize(
    "config, fields",
    [
        (LogMelConfig(), (16000, 0.025, 0.010, 64, 125.0, 7500.0, 0.01)),
        (ConstantQConfig(), (16000, 0.032, 0.016, 80, 12, 65.4, 0.001)),
    ],
)
def test_front_ends_are_values(config, fields):
    # Caches of kernels and matrices go by hash and equality, workers by pickle.
    assert dataclasses.astuple(config) == fields
    assert config == type(config)(*fields) and hash(config) == hash(fields)
    assert pickle.loads(pickle.dumps(config)) == config
    assert config != dataclasses.replace(config, log_offset=0.5)
    assert repr(config).startswith(f"{type(config).__name__}(sample_rate_hz=16000, ")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.hop_seconds = 1.0


def test_front_ends_of_the_same_frames_differ():
    @dataclasses.dataclass(frozen=True)
    class Others(Bands):
        pass

    assert Bands() == Bands() != Others()
