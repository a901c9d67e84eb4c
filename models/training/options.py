"""What a teaching is told beside its trainings' settings: `TeachingOptions`."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

from tfweak.errors import InputError
from tfweak.settings import check, option


@dataclasses.dataclass(frozen=True)
class TeachingOptions:
    """How teachers are made."""

    folds: int = option(
        5, "parts of the training clips; each is answered by runs without it", lower=2
    )
    generations: int = option(
        1,
        "how often teachers teach; those of a second generation are taught by others of"
        " a first one, without the clips that they will answer",
        lower=1,
    )
    teachers_per_fold: int = option(
        1, "runs of different seeds, whose answers are averaged", lower=1
    )

    def __post_init__(self) -> None:
        check(self)
        if self.generations >= self.folds:
            raise InputError(
                f"generations={self.generations}: the first one is trained without so"
                f" many folds, and there are {self.folds}; give more folds"
            )

    def sets(self) -> Iterator[tuple[int, ...]]:
        """The sets of folds that runs are trained without, in the order of training."""
        for size in range(self.generations, -1, -1):
            yield from itertools.combinations(range(self.folds), size)

    @property
    def num_trainings(self) -> int:
        """How many runs are trained."""
        return sum(self.teachers_per_fold if s else 1 for s in self.sets())

    @property
    def cost(self) -> float:
        """What they take, in trainings on all clips."""
        return sum(
            (self.teachers_per_fold if s else 1) * (1 - len(s) / self.folds)
            for s in self.sets()
        )

    def describe(self) -> str:
        """What will be trained, in a line."""
        parts = []
        for size in range(self.generations, 0, -1):
            count = math.comb(self.folds, size) * self.teachers_per_fold
            share = 1 - size / self.folds
            parts.append(f"{count} teachers on {share:.0%} of the clips")
        return (
            f"{self.num_trainings} trainings ({', '.join(parts)}, the student on all),"
            f" which take about as long as {self.cost:.1f} on all clips"
        )
