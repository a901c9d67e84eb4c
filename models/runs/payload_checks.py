"""Whether data and model, or data and data, go together; and if not, why."""

from __future__ import annotations

from tfweak.audio import front_ends
from tfweak.errors import InputError
from tfweak.payload import OFFICIAL_EMBEDDINGS, Payload, difference
from tfweak.typing import StrPath

# AudioSet's embeddings as released: bytes of an extractor that nobody has any more.
RELEASED_EXTRACTOR = OFFICIAL_EMBEDDINGS.parameters["extractor"]
_NOT_THE_SAME = (
    "Embeddings computed today do not exactly reproduce the released ones, nor do two"
    " sets of weights give the same"
)


def check_model(
    payload_kind: str,
    payload: Payload,
    folder: StrPath,
    rescaling: str | None = None,
    front_end: front_ends.FrontEnd | None = None,
) -> None:
    """Whether a model that reads `payload_kind` can read this payload.

    A model with a front end reads waveforms too: it runs in the input pipeline, where
    waveforms of another sample rate than the front end's are resampled.

    Args:
      payload_kind: what the model reads.
      payload: what the data holds.
      folder: of the data, for messages.
      rescaling: the model's setting of that name, which must fit the dtype of
        embeddings; None for a model without one.
      front_end: the model's; VGGish's where None, and of no meaning for embeddings.

    Raises:
      InputError: saying what differs.
    """
    if payload_kind == "audio_embedding" and payload.kind == "audio_embedding":
        _check_rescaling(payload, folder, rescaling)
        return
    advice = ""
    if payload_kind != "audio_embedding":
        front_end = front_end or front_ends.get(front_ends.DEFAULT)
        advice = f", with {front_ends.prepare_flags(front_end)}"
        if payload.kind == "waveform":
            _require_rate(payload, folder)
            return
        if payload.kind == payload_kind:
            own = Payload(payload_kind, "float16", front_end.parameters())
            differs = difference(as_read(payload, front_end), own)
            if differs:
                raise InputError(
                    f"{folder}: made with another front end than the model's:"
                    f" {differs}; choose another model or prepare the data"
                    f" again{advice}"
                )
            return
    raise InputError(
        f"{folder} holds {payload.kind}, the model reads {payload_kind};"
        f" choose another model or prepare the data for it{advice}"
    )


def check_data(
    trained_on: Payload,
    other: Payload,
    folder: StrPath,
    front_end: front_ends.FrontEnd | None = None,
) -> None:
    """Whether data is of the form that a model was trained on.

    Args:
      trained_on: the payload of the training data.
      other: of the data in question.
      folder: where that is, for messages.
      front_end: the model's; VGGish's where None, and of no meaning for embeddings.

    Raises:
      InputError: saying what differs.
    """
    front_end = front_end or front_ends.get(front_ends.DEFAULT)
    if other.kind == "waveform":
        _require_rate(other, folder)
    differs = difference(as_read(other, front_end), as_read(trained_on, front_end))
    if not differs:
        return
    kinds = {trained_on.kind, other.kind}
    why = f". {_NOT_THE_SAME}" if kinds == {"audio_embedding"} else ""
    if "audio_embedding" not in kinds:
        why = f"; prepare the data with {front_ends.prepare_flags(front_end)}"
    raise InputError(f"{folder}: not made as the training data was: {differs}{why}")


def check_extractor(
    trained_on: Payload, extracted: Payload, mix_extractors: bool
) -> None:
    """Whether a model can read the embeddings that an extractor makes today.

    Args:
      trained_on: the payload of the model's training data.
      extracted: the extractor's.
      mix_extractors: allow a model that was trained on AudioSet's released embeddings.

    Raises:
      InputError: saying what differs, or what to add.
    """
    if trained_on == extracted:
        return
    if trained_on.parameters.get("extractor") != RELEASED_EXTRACTOR:
        differs = difference(extracted, trained_on)
        raise InputError(
            f"--vggish, --pca: not the extractor of the training data: {differs}."
            " Give the same --vggish and --pca as to tfweak-prepare"
        )
    if extracted.dtype != trained_on.dtype:
        raise InputError(
            "the run was trained on AudioSet's released embeddings, which went through"
            " a PCA and are bytes: add --pca=vggish_pca_params.npz"
        )
    if not mix_extractors:
        raise InputError(
            "the run was trained on AudioSet's released embeddings. "
            + _NOT_THE_SAME
            + "; add --mix_extractors to use them all the same"
        )


def _check_rescaling(payload: Payload, folder: StrPath, rescaling: str | None) -> None:
    if rescaling is None:
        return
    if payload.dtype == "float32" and rescaling != "none":
        raise InputError(
            f"{folder}: holds raw embeddings (float32), rescaling={rescaling} is for"
            " bytes; give --set=rescaling=none"
        )
    if payload.dtype != "float32" and rescaling == "none":
        raise InputError(
            f"{folder}: holds embeddings as bytes, rescaling=none is for raw ones"
            " (float32); give --set=rescaling=centred or --set=rescaling=dequantised"
        )


def _require_rate(payload: Payload, folder: StrPath) -> None:
    if not isinstance(payload.parameters.get("sample_rate_hz"), int):
        raise InputError(
            f"{folder}: holds waveforms, but dataset_info.json does not give their"
            " sample_rate_hz; prepare the data again"
        )


def resampling_note(
    payload: Payload, front_end: front_ends.FrontEnd | None
) -> str | None:
    """What to tell who trains on waveforms of another rate than the model's, if so."""
    if front_end is None or payload.kind != "waveform":
        return None
    rate, wanted = payload.parameters["sample_rate_hz"], front_end.sample_rate_hz
    if rate == wanted:
        return None
    advice = ""
    if rate < wanted:
        advice = (
            f"; what the sources have above {rate / 2:g} Hz is not in them, but in data"
            f" prepared with {front_ends.prepare_flags(front_end)}"
        )
    return f"waveforms of {rate} Hz are resampled to the model's {wanted} Hz{advice}"


def as_read(payload: Payload, front_end: front_ends.FrontEnd) -> Payload:
    """What reaches a model with this front end: how a value was stored does not matter.

    Waveforms become the front end's features; embeddings stay what they are.
    """
    if payload.kind == "audio_embedding":
        return payload
    if payload.kind == "waveform":
        return Payload(front_end.kind, "float16", front_end.parameters())
    return Payload(
        payload.kind,
        "float16",
        {
            key: value
            for key, value in payload.parameters.items()
            if not key.startswith("quantiser_")
        },
    )
