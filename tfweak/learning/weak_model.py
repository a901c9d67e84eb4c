"""The Keras model whose `train_step` adds the attention losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from ..errors import InputError
from . import losses, pasting
from .pseudo_labels import PSEUDO_LABELS
from .supervision import Supervision

# what the names of random states in a saved model begin with
_RANDOM_STATE = "random_state_"


@keras.saving.register_keras_serializable(package="tfweak")
class WeakModel(keras.Model):
    """A network plus the losses that train it from weak, strong and pseudo labels.

    Works with `compile`, `fit`, `save` and Keras's callbacks as any Keras model does:

        model = WeakModel(network, Supervision("self"))
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        model.fit(dataset, epochs=5)
        model.save("model.keras")  # with the state of the optimizer
        model = tfweak.load_model("model.keras")

    Inputs are a dict of `features` (B, T_in, F) and `num_frames` (B,) valid rows, or
    the features alone where every row is valid. Labels are a dict of `weak` (B, C)
    and, for strong supervision, `strong` (B, T, C) on the network's own segments and
    `has_strong` (B,); or the weak labels alone. `sample_weight` (B,) weights clips, and
    what is pasted by the clip that it was cut from. Metrics given to `compile` compare
    the weak labels with `clip_probs`.

    A network that answers `head_probs` (B, H, C) has L_pred of each head, averaged. One
    that answers `present_cost` and `absent_cost` (B, C) is trained by
    `losses.micro_loss` too, with the weight of L_pred.

    Logged by name: `loss` (the total), `loss_pred`, and where they apply `loss_micro`,
    `loss_segments`, `loss_strong`, `loss_self` (all before their weight), with pseudo
    labels `pseudo_positive`, the mean P over the valid segments of present classes, and
    with pasting `loss_pasted`, L_pred of the clips that something was pasted into, and
    `pasted`, their share.

    Args:
      network: of an architecture; `models.architecture` describes the dict it answers.
      supervision: how the attention is supervised.
    """

    def __init__(
        self,
        network: keras.Model,
        supervision: Supervision | None = None,
        **kwargs: Any,
    ) -> None:
        # the network's own layers cast what they compute with
        kwargs = {"dtype": network.dtype_policy, "autocast": False, **kwargs}
        super().__init__(**kwargs)
        self.network = network
        self.supervision = supervision or Supervision()
        self._pastes = self.supervision.uses_pasting
        self._has_micro_loss = "present_cost" in network.output
        if (
            self.supervision.needs_attention
            and "attention_logits" not in network.output
        ):
            raise InputError(
                f"supervision {self.supervision.kind!r} needs a model with"
                " attention that can be supervised; this one has none"
            )
        names = ["loss_pred"]
        names += ["loss_micro"] if self._has_micro_loss else []
        names += ["loss_segments"] if self.supervision.segment_weight else []
        names += ["loss_strong"] if self.supervision.uses_strong else []
        if self.supervision.uses_pseudo_labels:
            names += ["loss_self", "pseudo_positive"]
        if self.supervision.uses_pasting:
            names += ["loss_self", "loss_pasted", "pasted"]
        self._terms = {name: keras.metrics.Mean(name=name) for name in names}
        if type(self) is WeakModel:  # a subclass may still add something
            self.build({name: given.shape for name, given in network.input.items()})

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "supervision": dataclasses.asdict(self.supervision),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> WeakModel:
        parts = dict(config)
        network = keras.saving.deserialize_keras_object(parts.pop("network"))
        # saved before there was a choice
        supervision = {"self_supervision": "pseudo_labels", **parts.pop("supervision")}
        return cls(network, Supervision(**supervision), **parts)

    def save_own_variables(self, store: Any) -> None:
        """Adds what Keras leaves out: where the random numbers of dropout are."""
        super().save_own_variables(store)
        for number, state in enumerate(self._random_states()):
            store[f"{_RANDOM_STATE}{number}"] = state.numpy()

    def load_own_variables(self, store: Any) -> None:
        names = set(store.keys())
        own = {name for name in names if not name.startswith(_RANDOM_STATE)}
        super().load_own_variables({name: store[name] for name in own})
        for number, state in enumerate(self._random_states()):
            if (name := f"{_RANDOM_STATE}{number}") in names:
                state.assign(store[name])

    def _random_states(self) -> list[Any]:
        weights = {id(weight) for weight in self.network.weights}
        return [v for v in self.network.variables if id(v) not in weights]

    @property
    def pastes(self) -> bool:
        """Whether it pastes by now.

        A model that has learnt nothing yet cuts anything; `False` before the first
        epochs spares it that, and the time. Of no effect without pasting.
        """
        return self._pastes

    @pastes.setter
    def pastes(self, wanted: bool) -> None:
        wanted = wanted and self.supervision.uses_pasting
        if wanted != self._pastes:
            self._pastes = wanted
            self.train_function = self.test_function = None  # traced anew

    def build(self, input_shape: Any) -> None:
        """Nothing is left to make: all variables are the network's."""

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        return self.network(as_inputs(inputs), training=training)

    def compute_terms(
        self,
        inputs: Any,
        labels: Any,
        outputs: Mapping[str, Any],
        training: bool = False,
    ) -> dict[str, Any]:
        """The loss terms of each clip, unweighted: what `train_step` adds up.

        Args:
          inputs, labels: a batch.
          outputs: of the network.
          training: how the network answers to clips that were pasted into.

        Returns:
          name -> (B,) float32, for the names that this model logs.
        """
        labels = labels if isinstance(labels, Mapping) else {"weak": labels}
        weak = ops.cast(labels["weak"], "float32")
        terms = {"loss_pred": _prediction_loss(weak, outputs)}
        mask = outputs["mask"]
        if self._has_micro_loss:
            terms["loss_micro"] = losses.micro_loss(
                weak, outputs["present_cost"], outputs["absent_cost"]
            )
        if self.supervision.needs_strong:
            if "strong" not in labels:
                raise InputError(
                    "supervision by strong labels, but the data gives none:"
                    " labels need 'strong' and 'has_strong'"
                )
            has_strong = ops.cast(labels["has_strong"], "float32")
        if self.supervision.segment_weight:
            terms["loss_segments"] = has_strong * losses.segment_loss(
                labels["strong"], outputs["segment_probs"], mask
            )

        def attention_loss(target_labels: Any) -> Any:
            return losses.attention_loss(
                target_labels,
                outputs["attention"],
                outputs["attention_logits"],
                mask,
                self.supervision.target,
            )

        if self.supervision.uses_strong:
            terms["loss_strong"] = attention_loss(labels["strong"]) * has_strong
        if self._pastes:
            terms |= self._pasted_terms(inputs, weak, outputs, training)
        if self.supervision.uses_pseudo_labels:
            rule = PSEUDO_LABELS.get(self.supervision.pseudo_labels)
            pseudo = rule.labels(outputs["segment_probs"], weak, mask)
            terms["loss_self"] = attention_loss(pseudo)
            possible = ops.sum(ops.cast(weak >= 0.5, "float32"), -1) * ops.sum(
                ops.cast(mask, "float32"), -1
            )
            terms["pseudo_positive"] = ops.sum(pseudo, axis=(1, 2)) / ops.maximum(
                possible, 1.0
            )
        return terms

    def _pasted_terms(
        self, inputs: Any, weak: Any, outputs: Mapping[str, Any], training: bool
    ) -> dict[str, Any]:
        x = as_inputs(inputs)
        step = self.optimizer.iterations if self.optimizer else 0
        seed = tf.stack([self.supervision.seed, tf.cast(step, tf.int32)])
        overlay = self.supervision.overlay
        made = pasting.paste(x["features"], weak, outputs, seed, overlay)
        rows = ops.take(x["num_frames"], made.into, axis=0)
        pasted = {"features": made.features, "num_frames": rows}
        answers = self(pasted, training=training)
        tags = _prediction_loss(made.weak, answers, made.judged)
        segments = losses.segment_loss(
            made.strong, answers["segment_probs"], answers["mask"], made.known
        )
        return {
            "loss_self": segments * made.found,
            "loss_pasted": tags * made.found,
            "pasted": made.found,
        }

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The scalar total: mean over clips of the terms, plus regularisers."""
        terms = self.compute_terms(x, y, y_pred, training)
        total = terms["loss_pred"]
        if self._pastes:
            total += terms["loss_pasted"]
        if self._has_micro_loss:
            total += terms["loss_micro"]
        total *= self.supervision.clip_weight
        if self.supervision.segment_weight:
            total += self.supervision.segment_weight * terms["loss_segments"]
        if self.supervision.uses_strong:
            total += self.supervision.strong_weight * terms["loss_strong"]
        if "loss_self" in terms:
            total += self.supervision.self_weight * terms["loss_self"]
        if sample_weight is not None:
            total *= ops.cast(sample_weight, "float32")
        for name, term in terms.items():
            self._terms[name].update_state(term, sample_weight)
        loss = ops.mean(total)
        for regulariser in self.losses:
            loss += ops.cast(regulariser, "float32")
        return loss

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step: one forward pass, the sum of the losses, one update."""
        x, y, sample_weight = _unpack(data)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight)
            # gradients are summed over the replicas
            scaled = self.optimizer.scale_loss(loss / replicas)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, [v.value for v in variables])
        self.optimizer.apply(gradients, variables)
        return self._log(loss, x, y, outputs, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = _unpack(data)
        outputs = self(x, training=False)
        loss = self.compute_loss(x, y, outputs, sample_weight, training=False)
        return self._log(loss, x, y, outputs, sample_weight)

    def _log(
        self, loss: Any, x: Any, y: Any, outputs: Mapping[str, Any], sample_weight: Any
    ) -> dict[str, Any]:
        clips = tf.shape(outputs["clip_probs"])[0]
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=clips)
        weak = y["weak"] if isinstance(y, Mapping) else y
        return self.compute_metrics(x, weak, outputs["clip_probs"], sample_weight)


def _prediction_loss(weak: Any, outputs: Mapping[str, Any], judged: Any = 1.0) -> Any:
    """L_pred; of several heads the mean, since one alone would lean on the others."""
    if "head_probs" not in outputs:
        return losses.prediction_loss(weak, outputs["clip_probs"], judged)
    heads = ops.unstack(outputs["head_probs"], axis=1)
    found = [losses.prediction_loss(weak, probs, judged) for probs in heads]
    return sum(found) / len(found)


def _unpack(data: Any) -> tuple[Any, Any, Any]:
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if isinstance(sample_weight, Mapping):  # `fit` on arrays repeats it for every label
        sample_weight = sample_weight["weak"]
    return x, y, sample_weight


def as_inputs(inputs: Any) -> dict[str, Any]:
    """A network's input dict; features alone count as valid in every row."""
    if isinstance(inputs, Mapping):
        return {"features": inputs["features"], "num_frames": inputs["num_frames"]}
    shape = ops.shape(inputs)
    return {
        "features": inputs,
        "num_frames": ops.broadcast_to(ops.cast(shape[1], "int32"), (shape[0],)),
    }
