"""Any SavedModel that takes waveforms and answers embeddings.

Its signature takes one of

  (N,)     a waveform: it answers a row for each window of it, as YAMNet does;
  (B, N)   windows, all of one length: it answers (B, D). B may be fixed at 1.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import option
from ._hub import HubExtractor

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class SavedModelExtractor(HubExtractor):
    """A SavedModel in a folder, or of a hub's handle: its `source`."""

    name = "savedmodel"

    sample_rate_hz: int = option(16000, "of the waveforms that it takes", lower=1)
    window_seconds: float = option(
        0.0,
        "that a row is made of; 0 reads it from a signature of fixed length",
        lower=0.0,
    )
    hop_seconds: float = option(0.0, "from row to row; 0 is the window's", lower=0.0)
    signature: str = option("serving_default", "what is called")
    output: str = option("", "which of its answers, where it has several")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.source:
            raise InputError(
                "extractor savedmodel: needs its folder, savedmodel:FOLDER"
            )
        if not self.window_seconds:
            samples = self._input.shape[-1]
            if samples is None:
                raise InputError(
                    f"{self.place}: signature {self.signature} takes waveforms of any"
                    " length; extractor savedmodel needs the setting window_seconds"
                )
            seconds = samples / self.sample_rate_hz
            object.__setattr__(self, "window_seconds", seconds)
        if not self.hop_seconds:
            object.__setattr__(self, "hop_seconds", self.window_seconds)

    def fingerprints(self) -> dict[str, Any]:
        """Of graph and weights, and what of the model is asked."""
        asked = {"signature": self.signature, "output": self._output}
        return {**super().fingerprints(), **asked}

    def embed_windows(self, waveform: tf.Tensor) -> tf.Tensor:
        """(N,) to (T, D)."""
        import tensorflow as tf

        if self._input.shape.rank == 1:
            return self._call(waveform)
        windows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
        if self._input.shape[0] is None:
            return self._call(windows)
        found = tf.map_fn(
            lambda window: self._call(window[tf.newaxis])[0],
            windows,
            fn_output_signature=tf.float32,
        )
        return tf.ensure_shape(found, [None, None])

    def _call(self, waveforms: tf.Tensor) -> tf.Tensor:
        return self._signature(**{self._input.name: waveforms})[self._output]

    @functools.cached_property
    def _signature(self) -> Any:
        there = list(getattr(self.module, "signatures", {}))
        if self.signature not in there:
            raise InputError(
                f"{self.place}: no signature {self.signature!r}; there are"
                f" {', '.join(there) or 'none'}"
            )
        return self.module.signatures[self.signature]

    @functools.cached_property
    def _input(self) -> Any:
        """The TensorSpec of the one input."""
        found = list(self._signature.structured_input_signature[1].values())
        if len(found) != 1 or found[0].shape.rank not in (1, 2):
            given = ", ".join(f"{spec.name} {spec.shape}" for spec in found)
            raise InputError(
                f"{self.place}: signature {self.signature} takes {given or 'nothing'};"
                " expected one waveform (N,) or windows (B, N)"
            )
        return found[0]

    @functools.cached_property
    def _output(self) -> str:
        there = list(self._signature.structured_outputs)
        name = self.output or (there[0] if len(there) == 1 else "")
        if name not in there:
            raise InputError(
                f"{self.place}: signature {self.signature} answers {', '.join(there)};"
                " say which with the setting output"
            )
        return name
