"""Keras's own files of our models: a run's `model.keras`, and what `save` wrote."""

from __future__ import annotations

import functools
import importlib
import pathlib
import pkgutil

import keras

from tfweak.errors import InputError
from tfweak.typing import StrPath

from ..architecture import ARCHITECTURES

# where the classes are that Keras finds by the name that they are registered under
ROOMS = (
    "tfweak.audio",
    "tfweak.learning",
    "tfweak.models.networks",
    "tfweak.models.architectures",
)


@functools.cache
def register() -> None:
    """Imports all classes of ours that a saved model may hold; Keras does not."""
    for room in ROOMS:
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__):
            importlib.import_module(f"{room}.{module.name}")


def load_model(path: StrPath) -> keras.Model:
    """`keras.saving.load_model` for models of ours, and of plugins.

    Args:
      path: a file `.keras`: that of a run, which holds the network, or one that
        `WeakModel.save` or `keras.callbacks.ModelCheckpoint` wrote.

    Returns:
      The model; a `WeakModel` that was compiled goes on with `fit` where it was.

    Raises:
      InputError: no such file.
      ValueError, TypeError: not a file of Keras's, or of classes that are not known.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a Keras model is needed, such as model.keras in the"
            " folder of a run"
        )
    register()
    ARCHITECTURES.names()  # imports plugins
    return keras.saving.load_model(path)
