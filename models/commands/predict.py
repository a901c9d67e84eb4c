"""Says which sounds are in files, and when.

  tfweak-predict --run=RUN FILE|FOLDER ... --out=events.tsv

Writes the events as a table (filename, onset, offset, event_label) and, beside it, the
tags of each file (events.tags.tsv). A model on log-mel reads audio of any format,
rate and length. A model on embeddings reads shards of embeddings (*.tfrecord) or, with
--vggish, audio, of which it extracts them; a file shorter than 0.975 s is padded to
that. A file that cannot be read is listed in events.bad.tsv and the exit status is 3.
"""

from __future__ import annotations

import sys
from typing import Any

from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError

_FLAGS = flags.FlagValues()

_RUN = flags.DEFINE_string(
    "run", None, "folder that tfweak-train wrote", required=True, flag_values=_FLAGS
)
_OUT = flags.DEFINE_string(
    "out", None, "table of events to write (TSV)", required=True, flag_values=_FLAGS
)
_TAGS = flags.DEFINE_integer(
    "tags",
    5,
    "tags a file to list at most; those under their threshold are marked",
    lower_bound=1,
    flag_values=_FLAGS,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "files a step", lower_bound=1, flag_values=_FLAGS
)
_VGGISH = flags.DEFINE_string(
    "vggish",
    None,
    "for a model on embeddings, to read audio: where VGGish is from: hub,"
    " hub:HANDLE_OR_PATH (a local SavedModel) or checkpoint:PATH (vggish_model.ckpt)",
    flag_values=_FLAGS,
)
_PCA = flags.DEFINE_string(
    "pca",
    None,
    "with --vggish: vggish_pca_params.npz, where the training data had it",
    flag_values=_FLAGS,
)
_MIX_EXTRACTORS = flags.DEFINE_boolean(
    "mix_extractors",
    False,
    "with --vggish and --pca: use a model that was trained on AudioSet's released"
    " embeddings; those computed today do not exactly reproduce them",
    flag_values=_FLAGS,
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "bfloat16", "float16"],
    "that the network computes in; auto is the fastest of this machine",
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    return console.run(
        _FLAGS,
        __doc__,
        _main,
        argv,
        program="tfweak-predict",
        positional="FILE|FOLDER ...",
    )


def _main(paths: list[str]) -> int:
    if not paths:
        raise InputError("no file or folder given")
    out = console.output_file("out", _OUT.value)
    _refuse_contradictions()
    from ..runs import predictions, run_folder

    run = run_folder.load(_RUN.value, _PRECISION.value)
    found, bad = predictions.predict_files(
        run, paths, _BATCH_SIZE.value, _extractor(run)
    )
    written = predictions.write_tables(out, run.classes, found, bad, _TAGS.value)
    for answer in found[:20]:
        tags = predictions.top_tags(answer, run.classes, _TAGS.value)
        print(
            f"{answer.filename}: "
            + ", ".join(f"{name} {prob:.2f}" for name, prob, sure in tags if sure)
        )
    if len(found) > 20:
        print(f"... and {len(found) - 20} more")
    events = sum(len(answer.events) for answer in found)
    names = ", ".join(map(str, written))
    print(f"{len(found)} clips, {events} events; written to {names}")
    if bad:
        print(f"{len(bad)} files could not be used:", file=sys.stderr)
        for path, reason in bad[:20]:
            print(f"  {path}: {reason}", file=sys.stderr)
    if not found:
        raise InputError("none of the files could be used")
    return console.SOME_FILES_UNUSABLE if bad else 0


def _refuse_contradictions() -> None:
    for name in ("pca", "mix_extractors"):
        if _FLAGS[name].value and _VGGISH.value is None:
            raise InputError(f"--{name} has no effect without --vggish; add that")


def _extractor(run: Any) -> Any:
    """What makes embeddings for the run, checked; None without --vggish."""
    if _VGGISH.value is None:
        return None
    if not run.architecture.input.are_embeddings:
        raise InputError(
            f"--vggish={_VGGISH.value}: is for a model on embeddings; that of"
            f" {_RUN.value} reads {run.architecture.input.payload_kind}, leave it out"
        )
    from tfweak.extractors import vggish

    from ..runs.predictions import check_extractor

    try:
        extractor = vggish.Extractor.load(_VGGISH.value, _PCA.value)
    except InputError as error:
        raise InputError(f"--vggish, --pca: {error}") from error
    check_extractor(run.payload, extractor.payload, _MIX_EXTRACTORS.value)
    return extractor


if __name__ == "__main__":
    sys.exit(main())
