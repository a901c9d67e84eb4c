"""Small weak models and batches for them."""

from __future__ import annotations

import keras
import numpy as np

from tfweak.learning import (
    weak_model,
)
from tfweak.learning.supervision import Supervision
from tfweak.models.architecture import create

T, C = 6, 3


def network(pooling="attention", precision="float32", dropout=0.0):
    keras.utils.set_random_seed(1)
    architecture = create(
        "embedding_attention",
        C,
        pooling=pooling,
        hidden_units=8,
        hidden_layers=1,
        dropout=dropout,
        feature_units=0,
    )
    return architecture.build(precision)


def batch(clips=5):
    rng = np.random.default_rng(0)
    x = {
        "features": rng.integers(0, 255, (clips, T, 128)).astype(np.float32),
        "num_frames": np.array([T, 3, 1, T, 2][:clips], np.int32),
    }
    y = {
        "weak": (rng.random((clips, C)) < 0.5).astype(np.float32),
        "strong": (rng.random((clips, T, C)) < 0.5).astype(np.float32),
        "has_strong": np.array([True, False, True, False, False][:clips]),
    }
    return x, y


def model_of(kind, **settings):
    model = weak_model.WeakModel(network(), Supervision(kind, **settings))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def batch_of_ten():
    rng = np.random.default_rng(3)
    x = {
        "features": rng.integers(0, 255, (10, T, 128)).astype(np.float32),
        "num_frames": rng.integers(1, T + 1, 10).astype(np.int32),
    }
    y = {
        "weak": (rng.random((10, C)) < 0.5).astype(np.float32),
        "strong": (rng.random((10, T, C)) < 0.5).astype(np.float32),
        "has_strong": rng.random(10) < 0.5,
    }
    return x, y
