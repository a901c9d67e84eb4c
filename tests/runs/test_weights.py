"""VGGish weights: transplanted from stand-ins with the real names and shapes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from made import VggishStandIn, write_vggish_checkpoint

from tfweak.audio import mel_spectrum
from tfweak.errors import InputError
from tfweak.extractors import _hub
from tfweak.extractors.vggish import network as vggish_network
from tfweak.models.architecture import create
from tfweak.models.runs import weights


def architecture(**settings):
    return create("attention_fcn", 3, **settings)


def assert_transplanted(network, stand_in):
    for layer, name in architecture().vggish_layers.items():
        kernel, bias = network.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, stand_in.arrays(name)[0])
        np.testing.assert_array_equal(bias, stand_in.arrays(name)[1])


def test_from_a_saved_model_under_mixed_precision(
    vggish_saved, vggish_stand_in, logged
):
    made = architecture()
    network = made.build("bfloat16")
    found = weights.initialise(network, made, f"hub:{vggish_saved}")
    assert found == ["L1", "L2", "L3", "L4", "L5", "L6"]
    assert_transplanted(network, vggish_stand_in)
    assert "VGGish's" in logged.text


def test_from_a_checkpoint(vggish_checkpoint, vggish_stand_in):
    made = architecture()
    network = made.build()
    weights.check(f"checkpoint:{vggish_checkpoint}", made)
    weights.initialise(network, made, f"checkpoint:{vggish_checkpoint}")
    assert_transplanted(network, vggish_stand_in)


def test_the_transplant_from_a_checkpoint_is_proved(vggish_checkpoint, monkeypatch):
    embed = vggish_network.Vggish.embed
    monkeypatch.setattr(
        vggish_network.Vggish,
        "embed",
        lambda self, waveform: embed(self, waveform) + 0.001,
    )
    made = architecture()
    with pytest.raises(InputError, match="differ by up to 0.001"):
        weights.initialise(made.build(), made, f"checkpoint:{vggish_checkpoint}")


def test_by_shape_where_the_names_are_others(vggish_stand_in, tmp_path):
    arrays = {
        name.replace("vggish", "other").replace("/fc", "/dense"): value
        for name, value in vggish_stand_in.named_arrays().items()
    }
    path = tmp_path / "renamed.ckpt"
    write_vggish_checkpoint(path, arrays, version=2)
    made = architecture()
    network = made.build()
    weights.check(f"checkpoint:{path}", made)
    weights.initialise(network, made, f"checkpoint:{path}")
    assert_transplanted(network, vggish_stand_in)


def test_by_shape_and_order_where_names_say_nothing(vggish_stand_in):
    plain = {
        f"v{i}": value
        for i, value in enumerate(vggish_stand_in.named_arrays().values())
    }
    found = vggish_network._by_name_or_shape(plain, "here")
    for name in vggish_network.SHAPES:
        for one, other in zip(found[name], vggish_stand_in.arrays(name)):
            np.testing.assert_array_equal(one, other)


def test_a_source_that_computes_something_else_fails_the_proof(
    vggish_stand_in, tmp_path
):
    wrong = VggishStandIn(scale=1.5, like=vggish_stand_in)
    tf.saved_model.save(wrong, str(tmp_path / "wrong"))
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
    monkeypatch.setattr(_hub.time, "sleep", lambda seconds: None)
    made = architecture()
    with pytest.raises(InputError, match="go on offline.*TFHUB_CACHE_DIR"):
        weights.initialise(
            made.build(), made, "hub:https://localhost:9/google/vggish/1"
        )
    with pytest.raises(InputError, match="/nowhere"):
        weights.initialise(made.build(), made, "hub:/nowhere")


def test_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="no layers that VGGish's convolutions fit"):
        weights.check("hub", architecture(width=0.5))
    with pytest.raises(InputError, match="no checkpoint there"):
        weights.check(f"checkpoint:{tmp_path}/x.ckpt", architecture())
    assert mel_spectrum.LogMelConfig().num_mel_bins == 64
