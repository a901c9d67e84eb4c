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
from collections.abc import Iterator
from typing import Any

import numpy as np
import tqdm

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.typing import Array

from ..dataset import Bad, BadFile, Item, Options, Plan, Split, source_folder
from ..inputs import audio_clips
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

OPTIONS = audio_clips.OPTIONS | {
    "folds",
    "profile",
    "num_clips",
    "clip_seconds",
    "weak_only_fraction",
}

# Decoded clips that a worker keeps: 160 MB of 5 s clips.
_CACHED_CLIPS = 512


@dataclasses.dataclass(frozen=True)
class Context:
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


def plan(options: Options) -> Plan:
    """One item a scene. Every source clip is decoded once, to find the unusable ones.

    Raises:
      InputError: options out of range, no such profile, or one for a folder of clips;
        no such folder, no clips by class in it, or a class none of whose clips is
        usable.
    """
    if not 0 <= options.weak_only_fraction <= 1:
        raise InputError(
            f"weak_only_fraction={options.weak_only_fraction}: expected 0 to 1"
        )
    if options.source is not None and options.profile is not None:
        raise InputError(
            f"--profile={options.profile} is of built-in sounds; leave it or --source"
            " out"
        )
    profile_name = options.profile or profiles.DEFAULT
    profile = profiles.find(profile_name)
    scene = dataclasses.replace(
        profile.scene, sample_rate_hz=audio_clips.SAMPLE_RATE_HZ
    )
    if options.clip_seconds is not None:
        if not 1 <= options.clip_seconds <= 3600:
            raise InputError(f"clip_seconds={options.clip_seconds}: expected 1 to 3600")
        scene = dataclasses.replace(scene, duration_seconds=options.clip_seconds)
    encoder = audio_clips.encoder(options)
    origin: Any = "built-in"
    class_list = profile.classes
    bad: list[Bad] = []
    sources: Sources
    if options.source is None:
        if options.folds:
            raise InputError("--folds needs --source, a folder of clips with folds")
        sources = GeneratedSources(audio_clips.SAMPLE_RATE_HZ, profile.kinds)
        if profile_name != profiles.DEFAULT:
            origin = f"built-in, {profile_name}"
    else:
        class_list, groups, bad = _scan(options)
        bad += _drop_unusable(str(options.source), groups)
        for name, group in zip(class_list.names, groups):
            if not group:
                raise InputError(
                    f"--source={options.source}: class {name!r} has no"
                    " usable clip"
                    + (f"; {bad[0].file}: {bad[0].reason}" if bad else "")
                )
        sources = ClipSources(
            dict(zip(class_list.names, map(tuple, groups))),
            functools.partial(_events, str(options.source)),
        )
        listed = json.dumps([sorted(group.items()) for group in groups])
        origin = {
            "num_clips": sum(map(len, groups)),
            "sha256": hashlib.sha256(listed.encode()).hexdigest(),
        }
    items = tuple(Item(_name(options.seed, i), [i]) for i in range(options.num_clips))
    settings = {
        "seed": options.seed,
        "scene": dataclasses.asdict(scene),
        "weak_only_fraction": options.weak_only_fraction,
        "sources": origin,
    }
    context = Context(
        encoder,
        options.seed,
        options.weak_only_fraction,
        profile_name,
        scene,
        sources,
    )
    return Plan(
        class_list,
        encoder.payload,
        {"": Split(items, tuple(bad))},
        settings,
        context,
    )


def load(item: Item, context: Context) -> Iterator[records.Clip]:
    """Mixes one scene."""
    index = item.spec[0]
    rng = np.random.default_rng([context.seed, index])
    seconds, rate = context.scene.duration_seconds, context.scene.sample_rate_hz
    background = profiles.find(context.profile).background(rng, seconds, rate)
    scene = mix_scene(rng, context.sources, background, context.scene)
    # the last draw, so that the fraction changes no scene
    weak_only = rng.random() < context.weak_only_fraction
    yield records.Clip(
        item.name,
        scene.labels,
        context.encoder(scene.waveform, rate),
        None if weak_only else scene.events,
        end_seconds=seconds,
    )


@functools.lru_cache(maxsize=_CACHED_CLIPS)
def _events(source: str, name: str) -> list[Array]:
    """The events of one file, (N,) float32 each."""
    events = event_parts(audio_clips.read(source, name), audio_clips.SAMPLE_RATE_HZ)
    if not events:
        raise BadFile("audio", "the clip is silent")
    return events


def _name(seed: int, index: int) -> str:
    return f"soundscape_{seed}_{index:06d}"


def _scan(options: Options) -> tuple[ClassList, list[dict[str, int]], list[Bad]]:
    """The classes, each one's files with their sizes, and the files that have none."""
    source = source_folder(options, "a folder of clips by class")
    if esc.is_layout(source):
        classes, recordings, bad = esc.scan(options)
        groups: list[dict[str, int]] = [{} for _ in classes.names]
        for recording in recordings:
            groups[recording.label][recording.name] = recording.size
        return classes, groups, bad
    if options.folds:
        raise InputError(
            f"--folds: {source} has no folds; expected the layout of ESC-10"
        )
    found, bad = audio_clips.find(source)
    by_class: dict[str, dict[str, int]] = {}
    for name, size in found.items():
        folder, slash, _ = name.partition("/")
        if slash:
            by_class.setdefault(folder, {})[name] = size
        else:
            bad.append(Bad(name, "label", "not in a folder named by its class"))
    if not by_class:
        raise InputError(f"--source={source}: no audio in folders named by their class")
    return ClassList(tuple(by_class)), list(by_class.values()), bad


def _drop_unusable(source: str, groups: list[dict[str, int]]) -> list[Bad]:
    bad = []
    names = [(group, name) for group in groups for name in group]
    for group, name in tqdm.tqdm(names, desc="checking", unit="file", disable=None):
        try:
            _events(source, name)
        except BadFile as error:
            bad.append(Bad(name, error.kind, error.reason))
            del group[name]
    return bad
