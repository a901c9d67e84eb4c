"""Keras callbacks: averaged weights, and scores of a whole data set after an epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..errors import InputError
from ..evaluation import metrics, tagging
from ..evaluation.answers import TaggedClips
from ..typing import Array
from . import losses


class WeightAverage(keras.callbacks.Callback):
    """A moving average of the weights, validated and kept in their stead.

    After each step: average += (1 - decay) * (weights - average), with a smaller decay
    in the first steps, min(decay, (1 + n) / (10 + n)). `swap` puts the averages in the
    place of the weights, and back.

    Args:
      decay: per step, in (0, 1).
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._averages: list[tf.Variable] = []
        self._steps = tf.Variable(0.0)
        self._update = tf.function(self._update_eagerly)

    def variables(self, model: keras.Model) -> list[tf.Variable]:
        """The averages and the count of steps, to be stored and put back."""
        if not self._averages:
            self._averages = [tf.Variable(v.value) for v in _averaged(model)]
        return [*self._averages, self._steps]

    def swap(self) -> None:
        """Exchanges the model's weights and the averages; twice changes nothing."""
        for variable, average in zip(_averaged(self.model), self._averages):
            value = tf.identity(variable.value)
            variable.assign(average)
            average.assign(value)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.variables(self.model)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._update()

    def _update_eagerly(self) -> None:
        steps = self._steps
        decay = tf.minimum(self._decay, (1.0 + steps) / (10.0 + steps))
        for variable, average in zip(_averaged(self.model), self._averages):
            average.assign_add((1.0 - decay) * (variable.value - average))
        steps.assign_add(1.0)


def _averaged(model: keras.Model) -> list[Any]:
    # weights and moving statistics; the states of random generators are integers
    return [v for v in model.weights if "float" in str(v.dtype)]


class ClipScores(keras.callbacks.Callback):
    """Scores a whole data set after each epoch and adds the results to the logs.

    mAP is no mean over batches, so the answers are gathered first. Adds `val_mAP`,
    `val_AUC` and `val_loss_pred`. Put it before callbacks that read them.

    Args:
      dataset: `(x, y)` batches.
      average: score its averaged weights instead of the model's own.
    """

    def __init__(
        self, dataset: tf.data.Dataset, average: WeightAverage | None = None
    ) -> None:
        super().__init__()
        self._dataset = dataset
        self._average = average

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._average:
            self._average.swap()
        weak, scores = clip_scores(self.model, self._dataset)
        if self._average:
            self._average.swap()
        names = [str(i) for i in range(weak.shape[1])]
        clips = TaggedClips(weak, scores, names)
        precision = metrics.mean_score(clips.by_class(tagging.average_precision))
        loss = float(np.mean(losses.prediction_loss(weak, scores)))
        if precision.overall is None:
            raise InputError(
                "no validation clip has a label, so no epoch can be called the best;"
                " validate on other clips"
            )
        if logs is not None:
            logs.update(
                val_mAP=precision.overall,
                val_AUC=metrics.mean_score(clips.areas).overall,
                val_loss_pred=loss,
            )


def clip_scores(model: keras.Model, dataset: tf.data.Dataset) -> tuple[Array, Array]:
    """Weak labels and clip probabilities of a data set, (N, C) each."""
    weak, scores = [], []
    for x, y in dataset:
        scores.append(np.asarray(model.predict_on_batch(x)["clip_probs"]))
        weak.append(np.asarray(y["weak"]))
    return np.concatenate(weak), np.concatenate(scores)
