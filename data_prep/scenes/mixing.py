"""Scenes mixed from event clips over a background, with labels that are true."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tfweak.errors import InputError
from tfweak.labels import Event
from tfweak.typing import Array

from .sound_parts import rms
from .synthesis import EVENT_KINDS, EventKind

_PLACEMENT_TRIALS = 20
_SILENCE_DB = -30.0
_PAUSE_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """How scenes are mixed.

    Attributes:
      duration_seconds, sample_rate_hz: of a scene.
      min_events, max_events: how many events are drawn for a scene, uniformly; one
        that finds no room (see `max_polyphony`) is left out.
      empty_probability: share of scenes with background alone.
      min_snr_db, max_snr_db: level of an event over the background, drawn uniformly:
        root mean square from onset to offset against that of the whole background.
      min_background_dbfs, max_background_dbfs: level of the background; full scale is
        a root mean square of 1.
      max_polyphony: how many events may sound at once. A class never overlaps itself.
      max_event_seconds: an event that is longer is cut to a random part of this length.
      fade_seconds: fade at such cuts.
      max_classes: of how many classes a scene's events are at most, so that they come
        again; any where None.
    """

    duration_seconds: float = 10.0
    sample_rate_hz: int = 16000
    min_events: int = 1
    max_events: int = 4
    empty_probability: float = 0.05
    min_snr_db: float = 0.0
    max_snr_db: float = 20.0
    min_background_dbfs: float = -45.0
    max_background_dbfs: float = -30.0
    max_polyphony: int = 2
    max_event_seconds: float = 6.0
    fade_seconds: float = 0.01
    max_classes: int | None = None

    def __post_init__(self) -> None:
        for name in (
            "duration_seconds",
            "sample_rate_hz",
            "max_polyphony",
            "max_event_seconds",
        ):
            value = getattr(self, name)
            if not value > 0:
                raise InputError(f"scene {name}={value}: must be above 0")
        if self.fade_seconds < 0:
            raise InputError(
                f"scene fade_seconds={self.fade_seconds}: must not be negative"
            )
        if self.max_classes is not None and self.max_classes < 1:
            raise InputError(f"scene max_classes={self.max_classes}: 1 at least")
        if not 0 <= self.empty_probability <= 1:
            raise InputError(
                f"scene empty_probability={self.empty_probability}: must"
                " lie within 0 and 1"
            )
        if self.min_events < 0:
            raise InputError(
                f"scene min_events={self.min_events}: must not be negative"
            )
        for low, high in (
            ("min_events", "max_events"),
            ("min_snr_db", "max_snr_db"),
            ("min_background_dbfs", "max_background_dbfs"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise InputError(
                    f"scene {low}={getattr(self, low)} is above"
                    f" {high}={getattr(self, high)}"
                )

    @property
    def num_samples(self) -> int:
        """N of a scene."""
        return round(self.duration_seconds * self.sample_rate_hz)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A mixed scene.

    Attributes:
      waveform: (N,) float32 within [-1, 1].
      events: by onset; onset and offset are those of the samples mixed in.
    """

    waveform: Array
    events: tuple[Event, ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """The weak labels: class indices, each once, ascending."""
        return tuple(sorted({event.label for event in self.events}))


class Sources(Protocol):
    """Where a scene's events come from."""

    class_names: tuple[str, ...]

    def choose(self, rng: np.random.Generator) -> tuple[int, Array]:
        """An event: its index in `class_names` and its waveform, (N,) float32, which
        sounds from its first 10 ms to its last (see `active_region`)."""


class GeneratedSources:
    """Events from the built-in generator: all classes equally often, then all kinds of
    the class.

    Args:
      sample_rate_hz: rate of the waveforms.
      kinds: class name -> its kind, or its kinds.
    """

    def __init__(
        self,
        sample_rate_hz: int = 16000,
        kinds: Mapping[str, EventKind | Sequence[EventKind]] = EVENT_KINDS,
    ) -> None:
        self.class_names = tuple(kinds)
        self._kinds = tuple(
            (k,) if isinstance(k, EventKind) else tuple(k) for k in kinds.values()
        )
        self._sample_rate_hz = sample_rate_hz

    def choose(self, rng: np.random.Generator) -> tuple[int, Array]:
        """A newly made event; its length is drawn uniformly from the kind's range."""
        label = int(rng.integers(len(self._kinds)))
        kinds = self._kinds[label]
        kind = kinds[0] if len(kinds) == 1 else kinds[rng.integers(len(kinds))]
        seconds = rng.uniform(kind.min_seconds, kind.max_seconds)
        waveform = kind.make(rng, seconds, self._sample_rate_hz)
        start, stop = active_region(waveform, self._sample_rate_hz)
        return label, waveform[start:stop]


class ClipSources:
    """Events from real clips: all classes equally often, then all clips of the class.

    Args:
      clips: class name -> its clips, each of them whatever `load` takes.
      load: gives the events of a clip, see `event_parts`; called whenever the clip is
        drawn, so that it may read files and cache them.

    Raises:
      InputError: for no classes, or a class without clips.
    """

    def __init__(
        self,
        clips: Mapping[str, Sequence[Any]],
        load: Callable[[Any], Sequence[Array]],
    ) -> None:
        if not clips:
            raise InputError("no classes of event clips to mix from")
        for name, found in clips.items():
            if not len(found):
                raise InputError(f"class {name!r} has no event clips to mix from")
        self.class_names = tuple(clips)
        self._clips = tuple(clips.values())
        self._load = load

    def choose(self, rng: np.random.Generator) -> tuple[int, Array]:
        """An event of one of the clips; a clip's longer events come more often.

        Raises:
          InputError: for a clip without events.
        """
        label = int(rng.integers(len(self._clips)))
        number = int(rng.integers(len(self._clips[label])))
        events = self._load(self._clips[label][number])
        if not events:
            raise InputError(
                f"clip {number} of class {self.class_names[label]!r} is silent"
            )
        lengths = np.array([len(event) for event in events])
        return label, events[rng.choice(len(events), p=lengths / lengths.sum())]


def active_region(waveform: Array, sample_rate_hz: int) -> tuple[int, int]:
    """From the first to the last moment that is not silent beside the loudest.

    Levels are root mean squares of 10 ms frames; a frame is silent where it is more
    than 30 dB below the loudest one.

    Args:
      waveform: (N,) float.
      sample_rate_hz: its rate.

    Returns:
      Start and stop in samples, exact to a frame; (0, 0) for silence throughout.
    """
    regions = _active_regions(waveform, sample_rate_hz, np.inf)
    return regions[0] if regions else (0, 0)


def event_parts(waveform: Array, sample_rate_hz: int) -> list[Array]:
    """The events of a clip that holds sounds of a single class.

    What is active in the sense of `active_region`, parted at silences of 0.5 s and
    more: of a clip with two barks and a pause between them each bark is an event.

    Returns:
      (N,) arrays, views into the waveform; none where it is silent throughout.
    """
    return [
        waveform[start:stop]
        for start, stop in _active_regions(waveform, sample_rate_hz, _PAUSE_SECONDS)
    ]


def _active_regions(
    waveform: Array, sample_rate_hz: int, pause_seconds: float
) -> list[tuple[int, int]]:
    """Start and stop of what is active, parted at silences of `pause_seconds`."""
    size = max(1, round(0.01 * sample_rate_hz))
    power = np.square(np.pad(waveform, (0, -len(waveform) % size)), dtype=np.float64)
    power = power.reshape(-1, size).mean(axis=1)
    if not power.any():
        return []
    active = np.flatnonzero(power >= power.max() * 10 ** (_SILENCE_DB / 10))
    pauses = (np.diff(active) - 1) * size
    long = np.flatnonzero(pauses >= pause_seconds * sample_rate_hz)
    return [
        (int(run[0]) * size, min(len(waveform), (int(run[-1]) + 1) * size))
        for run in np.split(active, long + 1)
    ]


def mix_scene(
    rng: np.random.Generator,
    sources: Sources,
    background: Array,
    config: SceneConfig,
) -> Scene:
    """Mixes a scene; the same generator state and sources give the same samples.

    The scene is scaled down as a whole, and only then, when its peak is above 1.

    Args:
      rng: draws everything that is random here.
      sources: the events.
      background: (N,) float, brought to a level drawn from the config; silence stays
        silent, and the events get the level that they would have had.
      config: N = `config.num_samples`.

    Returns:
      The scene, with all events whole inside it.

    Raises:
      InputError: when the background has another length, or an event is silent.
    """
    n, rate = config.num_samples, config.sample_rate_hz
    if background.shape != (n,):
        raise InputError(
            f"background of shape {background.shape} for a scene of {n} samples"
        )
    level = 10 ** (
        rng.uniform(config.min_background_dbfs, config.max_background_dbfs) / 20
    )
    mixture = background.astype(np.float64)
    if mixture.any():
        mixture *= level / rms(mixture)
    count = int(rng.integers(config.min_events, config.max_events + 1))
    if rng.random() < config.empty_probability:
        count = 0
    placed: list[tuple[int, int, int]] = []  # start, stop, label
    labels: set[int] = set()
    for _ in range(count):
        label, waveform = sources.choose(rng)
        while label not in labels and len(labels) == config.max_classes:
            label, waveform = sources.choose(rng)
        labels.add(label)
        waveform = _excerpt(rng, waveform, config)
        if not np.any(waveform):
            raise InputError(f"a silent event of class {sources.class_names[label]!r}")
        snr_db = rng.uniform(config.min_snr_db, config.max_snr_db)
        start = _place(rng, label, len(waveform), placed, config)
        if start is None:
            continue
        stop = start + len(waveform)
        mixture[start:stop] += waveform * (level * 10 ** (snr_db / 20) / rms(waveform))
        placed.append((start, stop, label))
    mixture /= max(1.0, np.abs(mixture).max())
    events = tuple(
        Event(label, start / rate, stop / rate) for start, stop, label in sorted(placed)
    )
    return Scene(mixture.astype(np.float32), events)


def _excerpt(rng: np.random.Generator, waveform: Array, config: SceneConfig) -> Array:
    """The waveform, or a random active part of it, faded where it was cut."""
    longest = min(
        config.num_samples, round(config.max_event_seconds * config.sample_rate_hz)
    )
    if len(waveform) <= longest:
        return waveform
    begin = int(rng.integers(len(waveform) - longest + 1))
    cut = waveform[begin : begin + longest]
    start, stop = active_region(cut, config.sample_rate_hz)
    if start == stop:  # it fell into a pause
        begin, start, stop = 0, 0, longest
    out = waveform[begin + start : begin + stop].astype(np.float64)
    fade = min(round(config.fade_seconds * config.sample_rate_hz), len(out) // 2)
    ramp = (np.arange(fade) + 1) / (fade + 1)
    if begin + start > 0:
        out[:fade] *= ramp
    if begin + stop < len(waveform):
        out[len(out) - fade :] *= ramp[::-1]
    return out


def _place(
    rng: np.random.Generator,
    label: int,
    length: int,
    placed: Sequence[tuple[int, int, int]],
    config: SceneConfig,
) -> int | None:
    """A random start where the event breaks no rule, or None after some trials."""
    for _ in range(_PLACEMENT_TRIALS):
        start = int(rng.integers(config.num_samples - length + 1))
        beside = [p for p in placed if p[0] < start + length and p[1] > start]
        if any(p[2] == label for p in beside):
            continue
        # the most events at once, counted where one begins
        moments = [start] + [p[0] for p in beside if p[0] > start]
        if all(
            sum(p[0] <= m < p[1] for p in beside) < config.max_polyphony
            for m in moments
        ):
            return start
    return None
