"""Whether data and model, or data and data, go together; and if not, why."""

from __future__ import annotations

import os

from tfweak import features, records, sources
from tfweak.errors import InputError

# AudioSet's embeddings as released: bytes of an extractor that nobody has any more.
RELEASED_EXTRACTOR = records.OFFICIAL_EMBEDDINGS.parameters["extractor"]
_NOT_THE_SAME = (
    "Embeddings computed today do not exactly reproduce the released ones, nor do two"
    " sets of weights give the same"
)


def check_model(
    payload_kind: str,
    payload: records.Payload,
    folder: str | os.PathLike,
    rescaling: str | None = None,
) -> None:
    """Whether a model that reads `payload_kind` can read this payload.

    A log-mel model reads waveforms too: the front end runs in the input pipeline.

    Args:
      payload_kind: what the model reads.
      payload: what the data holds.
      folder: of the data, for messages.
      rescaling: the model's setting of that name, which must fit the dtype of
        embeddings; None for a model without one.

    Raises:
      InputError: saying what differs.
    """
    if payload_kind == "audio_embedding" and payload.kind == "audio_embedding":
        _check_rescaling(payload, folder, rescaling)
        return
    if payload_kind == "log_mel" and payload.kind != "audio_embedding":
        own = records.Payload(
            "log_mel", "float16", features.LogMelConfig().parameters()
        )
        differs = sources.difference(front_end(payload), front_end(own))
        if differs:
            raise InputError(
                f"{folder}: made with another front end than the model's:"
                f" {differs}; prepare the data again"
            )
        return
    raise InputError(
        f"{folder} holds {payload.kind}, the model reads {payload_kind};"
        " choose another --model or prepare the data for it"
    )


def check_data(
    trained_on: records.Payload, other: records.Payload, folder: str | os.PathLike
) -> None:
    """Whether data is of the form that a model was trained on.

    Raises:
      InputError: saying what differs.
    """
    differs = sources.difference(front_end(other), front_end(trained_on))
    if not differs:
        return
    kinds = {trained_on.kind, other.kind}
    why = f". {_NOT_THE_SAME}" if kinds == {"audio_embedding"} else ""
    raise InputError(f"{folder}: not made as the training data was: {differs}{why}")


def check_extractor(
    trained_on: records.Payload, extracted: records.Payload, mix_extractors: bool
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
        differs = sources.difference(extracted, trained_on)
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


def _check_rescaling(
    payload: records.Payload, folder: str | os.PathLike, rescaling: str | None
) -> None:
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


def front_end(payload: records.Payload) -> records.Payload:
    """What reaches the model: how a log-mel value was stored does not matter."""
    if payload.kind == "audio_embedding":
        return payload
    if payload.kind == "waveform":
        own = features.LogMelConfig().parameters()
        return records.Payload("log_mel", "float16", {**own, **payload.parameters})
    known = features.LogMelConfig().parameters()
    return records.Payload(
        "log_mel",
        "float16",
        {key: value for key, value in payload.parameters.items() if key in known},
    )
