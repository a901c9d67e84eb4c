"""Says which sounds are in files, and when.

  tfweak-predict --run=RUN FILE|FOLDER ... --out=events.tsv

Writes the events as a table (filename, onset, offset, event_label) and, beside it, the
tags of each file (events.tags.tsv). A model on log-mel reads audio of any format,
rate and length. A model on embeddings reads shards of embeddings (*.tfrecord), or
audio, of which it extracts them by the extractor of its training data; a file shorter
than one window is padded to that. A file that cannot be read is listed in
events.bad.tsv and the exit status is 3.
"""

from __future__ import annotations

import dataclasses
import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.errors import InputError
from tfweak.settings import option

from ..runs.config import ExtractorOptions, RunOptions

_FLAGS = absl_flags.FlagValues()
_SHOWN = 20  # files that are printed


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    out: str = option("events.tsv", "table of events to write (TSV)")
    tags: int = option(
        5,
        "tags a file to list at most; those under their threshold are marked",
        lower=1,
    )
    batch_size: int = option(16, "files a step", lower=1)


flags.define(_FLAGS, _Options)
flags.define(_FLAGS, ExtractorOptions)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    program, files = "tfweak-predict", "FILE|FOLDER ..."
    return console.run(_FLAGS, __doc__, _main, argv, program=program, positional=files)


def _main(paths: list[str]) -> int:
    if not paths:
        raise InputError("no file or folder given")
    given = _Options(**flags.given(_FLAGS, _Options))
    out = console.output_file("out", given.out)
    asked = ExtractorOptions(**flags.given(_FLAGS, ExtractorOptions))

    from ..runs import predictions  # loads TensorFlow
    from ..runs.run import load

    run = load(given.run, given.precision)
    found, bad = run.predict_files(paths, given.batch_size, asked.chosen())
    written = predictions.write_tables(out, run.classes, found, bad, given.tags)
    for answer in found[:_SHOWN]:
        tags = predictions.top_tags(answer, run.classes, given.tags)
        heard = ", ".join(f"{name} {prob:.2f}" for name, prob, sure in tags if sure)
        print(f"{answer.filename}: {heard}")
    if found[_SHOWN:]:
        print(f"... and {len(found) - _SHOWN} more")
    events, files = sum(len(a.events) for a in found), ", ".join(map(str, written))
    print(f"{len(found)} clips, {events} events; written to {files}")
    if bad:
        print(f"{len(bad)} files could not be used:", file=sys.stderr)
        for path, reason in bad[:_SHOWN]:
            print(f"  {path}: {reason}", file=sys.stderr)
    if not found:
        raise InputError("none of the files could be used")
    return console.SOME_FILES_UNUSABLE if bad else 0


if __name__ == "__main__":
    sys.exit(main())
