"""What a dataset is told: `Options`, whose fields are flags of tfweak-prepare."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from tfweak.audio import front_ends
from tfweak.errors import InputError
from tfweak.extractor import ExtractorOptions
from tfweak.labels import ClassList
from tfweak.settings import check, option, text_of


@dataclasses.dataclass(frozen=True)
class Options(ExtractorOptions):
    """What a dataset is told; each reads some of it.

    Raises:
      InputError: values out of range, or that contradict each other.
    """

    source: pathlib.Path | None = option(None, "The folder of source files.")
    seed: int = option(
        0, "Decides the order of the clips and every random draw.", lower=0
    )
    features: str = option(
        "log_mel",
        "What to store of a clip. embeddings are those of --extractor; a clip shorter"
        " than its window is padded to one row.",
        choices=["log_mel", "waveform", "embeddings"],
    )
    payload_dtype: str | None = option(
        None,
        "How log-mel values are stored; float16 if not given. uint8 is for"
        " --front_end=vggish alone.",
        choices=["float16", "uint8"],
    )
    front_end: str | None = option(
        None,
        "--features=log_mel: the front end of the model that the data is for; vggish if"
        " not given. All give log-mel but constant_q, which gives a constant-Q"
        " spectrum.",
        choices=list(front_ends.FRONT_ENDS),
    )
    tags: pathlib.Path | None = option(
        None,
        "folder: CSV or TSV with the columns filename and labels (several separated by"
        " commas or semicolons); if no table is given, those in --source are taken.",
    )
    events: pathlib.Path | None = option(
        None,
        "folder: CSV or TSV with the columns filename, onset, offset (in seconds) and"
        " event_label; a row without an event is a clip without events.",
    )
    classes: pathlib.Path | None = option(
        None,
        "folder, audioset_embeddings and the datasets by clip id: CSV of the classes,"
        " with the header index,mid,display_name; if not given, the labels that occur"
        " (the 17 of DCASE 2017 for its two datasets).",
    )
    folds: tuple[int, ...] = option(
        (),
        "esc, chime_home, soundscapes from ESC clips: the folds to use, such as 1,2,3;"
        " all if not given. chime_home counts them from 1 and writes the evaluation set"
        " too, whichever are chosen.",
    )
    profile: str | None = option(
        None,
        "soundscapes from built-in sounds: street (10 s; 15 classes of horns, sirens,"
        " engines and the like) or chime_like (4 s; the seven classes of CHiME-Home in"
        " a quiet home); street if not given.",
    )
    max_clip_seconds: float = option(
        900.0,
        "The longest audio file that is taken, for a clip is held in memory as a whole:"
        " 1.5 GB for 15 minutes in each worker.",
        lower=1,
    )
    keep_damaged: bool = option(
        False,
        "Audio that is cut short or damaged is taken as far as it can be read, and"
        " noted; otherwise it is left out. After a damaged place the audio may come"
        " too early for its event times.",
    )
    num_clips: int = option(1000, "soundscapes: how many scenes.", lower=1)
    clip_seconds: float | None = option(
        None,
        "soundscapes: the length of a scene; the profile's, or 10, if not given.",
        lower=1,
        upper=3600,
    )
    classes_per_scene: int | None = option(
        None,
        "soundscapes: a scene's events are of so many classes at most, so that classes"
        " come again; of any if not given.",
        lower=1,
    )
    weak_only_fraction: float = option(
        0.0,
        "soundscapes: the share of scenes that are stored without strong labels.",
        lower=0,
        upper=1,
    )
    labels: pathlib.Path | None = option(
        None, "the datasets by clip id: the label list."
    )
    label_kind: str | None = option(
        None,
        "dcase2017_task4: which ground truth --labels is.",
        choices=["weak", "strong"],
    )
    inaudible: str | None = option(
        None,
        "strong label lists: what a row with the times 0 0 (labelled in AudioSet, but"
        " not audible) leads to. tag: the clip keeps the tag, and its strong labels say"
        " that the class sounds nowhere. weak: it keeps the tag, and counts as having"
        " no strong labels. drop: the tag goes away, even if it is the only one."
        " exclude: the clip is left out. tag if not given; an audible event of the"
        " class outweighs the row.",
        choices=["tag", "weak", "drop", "exclude"],
    )
    other_segment: str | None = option(
        None,
        "the datasets by clip id: what to do with a clip whose audio or record is of"
        " another part of the video than the list means, so that the labels may not"
        " fit; in the manifest either way. keep if not given.",
        choices=["keep", "exclude"],
    )

    def __post_init__(self) -> None:
        check(self)
        if self.features != "log_mel" and self.payload_dtype is not None:
            raise InputError(
                "payload_dtype is for features=log_mel; a waveform is always stored as"
                " int16, embeddings as float32 or, with a PCA, as uint8"
            )
        if self.features != "log_mel" and self.front_end is not None:
            raise InputError(
                "front_end is for features=log_mel; a waveform is stored as it is, and"
                " embeddings have their extractor's"
            )
        for name in ("extractor", "extractor_settings", "vggish", "pca"):
            if self.features != "embeddings" and getattr(self, name):
                raise InputError(f"{name} is for features=embeddings; add that")

    def source_folder(self, what: str) -> pathlib.Path:
        """The source, which must be a folder.

        Args:
          what: is expected in it, for the message.

        Raises:
          InputError: not given, or no such folder.
        """
        if self.source is None:
            raise InputError(f"source is needed: {what}")
        if not self.source.is_dir():
            raise InputError(f"source={self.source}: no such folder; expected {what}")
        return self.source

    @property
    def limits(self) -> dict[str, Any]:
        """What decides which audio is taken, where it is not the default."""
        default = Options()
        return {
            name: getattr(self, name)
            for name in ("max_clip_seconds", "keep_damaged")
            if getattr(self, name) != getattr(default, name)
        }

    def class_list(self) -> ClassList | None:
        """The classes that were asked for.

        Raises:
          InputError: the file cannot be read as a list of classes.
        """
        return None if self.classes is None else ClassList.read_csv(self.classes)

    def label_list(self, what: str) -> pathlib.Path:
        """The label list, which must be a file; see `source_folder`."""
        if self.labels is None:
            raise InputError(f"labels is needed: {what}")
        if not self.labels.is_file():
            raise InputError(f"labels={self.labels}: no such file; expected {what}")
        return self.labels


Options.__doc__ = f"{Options.__doc__}\n{text_of(Options)}"
