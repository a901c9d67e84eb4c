"""Scenes mixed from single sounds over a background: strong and weak labels are known.

The sounds come from a folder of real clips by class (the ESC-10 layout, or
`class_name/*.wav` with any depth below), or, without a folder, from the built-in
generator; `profiles` says which worlds that knows. Scene number i of seed s is drawn
from `np.random.default_rng([s, i])` alone, so that scenes can be made in any order and
by any worker.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tfweak import progress
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.typing import Array

from ..dataset import Bad, BadFile, Dataset, Item, Preparation, Split
from ..inputs import audio_clips, source_files
from ..options import Options
from ..scenes import profiles
from ..scenes.mixing import (
    ClipSources,
    GeneratedSources,
    SceneConfig,
    Sources,
    event_parts,
    mix_scene,
)
from . import esc

if TYPE_CHECKING:
    from tfweak.data import records

# Decoded clips that a worker keeps: 160 MB of 5 s clips.
_CACHED_CLIPS = 512


@dataclasses.dataclass(frozen=True)
class _Context:
    """How to make a scene.

    Attributes:
      encoder: what is stored.
      seed, weak_only_fraction: see `Options`.
      profile: whose background the scenes have.
      scene: how scenes are mixed.
      sources: where the events come from.
    """

    encoder: audio_clips.Encoder
    seed: int
    weak_only_fraction: float
    profile: str
    scene: SceneConfig
    sources: Sources


class Soundscapes(Dataset):
    """One item per scene; scenes of real clips need every source clip to be decoded."""

    name = "soundscapes"
    help = (
        "scenes mixed from single sounds, with exact times: from a folder of clips by"
        " class, or, without --source, from built-in sounds (--profile)"
    )
    options = audio_clips.OPTIONS - {"keep_damaged"} | {
        "folds",
        "profile",
        "num_clips",
        "clip_seconds",
        "classes_per_scene",
        "weak_only_fraction",
    }

    def plan(self, options: Options) -> Preparation:
        """Decodes all source clips once, to find the unusable ones.

        Raises:
          InputError: no such profile, or one for a folder of clips; no such folder, no
            clips by class in it, or a class none of whose clips is usable.
        """
        if options.source is not None and options.profile is not None:
            raise InputError(
                f"profile={options.profile} is of built-in sounds; leave it or the"
                " source out"
            )
        profile_name = options.profile or profiles.DEFAULT
        profile = profiles.profile_of(profile_name)
        encoder = audio_clips.encoder(options)
        rate = audio_clips.SAMPLE_RATE_HZ
        if encoder.extractor is not None:  # nothing that it hears is lost on the way
            rate = max(rate, encoder.sample_rate_hz)
        scene = dataclasses.replace(profile.scene, sample_rate_hz=rate)
        if options.clip_seconds is not None:
            scene = dataclasses.replace(scene, duration_seconds=options.clip_seconds)
        scene = dataclasses.replace(scene, max_classes=options.classes_per_scene)
        origin: Any = "built-in"
        classes = profile.classes
        bad: list[Bad] = []
        sources: Sources
        if options.source is None:
            if options.folds:
                raise InputError("folds: a source is needed, clips that have folds")
            sources = GeneratedSources(rate, profile.kinds)
            if profile_name != profiles.DEFAULT:
                origin = f"built-in, {profile_name}"
        else:
            events = functools.partial(
                _events,
                str(options.source),
                sample_rate_hz=rate,
                max_seconds=options.max_clip_seconds,
            )
            classes, groups, bad = _usable_clips(options, events)
            sources = ClipSources(dict(zip(classes.names, map(tuple, groups))), events)
            listed = json.dumps([sorted(group.items()) for group in groups])
            origin = {
                "num_clips": sum(map(len, groups)),
                "sha256": hashlib.sha256(listed.encode()).hexdigest(),
            }
        seed, weak_only = options.seed, options.weak_only_fraction
        names = [f"soundscape_{seed}_{i:06d}" for i in range(options.num_clips)]
        items = tuple(Item(name, [i]) for i, name in enumerate(names))
        return Preparation(
            classes,
            encoder.payload,
            {"": Split(items, tuple(bad))},
            {
                "seed": seed,
                "scene": dataclasses.asdict(scene),
                "weak_only_fraction": weak_only,
                "sources": origin,
            },
            _Context(encoder, seed, weak_only, profile_name, scene, sources),
        )

    def load(self, item: Item, context: _Context) -> Iterator[records.Clip]:
        """Mixes one scene."""
        rng = np.random.default_rng([context.seed, item.spec[0]])
        seconds, rate = context.scene.duration_seconds, context.scene.sample_rate_hz
        profile = profiles.profile_of(context.profile)
        background = profile.background(rng, seconds, rate)
        scene = mix_scene(rng, context.sources, background, context.scene)
        # the last draw, so that the fraction changes no scene
        events = None if rng.random() < context.weak_only_fraction else scene.events
        yield context.encoder.clip(
            item.name, scene.labels, scene.waveform, rate, events
        )


@functools.lru_cache(maxsize=_CACHED_CLIPS)
def _events(
    source: str,
    name: str,
    sample_rate_hz: int,
    max_seconds: float,
) -> list[Array]:
    """The events of one file, (N,) float32 each."""
    waveform = source_files.read_clip(source, name, sample_rate_hz, max_seconds)
    events = event_parts(waveform, sample_rate_hz)
    if not events:
        raise BadFile("audio", "the clip is silent")
    return events


def _usable_clips(
    options: Options, events: Callable[[str], list[Array]]
) -> tuple[ClassList, list[dict[str, int]], list[Bad]]:
    """The classes, each one's files with their sizes, and the files that have none."""
    classes, groups, bad = _clips_by_class(options)
    bad += _drop_unusable(groups, events)
    for name, group in zip(classes.names, groups):
        if not group:
            why = f"; {bad[0].file}: {bad[0].reason}" if bad else ""
            raise InputError(
                f"source={options.source}: class {name!r} has no usable clip{why}"
            )
    return classes, groups, bad


def _clips_by_class(
    options: Options,
) -> tuple[ClassList, list[dict[str, int]], list[Bad]]:
    source = options.source_folder("a folder of clips by class")
    if esc.is_layout(source):
        classes, recordings, bad = esc.recordings(source, options.folds)
        groups: list[dict[str, int]] = [{} for _ in classes.names]
        for recording in recordings:
            groups[recording.label][recording.name] = recording.size
        return classes, groups, bad
    if options.folds:
        raise InputError(f"folds: {source} has no folds; expected the layout of ESC-10")
    found, bad = source_files.audio_files(source)
    by_class: dict[str, dict[str, int]] = {}
    for name, size in found.items():
        folder, slash, _ = name.partition("/")
        if slash:
            by_class.setdefault(folder, {})[name] = size
        else:
            bad.append(Bad(name, "label", "not in a folder named by its class"))
    if not by_class:
        raise InputError(f"source={source}: no audio in folders named by their class")
    return ClassList(tuple(by_class)), list(by_class.values()), bad


def _drop_unusable(
    groups: list[dict[str, int]], events: Callable[[str], list[Array]]
) -> list[Bad]:
    bad = []
    names = [(group, name) for group in groups for name in group]
    for group, name in progress.bar(names, len(names), "file", "checking"):
        try:
            events(name)
        except BadFile as error:
            bad.append(Bad(name, error.kind, error.reason))
            del group[name]
    return bad
