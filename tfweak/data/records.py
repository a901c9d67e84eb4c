"""The TFRecord schema: one `tf.train.SequenceExample` a clip, and the folder around it.

The schema is a superset of the official AudioSet embedding shards, which are read
as they are. Context: `video_id` (bytes), `start_time_seconds`, `end_time_seconds`
(float), `labels` (int64 list), `has_strong` (int64, 0 or 1), `strong_labels` (int64
list) with `strong_onsets_seconds` and `strong_offsets_seconds` (float lists). One
payload: the feature list `audio_embedding` (a string of D values a row: bytes, or
float32 where they are raw), or the context bytes `log_mel` or `constant_q` (frames x
bins, row by row) or `waveform` (int16 PCM); all little endian.
`dataset_info.json` beside the shards says which payload and how it was made.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message as protobuf_message

from .. import atomic
from ..errors import InputError
from ..extractors.vggish import RELEASED_EMBEDDINGS
from ..labels import ClassList, Event, are_times
from ..payload import Payload
from ..typing import Array, StrPath
from . import documents
from .shard_files import ShardSummary

SCHEMA_VERSION = 1
INFO_NAME = "dataset_info.json"
SHARD_SUFFIX = ".tfrecord"
_INFO_TYPES: dict[str, Any] = {
    "name": str,
    "num_clips": (int, type(None)),
    "has_strong": bool,
    "source": dict,
}


@dataclasses.dataclass(frozen=True)
class Clip:
    """One example before it is written.

    Attributes:
      clip_id: unique in its dataset.
      labels: indices of the classes that the clip is tagged with; may be empty.
      payload: (T, D) uint8 or float32, (T, F) float16 or uint8, or (N,) int16.
      events: strong labels in seconds from the clip's start; None where the clip has
        none, an empty sequence where it is known that nothing happens.
      start_seconds, end_seconds: the clip's place in its source.
      note: what a manifest is to say of it; not stored.
    """

    clip_id: str
    labels: Sequence[int]
    payload: Array
    events: Sequence[Event] | None = None
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    note: str = ""


def encode(clip: Clip, payload: Payload) -> bytes:
    """The serialised `SequenceExample` of a clip.

    Raises:
      InputError: when the payload's shape, dtype or values do not fit its kind, or it
        is empty; an id that is none, or events that have impossible times.
    """
    values = np.asarray(clip.payload)
    where = f"clip {clip.clip_id!r}"
    if values.dtype != np.dtype(payload.dtype):
        raise InputError(
            f"{where}: payload is {values.dtype}, expected {payload.dtype}"
        )
    if values.ndim != (1 if payload.kind == "waveform" else 2):
        raise InputError(f"{where}: {payload.kind} of shape {values.shape}")
    if values.size == 0:
        raise InputError(f"{where}: the {payload.kind} is empty")
    _require_finite(values, payload, where)
    if not is_id(clip.clip_id.encode()):
        raise InputError(f"{where}: {NO_ID}")
    _require_times(clip.events or (), where)
    context = {
        "video_id": _bytes(clip.clip_id.encode()),
        "start_time_seconds": _floats([clip.start_seconds]),
        "end_time_seconds": _floats([clip.end_seconds]),
        "labels": _ints(clip.labels),
        "has_strong": _ints([clip.events is not None]),
    }
    if clip.events:
        context["strong_labels"] = _ints(e.label for e in clip.events)
        context["strong_onsets_seconds"] = _floats(e.onset_seconds for e in clip.events)
        context["strong_offsets_seconds"] = _floats(
            e.offset_seconds for e in clip.events
        )
    lists = {}
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    if payload.kind == "audio_embedding":
        if values.shape[1] != payload.row_size:
            raise InputError(
                f"{where}: embedding rows of {values.shape[1]} values,"
                f" expected {payload.row_size}"
            )
        lists["audio_embedding"] = tf.train.FeatureList(
            feature=[_bytes(row.tobytes()) for row in little]
        )
    else:
        context[payload.kind] = _bytes(np.ascontiguousarray(little).tobytes())
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString(deterministic=True)


def write_shard(path: StrPath, examples: Iterable[bytes]) -> int:
    """Writes one shard under a temporary name, then renames it; returns the count.

    A killed process leaves no file of the final name that is not whole.
    """
    count = 0
    with (
        atomic.replaced(path) as temporary,
        tf.io.TFRecordWriter(str(temporary)) as writer,
    ):
        for example in examples:
            writer.write(example)
            count += 1
    return count


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What `dataset_info.json` holds.

    Attributes:
      name: the dataset's name.
      payload: what is stored and how it was made.
      classes: the vocabulary, or None for shards without class names.
      num_clips: clips in the shards, or None where nobody counted (official shards).
      has_strong: whether any clip carries strong labels.
      shards: name -> what each shard holds; None where nobody noted it.
      source: free-form account of the source: paths, checksums, settings.
    """

    name: str
    payload: Payload
    classes: ClassList | None
    num_clips: int | None = None
    has_strong: bool = False
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shards: Mapping[str, ShardSummary] | None = None

    def write(self, folder: StrPath) -> None:
        """Writes `dataset_info.json` into `folder`; this marks the data as complete."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "num_clips": self.num_clips,
            "has_strong": self.has_strong,
            "payload": dataclasses.asdict(self.payload),
            "classes": None
            if self.classes is None
            else [
                {"mid": m, "name": n}
                for m, n in zip(self.classes.mids, self.classes.names)
            ],
            "source": dict(self.source),
        }
        if self.shards is not None:
            document["shards"] = {n: list(s[:3]) for n, s in self.shards.items()}
        documents.write(pathlib.Path(folder) / INFO_NAME, document)

    @classmethod
    def read(cls, folder: StrPath) -> DatasetInfo:
        """Reads `dataset_info.json`; official shards without one are recognised.

        Raises:
          InputError: no such folder, no shards, an unfinished preparation, or a
            document of another schema.
        """
        folder = pathlib.Path(folder)
        path = folder / INFO_NAME
        if not path.exists():
            shards(folder)
            if (folder / PROGRESS_NAME).exists():
                raise InputError(
                    f"{folder}: the preparation of this data has not"
                    " finished; run the same tfweak-prepare command again"
                )
            return cls("audioset_embeddings", RELEASED_EMBEDDINGS, None)
        document = documents.read(path, "prepare the data again")
        try:
            version = document["schema_version"]
            if version != SCHEMA_VERSION:
                raise InputError(
                    f"{path}: schema version {version}, this tfweak reads"
                    f" {SCHEMA_VERSION}; prepare the data again"
                )
            classes = document["classes"]
            shards_noted = document.get("shards")
            payload = Payload(**document["payload"])
            _ = payload.row_size  # which the parameters have to tell
            for name, kinds in _INFO_TYPES.items():
                if not isinstance(document[name], kinds):
                    raise TypeError(f"{name} is {document[name]!r}")
            return cls(
                name=document["name"],
                payload=payload,
                classes=None
                if classes is None
                else ClassList(
                    tuple(c["name"] for c in classes), tuple(c["mid"] for c in classes)
                ),
                num_clips=document["num_clips"],
                has_strong=document["has_strong"],
                source=document["source"],
                shards=None
                if shards_noted is None
                else {n: ShardSummary(*s) for n, s in shards_noted.items()},
            )
        except InputError as error:
            raise InputError(f"{path}: {str(error).replace(f'{path}: ', '')}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: not a dataset description of tfweak"
                f" ({type(error).__name__}: {error})"
            ) from error

    def require_shards(
        self, folder: StrPath, found: Mapping[str, ShardSummary]
    ) -> None:
        """Checks that the shards of a folder are those that were written.

        Args:
          folder: of the shards.
          found: name -> what each of its shards holds now.

        Raises:
          InputError: a shard was lost, added or changed.
        """
        mended = "fetch what is missing, or remove the folder and prepare it again"
        known = self.shards if self.shards is not None else found
        for names, what in (
            (known.keys() - found.keys(), "is missing"),
            (found.keys() - known.keys(), f"is not among those of {INFO_NAME}"),
            (
                {n for n in known.keys() & found.keys() if known[n] != found[n]},
                f"is not the one of {INFO_NAME}, or is broken",
            ),
        ):
            if names:
                more = f", with {len(names) - 1} more" if len(names) > 1 else ""
                raise InputError(
                    f"{folder}: the shard {min(names)} {what}{more}; {mended}"
                )
        count = sum(shard.num_records for shard in found.values())
        if self.num_clips not in (None, count):
            raise InputError(
                f"{folder}: its shards hold {count} clips, but {INFO_NAME} says"
                f" {self.num_clips}; {mended}"
            )


# While this folder stands beside the shards, the preparation has not finished.
PROGRESS_NAME = "_progress"


def shards(folder: StrPath) -> list[str]:
    """The sorted shard files of a folder.

    Raises:
      InputError: when the folder is missing or holds no `*.tfrecord` file.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of records")
    found = sorted(
        str(p)
        for p in folder.iterdir()
        if p.name.endswith(SHARD_SUFFIX) and p.is_file()
    )
    if not found:
        inner = sorted(p.name for p in folder.iterdir() if (p / INFO_NAME).exists())
        hint = f"; it has prepared folders inside: {', '.join(inner)}" if inner else ""
        raise InputError(f"{folder}: no *{SHARD_SUFFIX} files here{hint}")
    return found


