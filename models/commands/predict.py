"""Says which sounds are in files, and when.

  tfweak-predict --run=RUN FILE|FOLDER ... --out=events.tsv

Writes the events as a table (filename, onset, offset, event_label) and, beside it, the
tags of each file (events.tags.tsv). A model on log-mel reads audio of any format,
rate and length. A model on embeddings reads shards of embeddings (*.tfrecord) or, with
--vggish, audio, of which it extracts them; a file shorter than 0.975 s is padded to
that. A file that cannot be read is listed in events.bad.tsv and the exit status is 3.
"""

from __future__ import annotations

import dataclasses
import sys

from absl import flags as absl_flags

from tfweak.cli import console, flags
from tfweak.errors import InputError
from tfweak.settings import REQUIRED, option

from ..runs.config import RunOptions

_FLAGS = absl_flags.FlagValues()
_SHOWN = 20  # files that are printed


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(RunOptions):
    out: str = option(REQUIRED, "table of events to write (TSV)")
    tags: int = option(
        5,
        "tags a file to list at most; those under their threshold are marked",
        lower=1,
    )
    batch_size: int = option(16, "files a step", lower=1)
    vggish: str | None = option(
        None,
        "for a model on embeddings, to read audio: where VGGish is from: hub,"
        " hub:HANDLE_OR_PATH (a local SavedModel) or checkpoint:PATH"
        " (vggish_model.ckpt)",
    )
    pca: str | None = option(
        None, "with --vggish: vggish_pca_params.npz, where the training data had it"
    )
    mix_extractors: bool = option(
        False,
        "with --vggish and --pca: use a model that was trained on AudioSet's released"
        " embeddings; those computed today do not exactly reproduce them",
    )


flags.define(_FLAGS, _Options)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    program, files = "tfweak-predict", "FILE|FOLDER ..."
    return console.run(_FLAGS, __doc__, _main, argv, program=program, positional=files)


def _main(paths: list[str]) -> int:
    if not paths:
        raise InputError("no file or folder given")
    given = _Options(**flags.given(_FLAGS, _Options))
    out = console.output_file("out", given.out)
    for name in ("pca", "mix_extractors"):
        if getattr(given, name) and given.vggish is None:
            raise InputError(f"--{name} has no effect without --vggish; add that")

    from ..runs import predictions, run_folder  # loads TensorFlow

    run = run_folder.load(given.run, given.precision)
    extractor = None
    if given.vggish is not None:
        extractor = predictions.load_vggish(
            run, given.vggish, given.pca, given.mix_extractors
        )
    found, bad = predictions.predict_files(run, paths, given.batch_size, extractor)
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
