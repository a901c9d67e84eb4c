"""Averaged weights, and scores after an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from weak_models import batch, model_of

from tfweak.data import pipelines, sources
from tfweak.learning import (
    callbacks,
)


def test_weight_average_is_the_recurrence_and_swaps_back():
    x, y = batch()
    model = model_of("none")
    average = callbacks.WeightAverage(0.5)
    average.set_model(model)
    layer = model.network.get_layer("L8-a").bias
    expected = layer.numpy()
    average.on_train_begin()
    for step in range(4):
        model.train_on_batch(x, y)
        average.on_train_batch_end(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.numpy()
    own = layer.numpy()
    average.swap()
    np.testing.assert_allclose(layer.numpy(), expected, atol=1e-6)
    average.swap()
    np.testing.assert_array_equal(layer.numpy(), own)


def test_clip_scores_adds_the_exact_mean_average_precision(embeddings):
    data = sources.open_data([embeddings])
    batches = pipelines.evaluation_batches(data, pipelines.InputConfig(16))
    model = model_of("none")
    logs = {}
    callback = callbacks.ClipScores(batches)
    callback.set_model(model)
    callback.on_epoch_end(0, logs)
    from sklearn.metrics import average_precision_score

    weak, scores = callbacks.clip_scores(model, batches)
    assert logs["val_mAP"] == pytest.approx(
        average_precision_score(weak, scores, average="macro"), abs=1e-9
    )
    assert len(weak) == len(data)
