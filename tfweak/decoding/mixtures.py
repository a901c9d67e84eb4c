"""Clips whose times are known although nobody annotated any.

From a clip that is tagged with a class a run is cut where the model's score and the
energy agree that it sounds, and pasted into a clip without the class: there its borders
are the truth for that class. What else is in the two clips is not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..labels import SegmentGrid
from ..typing import Array

# A run is where its class reaches this share of its highest score, or energy.
_SHARE = 0.5
# Without energy there is the score alone, and scores of rows of a second dip within an
# event: less of the way from what the class has elsewhere to its highest score is
# enough, and fewer than so many rows below it part nothing.
_SHARE_OF_ROWS = 0.2
_PARTING_ROWS = 4
# Score and energy agree where they have so much of what either covers in common.
_AGREEMENT = 0.5
# Pauses that are shorter belong to the event, as in bursts of barks or ticks.
PAUSE_SECONDS = 0.5
# More than a clip without an event of the class would be a cut through one.
_LONGEST_SHARE = 0.9
_FADE_SECONDS = 0.02
# By which a frame that is faded out lies below what it was, in nats.
_FADED = 7.0


class Cut(NamedTuple):
    """A run of rows of a clip.

    Attributes:
      clip: its index.
      label: the class.
      first, end: rows.
    """

    clip: int
    label: int
    first: int
    end: int


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A clip with something pasted into it.

    Attributes:
      rows: (R, F) features.
      label: the class that is pasted and judged.
      onset_seconds, offset_seconds: of what is pasted.
      absent: (C,) bool, classes that neither clip is tagged with; judged, too.
    """

    rows: Array
    label: int
    onset_seconds: float
    offset_seconds: float
    absent: Array


def find_cut(
    clip: int,
    rows: Array,
    scores: Array,
    label: int,
    grid: SegmentGrid,
    rows_per_segment: int,
    has_energy: bool,
    elsewhere: float = 0.0,
) -> Cut | None:
    """The run of a class around its highest score.

    Args:
      clip: its index, of which nothing is asked.
      rows: (R, F) features of the clip.
      scores: (T,) of the class.
      label: the class.
      grid: where the segments lie.
      rows_per_segment: R is about so many times T.
      has_energy: whether rows are log energies: then borders are those of the energy,
        at the rows' resolution; embeddings leave those of the score.
      elsewhere: what the class usually scores in clips without it; embeddings need it.

    Returns:
      None where score and energy disagree, the run fills the clip, or the class scores
      no higher than elsewhere.
    """
    # a pause of so many segments parts
    pause = PAUSE_SECONDS / grid.hop_seconds
    peak = int(scores.argmax())
    least = _SHARE * scores[peak]
    if not has_energy:
        pause = max(pause, _PARTING_ROWS)
        least = elsewhere + _SHARE_OF_ROWS * (scores[peak] - elsewhere)
    if least > scores[peak]:
        return None
    first, end = _around(scores >= least, peak, pause)
    heard = (first * rows_per_segment, min(end * rows_per_segment, len(rows)))
    found = heard
    if has_energy:
        excess = rows - np.quantile(rows, 0.1, axis=0, keepdims=True)
        energy = np.maximum(excess, 0.0).mean(axis=1)
        middle = min(peak * rows_per_segment + rows_per_segment // 2, len(rows) - 1)
        near = slice(max(0, middle - rows_per_segment), middle + rows_per_segment)
        loudest = near.start + int(energy[near].argmax())
        active = energy >= _SHARE * energy[loudest]
        found = _around(active, loudest, pause * rows_per_segment)
        common = min(heard[1], found[1]) - max(heard[0], found[0])
        either = max(heard[1], found[1]) - min(heard[0], found[0])
        if common < _AGREEMENT * either:
            return None
    if found[1] - found[0] > _LONGEST_SHARE * len(rows):
        return None
    return Cut(clip, label, *found)


def paste(
    rng: np.random.Generator,
    cut: Cut,
    source: Array,
    target: Array,
    tags: tuple[Array, Array],
    row_seconds: float,
    has_energy: bool,
) -> Mixture | None:
    """A cut in another clip, at a random place.

    Log energies of two sounds together are about the greater of the two, bin by bin;
    the cut fades at its ends. Rows of embeddings are replaced.

    Args:
      rng: draws the place.
      cut: a run of `source`.
      source, target: (R, F) features of clips.
      tags: of the two, (C,) bool each; the target has not the cut's class.
      row_seconds: from one row to the next.
      has_energy: whether rows are log energies.

    Returns:
      None where the cut is longer than the target.
    """
    length = cut.end - cut.first
    if length > len(target):
        return None
    place = int(rng.integers(len(target) - length + 1))
    rows = np.array(target, np.float32)
    inside = slice(place, place + length)
    run: Array = np.asarray(source[cut.first : cut.end], np.float32)
    if has_energy:
        fade = max(1, round(_FADE_SECONDS / row_seconds))
        to_end = np.minimum(np.arange(length), np.arange(length)[::-1])
        run = run - _FADED * np.maximum(0, 1 - (to_end + 1) / (fade + 1))[:, np.newaxis]
        rows[inside] = np.maximum(rows[inside], run)
    else:
        rows[inside] = run
    return Mixture(
        rows,
        cut.label,
        place * row_seconds,
        (place + length) * row_seconds,
        ~(tags[0] | tags[1]),
    )


def make(
    rng: np.random.Generator,
    cuts: Sequence[Cut],
    clips: Sequence[Array],
    tags: Array,
    row_seconds: float,
    has_energy: bool,
    count: int,
) -> list[Mixture]:
    """Mixtures of all cuts in turn, each in a random clip without its class.

    Args:
      rng: draws clips and places.
      cuts: of these clips.
      clips: (R, F) features each.
      tags: (N, C) bool.
      row_seconds, has_energy: see `paste`.
      count: how many.
    """
    out: list[Mixture] = []
    others = {
        label: np.flatnonzero(~tags[:, label]) for label in {c.label for c in cuts}
    }
    usable = [cut for cut in cuts if len(others[cut.label])]
    for number in range(count if usable else 0):
        cut = usable[number % len(usable)]
        into = int(rng.choice(others[cut.label]))
        pair = (tags[cut.clip], tags[into])
        made = paste(
            rng, cut, clips[cut.clip], clips[into], pair, row_seconds, has_energy
        )
        if made is not None:
            out.append(made)
    return out


def _around(active: Array, place: int, pause: float) -> tuple[int, int]:
    """The run of `active` that holds a place, over pauses shorter than `pause`."""
    places = np.flatnonzero(active)
    is_parted = np.diff(places) - 1 >= max(pause - 1e-6, 1)
    parts = np.split(places, np.flatnonzero(is_parted) + 1)
    part = next(p for p in parts if p[0] <= place <= p[-1])
    return int(part[0]), int(part[-1]) + 1
