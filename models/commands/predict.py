"""Says which sounds are in files, and when.

  tfweak-predict --run=RUN FILE|FOLDER ... --out=events.tsv

Writes the events as a table (filename, onset, offset, event_label, confidence) and,
beside it, the tags of each file (events.tags.tsv); --format has other tables. To
standard output (--out=-), a pipe or a device goes the table alone. A model on log-mel
reads audio of any format, rate and length. A model on embeddings reads shards of
embeddings (*.tfrecord), or audio, of which it extracts them by the extractor of its
training data; a file shorter than one window is padded to that. A file that cannot be
read is listed in events.bad.tsv and the exit status is 3.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.errors import InputError
from tfweak.extractor import ExtractorOptions
from tfweak.settings import option

from ..runs.config import RunOptions
from .output import OutputOptions

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    batch_size: int = option(16, "files a step", lower=1)


flags.define(_FLAGS, _Options)
flags.define(_FLAGS, OutputOptions)
flags.define(_FLAGS, ExtractorOptions)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    program, files = "tfweak-predict", "FILE|FOLDER ..."
    return console.run(_FLAGS, __doc__, _main, argv, program=program, positional=files)


def _main(paths: list[str]) -> int:
    if not paths:
        raise InputError("no file or folder given")
    given = _Options(**flags.given(_FLAGS, _Options))
    output = OutputOptions(**flags.given(_FLAGS, OutputOptions))
    asked = ExtractorOptions(**flags.given(_FLAGS, ExtractorOptions))

    from ..runs.run import load  # loads TensorFlow

    stdout = sys.stdout
    # a table there has it to itself; what is told goes to standard error
    with contextlib.redirect_stdout(sys.stderr if output.out == "-" else stdout):
        run = load(given.run, given.precision)
        found, bad = run.predict_files(
            paths, given.batch_size, asked.chosen_extractor()
        )
        output.write(run, found, bad, stdout)
    if not found:
        raise InputError("none of the files could be used")
    return console.SOME_FILES_UNUSABLE if bad else 0


if __name__ == "__main__":
    sys.exit(main())
