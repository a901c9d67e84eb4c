"""VGGish weights: transplanted from stand-ins with the real names and shapes.

No model hub can be reached by a test, so they make a SavedModel and a checkpoint with
the published variable names, shapes and call signature, and random values.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfweak import features
from tfweak.errors import InputError
from tfweak.features_layer import LogMel
from tfweak.models import registry, weights


class StandIn(tf.Module):
    """What `hub.load` gives for VGGish: waveform (N,) -> (patches, 128)."""

    def __init__(self, scale=1.0, rename=False):
        super().__init__()
        rng = np.random.default_rng(0)
        self._variables, self._layers = [], {}
        for name, shape in weights.SHAPES.items():
            fan_in = float(np.prod(shape[:-1]))
            kernel = rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in)
            bias = rng.standard_normal(shape[-1:], np.float32) * 0.1
            prefix = f"other/{len(self._variables)}" if rename else f"vggish/{name}"
            pair = (
                tf.Variable(kernel.astype(np.float32), name=f"{prefix}/weights"),
                tf.Variable(bias, name=f"{prefix}/biases"),
            )
            self._variables += pair
            self._layers[name] = pair
        self._scale = scale
        self._front_end = LogMel()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        frames = self._front_end(waveform[tf.newaxis])["features"][0]
        count = tf.shape(frames)[0] // 96
        hidden = tf.reshape(frames[: count * 96], [count, 96, 64, 1]) * self._scale
        for name, pool in zip(
            weights.VGGISH_LAYERS.values(), (True, True, False, True, False, True)
        ):
            kernel, bias = self._layers[name]
            hidden = tf.nn.relu(tf.nn.conv2d(hidden, kernel, 1, "SAME") + bias)
            if pool:
                hidden = tf.nn.max_pool2d(hidden, 2, 2, "SAME")
        hidden = tf.reshape(hidden, [count, 12288])
        for name in ("fc1/fc1_1", "fc1/fc1_2"):
            kernel, bias = self._layers[name]
            hidden = tf.nn.relu(hidden @ kernel + bias)
        kernel, bias = self._layers["fc2"]
        return hidden @ kernel + bias


@pytest.fixture(scope="module")
def stand_in():
    return StandIn()


@pytest.fixture(scope="module")
def saved(stand_in, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "vggish"
    tf.saved_model.save(stand_in, str(folder))
    return folder


@pytest.fixture(scope="module")
def checkpoint(stand_in, tmp_path_factory):
    """A TF1 checkpoint, as vggish_model.ckpt is."""
    path = str(tmp_path_factory.mktemp("ckpt") / "vggish_model.ckpt")
    values = {v.name.split(":")[0]: v.numpy() for v in stand_in._variables}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [
            tf.compat.v1.get_variable(
                name, shape=value.shape, initializer=tf.zeros_initializer()
            )
            for name, value in values.items()
        ]
        for variable, value in zip(made, values.values()):
            variable.load(value, session)
        tf.compat.v1.train.Saver(made).save(session, path)
    return path


def architecture(**settings):
    return registry.create("attention_fcn", 3, **settings)


def assert_transplanted(network, stand_in):
    for layer, name in weights.VGGISH_LAYERS.items():
        kernel, bias = network.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, stand_in._layers[name][0].numpy())
        np.testing.assert_array_equal(bias, stand_in._layers[name][1].numpy())


def test_from_a_saved_model_under_mixed_precision(saved, stand_in, capsys):
    made = architecture()
    network = made.build("bfloat16")
    found = weights.initialise(network, made, f"hub:{saved}")
    assert found == ["L1", "L2", "L3", "L4", "L5", "L6"]
    assert_transplanted(network, stand_in)
    assert "VGGish's" in capsys.readouterr().out


def test_from_a_checkpoint(checkpoint, stand_in):
    made = architecture()
    network = made.build()
    weights.check(f"checkpoint:{checkpoint}", made)
    weights.initialise(network, made, f"checkpoint:{checkpoint}")
    assert_transplanted(network, stand_in)


def test_by_shape_where_the_names_are_others():
    other = StandIn(rename=True)
    made = architecture()
    network = made.build()
    arrays = weights._by_name_or_shape(
        {v.name: v.numpy() for v in other._variables}, "here"
    )
    for layer, name in weights.VGGISH_LAYERS.items():
        network.get_layer(layer).set_weights(arrays[name])
    assert_transplanted(network, other)


def test_a_source_that_computes_something_else_fails_the_proof(tmp_path):
    tf.saved_model.save(StandIn(scale=1.5), str(tmp_path / "wrong"))
    made = architecture()
    with pytest.raises(InputError, match="differ by up to"):
        weights.initialise(made.build(), made, f"hub:{tmp_path / 'wrong'}")


def test_what_is_no_vggish(tmp_path):
    module = tf.Module()
    module._variables = [tf.Variable(tf.zeros((3, 3)), name="x")]
    tf.saved_model.save(module, str(tmp_path / "other"))
    made = architecture()
    with pytest.raises(InputError, match="no VGGish"):
        weights.initialise(made.build(), made, f"hub:{tmp_path / 'other'}")


def test_offline_advice(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(weights.time, "sleep", lambda seconds: None)
    made = architecture()
    with pytest.raises(InputError, match="go on offline.*TFHUB_CACHE_DIR"):
        weights.initialise(
            made.build(), made, "hub:https://localhost:9/google/vggish/1"
        )
    with pytest.raises(InputError, match="/nowhere"):
        weights.initialise(made.build(), made, "hub:/nowhere")


def test_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="width 0.5"):
        weights.check("hub", architecture(width=0.5))
    with pytest.raises(InputError, match="no checkpoint there"):
        weights.check(f"checkpoint:{tmp_path}/x.ckpt", architecture())
    assert features.LogMelConfig().num_mel_bins == 64