def parse_clip(serialized: bytes, payload: Payload) -> Clip:
    """The inverse of `encode`, for a single record; reads official shards too.

    Raises:
      InputError: when the bytes are not such a record.
    """
    try:
        example = tf.train.SequenceExample.FromString(serialized)
    except protobuf_message.DecodeError as error:
        raise InputError(f"not a clip record ({error})") from error
    context = example.context.feature
    if "video_id" not in context:  # a map of protobuf makes keys when asked
        raise InputError("not a clip record (no video_id)")
    raw_id = _only(context["video_id"], "video_id", "not a clip record")
    clip_id = raw_id.decode(errors="replace")
    where = f"clip {clip_id!r}"

    def values_of(name: str, kind: str) -> Sequence[Any]:
        """Of a feature, which must be of that kind or not there."""
        if name not in context:
            return ()
        found = context[name].WhichOneof("kind")
        if found not in (None, kind):
            raise InputError(f"{where}: {name} is a {found}, expected a {kind}")
        return getattr(context[name], kind).value

    dtype = np.dtype(payload.dtype).newbyteorder("<")
    if payload.kind == "audio_embedding":
        rows = [
            _only(feature, f"embedding row {i}", where)
            for i, feature in enumerate(
                example.feature_lists.feature_list["audio_embedding"].feature
            )
        ]
        if not rows:
            raise InputError(f"{where}: no rows of audio_embedding")
        size = payload.row_size * dtype.itemsize
        for i, row in enumerate(rows):
            if len(row) != size:
                raise InputError(
                    f"{where}: embedding row {i} has {len(row)} bytes, expected {size}"
                )
        values = np.frombuffer(b"".join(rows), dtype).reshape(-1, payload.row_size)
    else:
        raw = _only(context[payload.kind], payload.kind, where)
        width = payload.row_size
        if not raw or len(raw) % (dtype.itemsize * width):
            raise InputError(
                f"{where}: {len(raw)} bytes of {payload.kind}, expected a multiple of"
                f" {dtype.itemsize * width}"
            )
        values = np.frombuffer(raw, dtype)
        if payload.kind != "waveform":
            values = values.reshape(-1, width)
    _require_finite(values, payload, where)
    if not is_id(raw_id):
        raise InputError(f"{where}: {NO_ID}")
    columns = (
        values_of("strong_labels", "int64_list"),
        values_of("strong_onsets_seconds", "float_list"),
        values_of("strong_offsets_seconds", "float_list"),
    )
    if len(set(map(len, columns))) > 1:
        raise InputError(f"{where}: {UNEVEN}")
    events = tuple(map(Event, *columns))
    _require_times(events, where)
    has_strong = values_of("has_strong", "int64_list")
    if len(has_strong) > 1:
        raise InputError(f"{where}: has_strong has {len(has_strong)} values")
    return Clip(
        clip_id,
        tuple(values_of("labels", "int64_list")),
        values,
        events if _first(has_strong, 0) > 0 else None,
        _first(values_of("start_time_seconds", "float_list"), 0.0),
        _first(values_of("end_time_seconds", "float_list"), 0.0),
    )


