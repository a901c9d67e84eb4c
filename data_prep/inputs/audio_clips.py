"""What the audio datasets share: making the payload of a waveform, or of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfweak.audio import front_ends, reading
from tfweak.audio.mel_spectrum import pad_to_window, quantise
from tfweak.errors import InputError
from tfweak.extractor import Extractor, create_extractor, loaded_once
from tfweak.labels import Event
from tfweak.payload import Payload
from tfweak.typing import Array

from ..dataset import BadFile
from ..options import Options
from .source_files import read_clip

if TYPE_CHECKING:
    from tfweak.data import records

SAMPLE_RATE_HZ = reading.SAMPLE_RATE_HZ
_FRONT_END = front_ends.get(front_ends.DEFAULT)

# What an audio dataset reads besides its own options.
OPTIONS = frozenset(
    {
        "source",
        "seed",
        "features",
        "payload_dtype",
        "front_end",
        "extractor",
        "extractor_settings",
        "vggish",
        "pca",
        "max_clip_seconds",
        "keep_damaged",
    }
)


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What is stored of a waveform; simple values only, for it goes to the workers.

    Attributes:
      payload: kind, dtype and parameters.
      extractor: what makes embeddings; None for other payloads.
      front_end: what makes features; VGGish's for waveforms, whose rate they have.
      max_seconds: the longest file that is taken.
      keep_damaged: whether audio is taken that is cut short or damaged.
    """

    payload: Payload
    extractor: Extractor | None = None
    front_end: front_ends.FrontEnd = _FRONT_END
    max_seconds: float = Options.max_clip_seconds
    keep_damaged: bool = False

    @property
    def sample_rate_hz(self) -> int:
        """The rate to decode at: that of the waveforms that are encoded."""
        reader = self.extractor or self.front_end
        return reader.sample_rate_hz

    def __call__(self, waveform: Array, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Array:
        """The payload of a waveform, see `records.Clip`.

        A waveform shorter than one window (25 ms with VGGish's front end, 0.975 s for
        its embeddings) is padded to one with zeros.

        Args:
          waveform: (N,) float32.
          sample_rate_hz: its rate; where it is not the encoder's, it is resampled.
        """
        waveform = reading.resample(waveform, sample_rate_hz, self.sample_rate_hz)
        if self.extractor is not None:
            return self._loaded(self.extractor).embed(waveform)
        if self.payload.kind == "waveform":
            return reading.to_int16(
                pad_to_window(waveform, self.front_end.window_samples)
            )
        frames = self.front_end.compute(waveform)
        if self.payload.dtype == "uint8":
            return quantise(frames)
        return frames.astype(np.float16)

    def clip(
        self,
        clip_id: str,
        labels: Sequence[int],
        waveform: Array,
        sample_rate_hz: int,
        events: Sequence[Event] | None = None,
        start_seconds: float = 0.0,
        note: str = "",
    ) -> records.Clip:
        """The record of a waveform, see `__call__` and `records.Clip`."""
        from tfweak.data import records  # loads TensorFlow, which --help does not need

        return records.Clip(
            clip_id,
            labels,
            self(waveform, sample_rate_hz),
            events,
            start_seconds,
            start_seconds + len(waveform) / sample_rate_hz,
            note,
        )

    def _loaded(self, extractor: Extractor) -> Extractor:
        """The extractor with its weights, loaded once in each worker."""
        found = loaded_once(extractor)
        try:
            payload = found.payload
        except InputError as error:
            # not this clip's fault: the run must end instead of leaving clips out
            raise RuntimeError(f"cannot be loaded any more: {error}") from error
        if payload != self.payload:
            raise RuntimeError(f"extractor {found.name}: changed since the run began")
        return found


def encoder(options: Options) -> Encoder:
    """What the options ask for.

    Raises:
      InputError: options that contradict each other, or an extractor that cannot be
        used.
    """
    return dataclasses.replace(
        _encoder(options),
        max_seconds=options.max_clip_seconds,
        keep_damaged=options.keep_damaged,
    )


def _encoder(options: Options) -> Encoder:
    if options.features == "embeddings":
        try:
            extractor = loaded_once(
                options.chosen_extractor() or create_extractor("vggish")
            )
            return Encoder(extractor.payload, extractor)
        except InputError as error:
            raise InputError(f"features=embeddings: {error}") from error
    if options.features == "waveform":
        return Encoder(Payload("waveform", "int16", {"sample_rate_hz": SAMPLE_RATE_HZ}))
    front_end = front_ends.get(options.front_end or front_ends.DEFAULT)
    dtype = options.payload_dtype or "float16"
    if dtype == "uint8" and front_end != _FRONT_END:
        raise InputError(
            f"payload_dtype=uint8 is for front_end={front_ends.DEFAULT}: its 256 steps"
            f" span the values of that; front_end={options.front_end} is stored as"
            " float16"
        )
    payload = Payload(front_end.kind, dtype, front_end.parameters(dtype))
    return Encoder(payload, front_end=front_end)


@dataclasses.dataclass(frozen=True)
class AudioFolder:
    """The context of a dataset of audio files: where they are, what to make of them."""

    source: str
    encoder: Encoder

    def clip(
        self,
        name: str,
        labels: Sequence[int],
        events: Sequence[Event] | None = None,
        clip_id: str | None = None,
        start_seconds: float = 0.0,
    ) -> records.Clip:
        """The clip of a file.

        Args:
          name: path below the source.
          labels, events, start_seconds: see `records.Clip`; an event that ends after
            the clip is cut at its end.
          clip_id: the name if not given.

        Raises:
          BadFile: the file cannot be used, or an event begins after its end.
        """
        rate = self.encoder.sample_rate_hz
        notes: list[str] = []
        waveform = read_clip(
            self.source,
            name,
            rate,
            self.encoder.max_seconds,
            notes.append if self.encoder.keep_damaged else None,
        )
        seconds = len(waveform) / rate
        for event in events or ():
            if event.onset_seconds >= seconds:
                raise BadFile(
                    "label",
                    f"an event begins at {event.onset_seconds:g} s in a clip of"
                    f" {seconds:g} s; times count from the clip's start",
                )
        if events is not None:
            events = events_before(events, seconds)
        clip_id = name if clip_id is None else clip_id
        return self.encoder.clip(
            clip_id, labels, waveform, rate, events, start_seconds, "; ".join(notes)
        )


def events_before(events: Sequence[Event], seconds: float) -> list[Event]:
    """The events that begin before `seconds`, cut there."""
    return [
        e._replace(offset_seconds=min(e.offset_seconds, seconds))
        for e in events
        if e.onset_seconds < seconds
    ]
