"""Shows the whole way in a few minutes, on sounds that it makes itself.

  tfweak-quickstart --out=DIR

Makes soundscapes with known times, trains a small model three times (no attention,
unsupervised attention, self-supervision) from tags alone, compares *which* (mAP) and
*when* (segment F1), draws pictures, exports a SavedModel and asks it about one clip.
Every step prints the command that does the same by hand.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.settings import option

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True)
class _Options:
    out: str = option("quickstart", "folder for everything that is made")
    clips: int = option(400, "soundscapes of 10 s to train on", lower=40)
    epochs: int = option(10, "passes over them for each model", lower=1)
    seed: int = option(0, "of the sounds and of the training", lower=0)


flags.define(_FLAGS, _Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-quickstart")


def _main(_: list[str]) -> None:
    given = _Options(**flags.given(_FLAGS, _Options))
    import tensorflow as tf

    from . import tour

    tf.get_logger().setLevel("ERROR")  # it warns of one model traced after another
    started = time.monotonic()
    out = pathlib.Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    _title("1 of 5: soundscapes, with tags for training and exact times for measuring")
    sizes = {"train": given.clips, "valid": given.clips // 8, "test": given.clips // 4}
    for i, (part, clips) in enumerate(sizes.items()):
        tour.make_scenes(out / part, clips, 10 * given.seed + i)
    tour.make_scenes(out / "audio", 4, 10 * given.seed + 2, "--features=waveform")

    _title("2 of 5: three models, trained from the tags alone")
    for name in tour.SYSTEMS:
        tour.train(out, name, given.epochs, given.seed)

    _title("3 of 5: which and when, on soundscapes that nobody trained on")
    rows = {name: tour.measure(out, name) for name in tour.SYSTEMS}

    _title("4 of 5: pictures")
    pictures = tour.draw(out)

    _title("5 of 5: a SavedModel, and what it says of a clip")
    answer = tour.serve(out)

    print(tour.table(rows))
    print(answer)
    print(
        f"\nIn {out}: train, valid, test (records);"
        f" {', '.join(map(tour.folder, tour.SYSTEMS))} (runs); {pictures} pictures in"
        f" pictures; saved_model; metrics.json.\nDone in"
        f" {time.monotonic() - started:.0f} s. More epochs and a greater width help;"
        " tfweak-train --help says how."
    )


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
