"""The worlds that built-in scenes are from. A new one is one entry in `PROFILES`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.typing import Array

from . import domestic_sounds, synthesis
from .mixing import SceneConfig
from .synthesis import EventKind

DEFAULT = "street"


@dataclasses.dataclass(frozen=True)
class Profile:
    """What scenes are made of.

    Attributes:
      classes: the vocabulary.
      kinds: for each class, by mid and in the order of `classes`, what it can be.
      background: (rng, duration_seconds, sample_rate_hz) to (N,) float32.
      scene: how scenes are mixed.
    """

    classes: ClassList
    kinds: Mapping[str, EventKind | Sequence[EventKind]]
    background: Callable[[np.random.Generator, float, int], Array]
    scene: SceneConfig

    def __post_init__(self) -> None:
        if self.classes.mids != tuple(self.kinds):
            raise ValueError(f"kinds of {tuple(self.kinds)} for {self.classes.mids}")


# In the first fold of CHiME-Home, a chunk has two tags on average, and one in seventy
# has none. Its classes are far from equally frequent there (child 62%, television 61%,
# broadband noise 1%); here they are, so that a few hundred scenes measure every class.
_CHIME_SCENE = SceneConfig(
    duration_seconds=4.0,
    min_events=1,
    max_events=4,
    empty_probability=0.03,
    min_snr_db=3.0,
    max_snr_db=22.0,
    min_background_dbfs=-55.0,
    max_background_dbfs=-42.0,
    max_polyphony=3,
    max_event_seconds=4.0,
)

PROFILES: Mapping[str, Profile] = {
    "street": Profile(
        ClassList(tuple(synthesis.EVENT_KINDS)),
        synthesis.EVENT_KINDS,
        synthesis.background,
        SceneConfig(),
    ),
    "chime_like": Profile(
        domestic_sounds.CHIME_HOME_CLASSES,
        domestic_sounds.DOMESTIC_KINDS,
        domestic_sounds.room,
        _CHIME_SCENE,
    ),
}


def profile_of(name: str) -> Profile:
    """The profile of a name.

    Raises:
      InputError: when there is none.
    """
    if name not in PROFILES:
        raise InputError(f"no profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]
