"""Whether data and model, or data and data, go together; and if not, why."""

from __future__ import annotations

import os

from tfweak import features, records, sources
from tfweak.errors import InputError


def check_model(
    payload_kind: str, payload: records.Payload, folder: str | os.PathLike
) -> None:
    """Whether a model that reads `payload_kind` can read this payload.

    A log-mel model reads waveforms too: the front end runs in the input pipeline.

    Raises:
      InputError: saying what differs.
    """
    if payload_kind == "audio_embedding" and payload.kind == "audio_embedding":
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
    if differs:
        raise InputError(f"{folder}: not made as the training data was: {differs}")


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
