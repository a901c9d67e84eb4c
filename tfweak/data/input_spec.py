"""What a model reads, and whether data holds it or can be made into it."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..audio import front_ends
from ..errors import InputError
from ..payload import Payload, difference
from ..typing import StrPath

NOT_THE_SAME = (
    "Embeddings computed today do not exactly reproduce the released ones, nor do two"
    " sets of weights give the same"
)


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """Rows of values at equal distances in time.

    Attributes:
      payload_kind: of the records that store such rows, see `payload.PAYLOAD_DTYPES`.
      size: values a row: F bins of a frame, or D values of an embedding.
      hop_seconds: from one row's start to the next one's.
      window_seconds: what a row is computed from.
      front_end: makes the rows of waveforms; None where they are embeddings.
      training_rows: training clips are padded or cut to so many; None pads each batch
        to its longest clip.
    """

    payload_kind: str
    size: int
    hop_seconds: float
    window_seconds: float
    front_end: front_ends.FrontEnd | None = None
    training_rows: int | None = None

    @classmethod
    def frames(cls, front_end: str, training_seconds: float | None = None) -> InputSpec:
        """Frames of a front end.

        Args:
          front_end: its name.
          training_seconds: training clips are padded or cut to so much.
        """
        found = front_ends.get(front_end)
        rows = None
        if training_seconds is not None:
            rows = found.num_frames(round(training_seconds * found.sample_rate_hz))
        return cls(
            found.kind,
            found.num_bins,
            found.hop_seconds,
            found.window_seconds,
            found,
            rows,
        )

    @classmethod
    def embeddings(
        cls, size: int, hop_seconds: float, window_seconds: float
    ) -> InputSpec:
        """Embeddings of an extractor."""
        return cls("audio_embedding", size, hop_seconds, window_seconds)

    @property
    def are_embeddings(self) -> bool:
        """Whether an extractor makes the rows, and no front end can."""
        return self.front_end is None

    @property
    def slot_offset_seconds(self) -> float:
        """Where the time begins that the first embedding stands for.

        That is a hop in the middle of its window. Where window and hop differ by less
        than a tenth it begins with the window, as AudioSet's 0.96 s do.
        """
        behind = self.window_seconds - self.hop_seconds
        return behind / 2 if behind > 0.1 * self.hop_seconds else 0.0

    def seconds(self, num_rows: int) -> float:
        """How long a clip of so many rows is.

        Frames overlap, so the last one adds its window; so do embeddings, but for
        windows that are hardly longer than their hop.
        """
        if self.front_end is None:
            return num_rows * self.hop_seconds + 2 * self.slot_offset_seconds
        return (num_rows - 1) * self.hop_seconds + self.window_seconds

    def check(self, payload: Payload, folder: StrPath) -> None:
        """Whether a model of this input can read data.

        Waveforms are read by every model with a front end: it runs in the input
        pipeline, where waveforms of another sample rate than its own are resampled.

        Args:
          payload: what the data holds.
          folder: of the data, for messages.

        Raises:
          InputError: saying what differs, and how to prepare the data.
        """
        front_end = self.front_end
        if payload.kind == "waveform" and front_end is not None:
            _require_rate(payload, folder)
            return
        advice = f", {front_ends.advice(front_end)}" if front_end else ""
        if payload.kind != self.payload_kind:
            raise InputError(
                f"{folder} holds {payload.kind}, the model reads {self.payload_kind};"
                f" choose another model or prepare the data for it{advice}"
            )
        if front_end is None:
            if payload.row_size != self.size:
                raise InputError(
                    f"{folder}: embeddings of {payload.row_size} values, the model"
                    f" reads {self.size}; choose the extractor that it was made for"
                )
            for name in ("hop_seconds", "window_seconds"):
                found = payload.parameters.get(name, getattr(self, name))
                if found != getattr(self, name):
                    raise InputError(
                        f"{folder}: embeddings whose {name} is {found:g}, the model's"
                        f" is {getattr(self, name):g}"
                    )
            return
        own = Payload(self.payload_kind, "float16", front_end.parameters())
        differs = difference(self.as_read(payload), own)
        if differs:
            raise InputError(
                f"{folder}: made with another front end than the model's: {differs};"
                f" choose another model or prepare the data again{advice}"
            )

    def check_same(self, trained_on: Payload, other: Payload, folder: StrPath) -> None:
        """Whether data is of the form that a model of this input was trained on.

        Args:
          trained_on: the payload of the training data.
          other: of the data in question.
          folder: where that is, for messages.

        Raises:
          InputError: saying what differs.
        """
        if other.kind == "waveform":
            _require_rate(other, folder)
        differs = difference(self.as_read(other), self.as_read(trained_on))
        if not differs:
            return
        why = f". {NOT_THE_SAME}"
        if self.front_end is not None:
            why = f"; prepare the data {front_ends.advice(self.front_end)}"
        raise InputError(f"{folder}: not made as the training data was: {differs}{why}")

    def as_read(self, payload: Payload) -> Payload:
        """What reaches the model of data: how a value was stored does not matter.

        Waveforms become the front end's features; embeddings stay what they are.
        """
        if payload.kind == "audio_embedding" or self.front_end is None:
            return payload
        if payload.kind == "waveform":
            return Payload(self.front_end.kind, "float16", self.front_end.parameters())
        parameters: dict[str, Any] = {
            key: value
            for key, value in payload.parameters.items()
            if not key.startswith("quantiser_")
        }
        return Payload(payload.kind, "float16", parameters)

    def resampling_note(self, payload: Payload) -> str | None:
        """What to tell who trains on waveforms of another rate than the model's."""
        if self.front_end is None or payload.kind != "waveform":
            return None
        rate = payload.parameters["sample_rate_hz"]
        wanted = self.front_end.sample_rate_hz
        if rate == wanted:
            return None
        advice = ""
        if rate < wanted:
            advice = (
                f"; what the sources have above {rate / 2:g} Hz is not in them, but in"
                f" data prepared {front_ends.advice(self.front_end)}"
            )
        return (
            f"waveforms of {rate} Hz are resampled to the model's {wanted} Hz{advice}"
        )


def _require_rate(payload: Payload, folder: StrPath) -> None:
    if not isinstance(payload.parameters.get("sample_rate_hz"), int):
        raise InputError(
            f"{folder}: holds waveforms, but dataset_info.json does not give their"
            " sample_rate_hz; prepare the data again"
        )
