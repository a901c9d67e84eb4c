"""Says which sounds are in files, and when.

  tfweak-predict --run=RUN FILE|FOLDER|- ... --out=events.tsv

Writes the events as a table (filename, onset, offset, event_label, confidence) and,
beside it, the tags of each file (events.tags.tsv); --format has other tables. To
standard output (--out=-), a pipe or a device goes the table alone, file by file. A
model on log-mel reads audio of any format, rate and length, from pipes and standard
input (-), too. A model on embeddings reads shards of embeddings (*.tfrecord), or audio,
of which it extracts them by the extractor of its training data; a file shorter than one
window is padded to that. Long recordings are answered in windows, in bounded memory. A
killed call goes on where it was. A file that cannot be read is listed in events.bad.tsv
and the exit status is 3.
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
from ..streaming.windows import WindowOptions
from .journal import Journal, told_of
from .output import OutputOptions, Writer

_FLAGS = absl_flags.FlagValues()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    batch_size: int = option(16, "windows a step", lower=1)
    threshold: float | None = option(
        None,
        "of all segments' scores, instead of the run's own for each class",
        lower=0.0,
        upper=1.0,
    )


_ALL = (_Options, WindowOptions, OutputOptions, ExtractorOptions)
for _options in _ALL:
    flags.define(_FLAGS, _options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    program, files = "tfweak-predict", "FILE|FOLDER|- ..."
    return console.run(_FLAGS, __doc__, _main, argv, program=program, positional=files)


def _main(paths: list[str]) -> int:
    if not paths:
        raise InputError("no file or folder given")
    given = _Options(**flags.given(_FLAGS, _Options))
    windows = WindowOptions(**flags.given(_FLAGS, WindowOptions))
    output = OutputOptions(**flags.given(_FLAGS, OutputOptions))
    asked = ExtractorOptions(**flags.given(_FLAGS, ExtractorOptions))

    from ..runs import predictions  # loads TensorFlow
    from ..runs.run import load

    stdout = sys.stdout
    # a table there has it to itself; what is told goes to standard error
    with contextlib.redirect_stdout(sys.stderr if output.out == "-" else stdout):
        run = load(given.run, given.precision)
        if given.threshold is not None:
            run = run.with_threshold(given.threshold)
        extractor = run.extractor_for(paths, asked.chosen_extractor())
        files = predictions.expand(run, paths, extractor)
        writer = Writer(output, run, [name for name, _ in files])
        settings = given.batch_size, extractor, windows
        if output.is_stream:
            groups = predictions.answer_files(run, files, *settings)
            return writer.write_stream(groups, stdout)
        call = {
            **{k: v for k, v in vars(given).items() if k != "batch_size"},
            **vars(windows),
            **vars(asked),
            **output.as_call(),
            **predictions.fingerprint(run, files),
        }
        with (
            told_of(output.path),
            Journal(output.path, call, output.resume) as journal,
        ):
            groups = predictions.answer_files(run, files, *settings, journal.count)
            return writer.write_tables(groups, journal)


if __name__ == "__main__":
    sys.exit(main())
