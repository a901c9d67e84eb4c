"""What makes embeddings of waveforms, and all extractors by name.

A new trunk is one file in `tfweak/extractors/`, whose name is the extractor's, or a
class of your own with `@tfweak.register`:

    @dataclasses.dataclass(frozen=True)
    class Loudness(tfweak.Extractor):
        name = "loudness"
        sample_rate_hz = 8000
        window_seconds = 1.0
        hop_seconds = 0.5
        embedding_size = 1

        def embed_windows(self, waveform):
            windows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
            return tf.math.reduce_std(windows, axis=1, keepdims=True)

`tfweak-prepare --features=embeddings --extractor=loudness` extracts with it,
`tfweak-predict` and `tfweak-export` of a run on its embeddings take audio by it.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .errors import InputError
from .payload import Payload
from .registry import Registry
from .settings import check, from_text, option, split_settings
from .typing import Array

if TYPE_CHECKING:
    import tensorflow as tf

# of audio that is embedded at once
BLOCK_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Extractor(abc.ABC):
    """A trunk, by its settings; the weights are loaded where they are first needed.

    Row t of the embeddings is computed from `window_seconds` that begin at
    t * `hop_seconds`, and from nothing else: a slice that begins on the grid of hops
    has the rows of the whole.

    A subclass is a frozen dataclass, whose fields are its settings, best made by
    `settings.option`. It has the attributes below and `embed_windows`, or `embed` where
    it does not compute in TensorFlow; then it cannot be exported with a model.

    Attributes:
      name: what `create_extractor` and the commands take.
      sample_rate_hz: of the waveforms.
      window_seconds, hop_seconds: of a row.
      embedding_size: D.
      dtype: of the values, `float32` or `uint8`.
    """

    kind: ClassVar[str] = "extractor"
    name: ClassVar[str]

    source: str = option("", "where the weights are; the published place if empty")

    def __post_init__(self) -> None:
        check(self)

    @property
    @abc.abstractmethod
    def sample_rate_hz(self) -> int:
        """Rate of the waveforms."""

    @property
    @abc.abstractmethod
    def window_seconds(self) -> float:
        """What a row is computed from."""

    @property
    @abc.abstractmethod
    def hop_seconds(self) -> float:
        """From one row's start to the next one's."""

    @property
    @abc.abstractmethod
    def embedding_size(self) -> int:
        """D, values of a row."""

    @property
    def dtype(self) -> str:
        """Of the values, `float32` or `uint8`."""
        return "float32"

    @property
    def window_samples(self) -> int:
        """The window, in samples."""
        return round(self.window_seconds * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """The hop, in samples."""
        return round(self.hop_seconds * self.sample_rate_hz)

    def num_rows(self, num_samples: int) -> int:
        """T of a waveform: its whole windows, 1 at least."""
        return 1 + max(0, num_samples - self.window_samples) // self.hop_samples

    def embed_windows(self, waveform: tf.Tensor) -> tf.Tensor:
        """The embeddings of whole windows, by TensorFlow's operations.

        Args:
          waveform: (window_samples + (T - 1) * hop_samples,) float32.

        Returns:
          (T, D) float32.
        """
        raise InputError(
            f"extractor {self.name} does not compute in TensorFlow (it has no"
            " embed_windows), so that no SavedModel can hold it"
        )

    @property
    def trackables(self) -> list[Any]:
        """What of TensorFlow a SavedModel with `embed_windows` has to hold."""
        return []

    def embed(self, waveform: Array) -> Array:
        """The embeddings of a waveform.

        Args:
          waveform: (N,) float32 at `sample_rate_hz`. One shorter than a window is
            padded with zeros to it, so that short clips are not lost.

        Returns:
          (T, D) of `dtype`, T = `num_rows(N)`. Samples after the last whole window
          count nowhere.
        """
        import tensorflow as tf

        waveform = np.asarray(waveform, np.float32)
        count = self.num_rows(len(waveform))
        missing = max(0, self.window_samples - len(waveform))
        waveform = np.pad(waveform, (0, missing))
        block = max(1, int(BLOCK_SECONDS / self.hop_seconds))
        rows = []
        for first in range(0, count, block):
            last = min(first + block, count) - 1
            end = last * self.hop_samples + self.window_samples
            part = tf.constant(waveform[first * self.hop_samples : end])
            rows.append(self._function(part).numpy())
        return np.concatenate(rows).astype(self.dtype, copy=False)

    @functools.cached_property
    def _function(self) -> Callable[[tf.Tensor], tf.Tensor]:
        import tensorflow as tf

        spec = tf.TensorSpec([None], tf.float32)
        return tf.function(self.embed_windows, input_signature=[spec])

    def fingerprints(self) -> dict[str, Any]:
        """All that tells embeddings of other weights apart, as JSON types."""
        return {}

    @property
    def payload(self) -> Payload:
        """Of the records that hold its embeddings.

        Two extractors of equal payload make equal embeddings.
        """
        settings = {k: _absolute(v) for k, v in dataclasses.asdict(self).items()}
        return Payload(
            "audio_embedding",
            self.dtype,
            {
                "extractor": self.name,
                "sample_rate_hz": self.sample_rate_hz,
                "embedding_size": self.embedding_size,
                "hop_seconds": self.hop_seconds,
                "window_seconds": self.window_seconds,
                **self.fingerprints(),
            },
            {"extractor": self.name, "settings": settings},
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """By name and settings: a worker has to import plugins, and loads the rest."""
        return create_extractor, (self.name, dataclasses.asdict(self))


def _absolute(value: Any) -> Any:
    """A setting; a path in it, which `kind:` may precede, from the root on."""
    if not isinstance(value, str):
        return value
    kind, colon, path = value.rpartition(":")
    exists = path and pathlib.Path(path).exists()
    return f"{kind}{colon}{pathlib.Path(path).resolve()}" if exists else value


EXTRACTORS: Registry[type[Extractor]] = Registry(Extractor, "tfweak.extractors")


def create_extractor(name: str, settings: Mapping[str, Any] | None = None) -> Extractor:
    """An extractor by name.

    Args:
      name: one of `EXTRACTORS.names()`, or `NAME:SOURCE`.
      settings: its fields; strings are converted to the field's type.

    Raises:
      InputError: an unknown name or setting, or a value that does not fit.
    """
    name, _, source = name.partition(":")
    cls = EXTRACTORS.get(name)
    given = {**({"source": source} if source else {}), **(settings or {})}
    return cls(**from_text(cls, given, f"extractor {name}"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractorOptions:
    """What every command is told that extracts embeddings."""

    extractor: str | None = option(
        None,
        "NAME or NAME:SOURCE of what makes embeddings of audio: vggish, yamnet, perch,"
        " savedmodel:FOLDER, or one of your own. A source is a hub's handle or the"
        " folder of a SavedModel, which is a program: see --trusted_graphs. If not"
        " given, that of the training data, or vggish where data is prepared.",
    )
    extractor_settings: tuple[str, ...] = option(
        (), "settings of --extractor as name=value, such as hop_seconds=1"
    )
    vggish: str | None = option(
        None,
        "short for --extractor=vggish:SOURCE: hub, hub:HANDLE_OR_PATH (a local"
        " SavedModel) or checkpoint:PATH (vggish_model.ckpt)",
    )
    pca: str | None = option(
        None,
        "short for --extractor_settings=pca=PATH: vggish_pca_params.npz, published with"
        " VGGish, to store 128 bytes a row as AudioSet's released embeddings are; raw"
        " float32 if not given",
    )

    def chosen_extractor(self) -> Extractor | None:
        """What is asked for, without its weights; None where nothing is.

        Raises:
          InputError: one that there is not, or settings that do not fit.
        """
        if self.extractor is not None and self.vggish is not None:
            raise InputError("extractor and vggish name two extractors; leave one out")
        given = split_settings(self.extractor_settings, "extractor_settings")
        if self.pca is not None:
            given["pca"] = self.pca
        if self.vggish is not None:
            return create_extractor(f"vggish:{self.vggish}", given)
        if self.extractor is None and not given:
            return None
        return create_extractor(self.extractor or "vggish", given)


@functools.lru_cache(maxsize=2)
def loaded_once(extractor: Extractor) -> Extractor:
    """The first of equal extractors in this process, whose weights are loaded."""
    return extractor
