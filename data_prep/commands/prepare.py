"""Writes a dataset as TFRecords, in parallel.

Datasets:
  audioset_embeddings  official AudioSet embedding shards, gathered into larger ones
  folder               a folder of audio, with tables of tags and of events
  esc                  ESC-10 and ESC-50 as folders of classes; one output a fold
  chime_home           CHiME-Home as in DCASE 2016 task 4; one output a fold
  soundscapes          scenes mixed from single sounds, with exact times: from a folder
                       of clips by class, or, without --source, from built-in sounds
                       (--profile)
  sl_dcase17           SL-DCASE-17's lists: strong (training), weak (validation, test)
  dcase2017_task4      DCASE 2017 task 4's ground truth, weak or strong
  audioset_segments    AudioSet's segment lists: weak labels
  audioset_strong      AudioSet's strong labels

The last four join a label list (--labels) by clip id with --source: a folder of audio
named YTID, YTID_start_end or YTID_startms, each also with a Y in front, or one below
which lie embedding shards, official ones or this command's. Listed clips that are not
there are in the manifest.

The same command goes on after an interruption. Files that cannot be used are listed in
OUT/manifest.csv with the reason, the rest is written, and the exit status is 3.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from absl import flags

from tfweak.audio import front_ends
from tfweak.cli import console
from tfweak.errors import InputError

from .. import datasets
from ..dataset import Options

if TYPE_CHECKING:
    from ..writer import Result

PROGRAM = "tfweak-prepare"

_FLAGS = flags.FlagValues()


def _integer(name: str, text: str, **limits: Any) -> flags.FlagHolder[Any]:
    return flags.DEFINE_integer(name, None, text, flag_values=_FLAGS, **limits)


def _string(name: str, text: str) -> flags.FlagHolder[Any]:
    return flags.DEFINE_string(name, None, text, flag_values=_FLAGS)


_DATASET = flags.DEFINE_enum(
    "dataset", None, datasets.names(), "What to prepare.", flag_values=_FLAGS
)
_OUT = _string("out", "The folder to write.")
_WORKERS = _integer(
    "workers",
    "Processes; one a CPU if not given, and 1 works without extra processes.",
    lower_bound=1,
)
_CLIPS_PER_SHARD = _integer(
    "clips_per_shard",
    "About how many clips go into a file; if not given, 1024 of"
    " embeddings, 64 of log-mel, 64 of waveform.",
    lower_bound=1,
)

# Kinds of manifest entries that are no failure: files that nobody listed, and what the
# class list that was chosen has no class for.
_NOT_ASKED_FOR = {"not listed", "unused label", "no label"}
# Kinds that leave out no clip.
_NOTES = {"unused label", "kept other segment"}

# The flags that are fields of datasets.Options: name -> conversion of a given value.
_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "source": pathlib.Path,
    "seed": int,
    "features": str,
    "payload_dtype": str,
    "front_end": str,
    "vggish": str,
    "pca": pathlib.Path,
    "tags": pathlib.Path,
    "events": pathlib.Path,
    "classes": pathlib.Path,
    "folds": lambda values: _folds(values),
    "profile": str,
    "num_clips": int,
    "clip_seconds": float,
    "weak_only_fraction": float,
    "labels": pathlib.Path,
    "label_kind": str,
    "inaudible": str,
    "other_segment": str,
}
_string("source", "The folder of source files.")
_integer(
    "seed",
    "Decides the order of the clips and every random draw; 0 if not given.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "features",
    None,
    ["log_mel", "waveform", "embeddings"],
    "What to store of a clip; log_mel if not given. embeddings are VGGish's, a row for"
    " 0.96 s; a clip shorter than 0.975 s is padded to one row.",
    flag_values=_FLAGS,
)
flags.DEFINE_enum(
    "payload_dtype",
    None,
    ["float16", "uint8"],
    "How log-mel values are stored; float16 if not given. uint8 is for"
    " --front_end=vggish alone.",
    flag_values=_FLAGS,
)
flags.DEFINE_enum(
    "front_end",
    None,
    list(front_ends.FRONT_ENDS),
    "--features=log_mel: the front end of the model that the data is for; vggish if not"
    " given. All give log-mel but constant_q, which gives a constant-Q spectrum.",
    flag_values=_FLAGS,
)
_string(
    "vggish",
    "--features=embeddings: where VGGish is from: hub, hub:HANDLE_OR_PATH (a local"
    " SavedModel) or checkpoint:PATH (vggish_model.ckpt); hub if not given.",
)
_string(
    "pca",
    "--features=embeddings: vggish_pca_params.npz, published with VGGish, to store"
    " 128 bytes a row as AudioSet's released embeddings are; raw float32 if not given.",
)
_string(
    "tags",
    "folder: CSV or TSV with the columns filename and labels (several"
    " separated by commas); if no table is given, those in --source are taken.",
)
_string(
    "events",
    "folder: CSV or TSV with the columns filename, onset, offset (in"
    " seconds) and event_label; a row without an event is a clip without events.",
)
_string(
    "classes",
    "folder, audioset_embeddings and the datasets by clip id: CSV of the classes, with"
    " the header index,mid,display_name; if not given, the labels that occur (the 17 of"
    " DCASE 2017 for its two datasets).",
)
flags.DEFINE_list(
    "folds",
    None,
    "esc, chime_home, soundscapes from ESC clips: the folds to use,"
    " such as 1,2,3; all if not given. chime_home counts them from 1 and writes the"
    " evaluation set too, whichever are chosen.",
    flag_values=_FLAGS,
)
_string(
    "profile",
    "soundscapes from built-in sounds: street (10 s; 15 classes of horns, sirens,"
    " engines and the like) or chime_like (4 s; the seven classes of CHiME-Home in a"
    " quiet home); street if not given.",
)
_integer("num_clips", "soundscapes: how many scenes; 1000 if not given.", lower_bound=1)
flags.DEFINE_float(
    "clip_seconds",
    None,
    "soundscapes: the length of a scene; the profile's, or 10, if not given.",
    lower_bound=1.0,
    upper_bound=3600.0,
    flag_values=_FLAGS,
)
flags.DEFINE_float(
    "weak_only_fraction",
    None,
    "soundscapes: the share of scenes that"
    " are stored without strong labels; 0 if not given.",
    lower_bound=0.0,
    upper_bound=1.0,
    flag_values=_FLAGS,
)
_string("labels", "the datasets by clip id: the label list.")
flags.DEFINE_enum(
    "label_kind",
    None,
    ["weak", "strong"],
    "dcase2017_task4: which ground truth --labels is.",
    flag_values=_FLAGS,
)
flags.DEFINE_enum(
    "inaudible",
    None,
    ["tag", "weak", "drop", "exclude"],
    "strong label lists: what a row with the times 0 0 (labelled in AudioSet, but not"
    " audible) leads to. tag: the clip keeps the tag, and its strong labels say that"
    " the class sounds nowhere. weak: it keeps the tag, and counts as having no strong"
    " labels. drop: the tag goes away, even if it is the only one. exclude: the clip is"
    " left out. tag if not given; an audible event of the class outweighs the row.",
    flag_values=_FLAGS,
)
flags.DEFINE_enum(
    "other_segment",
    None,
    ["keep", "exclude"],
    "the datasets by clip id: what to do with a clip whose audio or record is of"
    " another part of the video than the list means, so that the labels may not fit; in"
    " the manifest either way. keep if not given.",
    flag_values=_FLAGS,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return console.run(_FLAGS, __doc__ or "", _main, argv, program=PROGRAM)


def _main(_: list[str]) -> int:
    name = _DATASET.value
    if name is None:
        raise InputError(f"--dataset is needed: one of {', '.join(datasets.names())}")
    if not _OUT.value:
        raise InputError("--out is needed: the folder to write")
    given = {
        flag: convert(_FLAGS[flag].value)
        for flag, convert in _OPTIONS.items()
        if _FLAGS[flag].value is not None
    }
    _require_known(name, given)
    from ..writer import prepare  # loads TensorFlow, which --help does not need

    results = prepare(
        name,
        _OUT.value,
        Options(**given),
        workers=_WORKERS.value,
        clips_per_shard=_CLIPS_PER_SHARD.value,
    )
    for line in _summary(results):
        print(line)
    bad = any(set(result.left_out) - _NOT_ASKED_FOR for result in results)
    return console.SOME_FILES_UNUSABLE if bad else 0


def _require_known(name: str, given: dict[str, Any]) -> None:
    known = datasets.find(name).OPTIONS
    for flag in given:
        if _FLAGS[flag].value == "":
            raise InputError(f"--{flag} is empty")
        if flag not in known:
            raise InputError(
                f"--{flag} does not apply to --dataset={name}, which takes"
                f" {', '.join('--' + o for o in sorted(known))}"
            )
    features = given.get("features", "log_mel")
    if features != "log_mel" and "payload_dtype" in given:
        raise InputError(
            "--payload_dtype is for --features=log_mel; a waveform is always stored as"
            " int16, embeddings as float32 or, with --pca, as uint8"
        )
    if features != "log_mel" and "front_end" in given:
        raise InputError(
            "--front_end is for --features=log_mel; a waveform is stored as it is, and"
            " embeddings have VGGish's front end"
        )
    for flag in ("vggish", "pca"):
        if flag in given and features != "embeddings":
            raise InputError(f"--{flag} is for --features=embeddings; add that")


def _folds(values: list[str]) -> tuple[int, ...]:
    if not values or not all(v.strip().isdigit() for v in values):
        raise InputError(f"--folds={','.join(values)}: expected numbers, such as 1,2,3")
    return tuple(sorted({int(v) for v in values}))


def _summary(results: list[Result]) -> list[str]:
    lines = []
    for result in results:
        if result.num_clips:
            done = "already complete, " if result.already_complete else ""
            lines.append(
                f"{result.folder}: {done}{result.num_clips} clips,"
                f" {result.num_shards} shard{'s' * (result.num_shards != 1)}"
            )
        for title, kinds in (
            ("LEFT OUT", set(result.left_out) - _NOTES),
            ("NOTE", set(result.left_out) & _NOTES),
        ):
            counts = {kind: result.left_out[kind] for kind in sorted(kinds)}
            if counts:
                text = ", ".join(f"{n} {kind}" for kind, n in counts.items())
                lines.append(
                    f"  {title} {sum(counts.values())} ({text}):"
                    f" {result.folder / 'manifest.csv'} says why"
                )
    train, test = (
        ",".join(str(r.folder) for r in results if r.num_clips and r.is_test is is_test)
        for is_test in (False, True)
    )
    lines.append(f"next: tfweak-train --data={train or 'DIR'} --out=RUN")
    if test:
        lines[-1] += f", then tfweak-evaluate --run=RUN --data={test}"
    return lines


if __name__ == "__main__":
    sys.exit(main())
