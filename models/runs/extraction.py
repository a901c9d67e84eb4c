"""Which extractor makes of audio the embeddings that a run reads."""

from __future__ import annotations

import logging

from tfweak.data.input_spec import NOT_THE_SAME
from tfweak.errors import InputError
from tfweak.extractor import Extractor, create_extractor
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.extractors.vggish.pca import PUBLISHED
from tfweak.payload import Payload, difference

from . import run_folder

_log = logging.getLogger(__name__)


def extractor_of(
    run: run_folder.TrainedModel, asked_for: Extractor | None = None
) -> Extractor:
    """What makes the embeddings of audio that a run reads.

    Args:
      run: a trained model on embeddings.
      asked_for: another extractor than the one of the training data.

    Raises:
      InputError: the run does not read embeddings, the extractor cannot be loaded, or
        the run was not trained on its embeddings.
    """
    spec, made_by = run.architecture.input, run.payload.made_by
    if not spec.are_embeddings:
        raise InputError(
            f"extractor: is for a model on embeddings; that of {run.folder} reads"
            f" {spec.payload_kind}, leave it out"
        )
    if asked_for is not None:
        extractor = asked_for
    elif _is_released(run.payload):
        extractor = create_extractor("vggish", {"pca": PUBLISHED})
    elif made_by:
        extractor = create_extractor(made_by["extractor"], made_by["settings"])
    else:
        raise InputError(
            f"{run.folder}: its data does not tell what made the embeddings; give the"
            " extractor"
        )
    check_extractor(run.payload, extractor.payload)
    return extractor


def check_extractor(trained_on: Payload, extracted: Payload) -> None:
    """Whether a model can read the embeddings that an extractor makes today.

    AudioSet's released embeddings were made by weights that nobody has any more; those
    of VGGish and its PCA come near, and are read with a note.

    Args:
      trained_on: the payload of the model's training data.
      extracted: the extractor's.

    Raises:
      InputError: saying what differs, or what to add.
    """
    if trained_on == extracted:
        return
    if not _is_released(trained_on) or extracted.parameters["extractor"] != "vggish":
        differs = difference(extracted, trained_on)
        raise InputError(
            f"not the extractor of the training data: {differs}; give the one that the"
            " data was prepared with"
        )
    if extracted.dtype != trained_on.dtype:
        raise InputError(
            "the run was trained on AudioSet's released embeddings, which went through"
            " a PCA and are bytes: add pca=vggish_pca_params.npz"
        )
    _log.info(
        "note: the run was trained on AudioSet's released embeddings. %s; how much of"
        " its accuracy is left on those was never measured",
        NOT_THE_SAME,
    )


def _is_released(payload: Payload) -> bool:
    name = RELEASED_EMBEDDINGS.parameters["extractor"]
    return payload.parameters.get("extractor") == name