UNEVEN = "not as many strong labels as onsets and as offsets"
NO_ID = "the id is empty, or holds a tab, a line end or another control character"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


def is_id(clip_id: bytes) -> bool:
    """Whether a clip may be called that: something, and one line in each table."""
    return bool(clip_id) and not _CONTROL.search(clip_id)


def impossible_times(onset_seconds: float, offset_seconds: float) -> str:
    """Says that the times of an event are not as `labels.are_times` has them."""
    return (
        f"an event from {onset_seconds:g} to {offset_seconds:g} s; expected 0 <= onset"
        " <= offset"
    )


def _require_times(events: Sequence[Event], where: str) -> None:
    for _, onset, offset in events:
        if not are_times(onset, offset):
            raise InputError(f"{where}: {impossible_times(onset, offset)}")


def _require_finite(values: Array, payload: Payload, where: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{where}: the {payload.kind} holds NaN or infinity")


def _first(values: Sequence[Any], default: Any) -> Any:
    return values[0] if values else default


def _only(feature: tf.train.Feature, name: str, where: str) -> bytes:
    """The one string of a feature."""
    values = feature.bytes_list.value
    if len(values) != 1:
        raise InputError(f"{where}: {name} has {len(values)} strings, expected one")
    return values[0]


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _floats(values: Iterable[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=list(values)))


def _ints(values: Iterable[int]) -> tf.train.Feature:
    return tf.train.Feature(
        int64_list=tf.train.Int64List(value=[int(v) for v in values])
    )
