"""What every architecture must do, and what each one is."""

from __future__ import annotations

import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.errors import InputError
from tfweak.labels import SegmentGrid
from tfweak.learning.pooling import POOLINGS
from tfweak.learning.precision import POLICIES
from tfweak.learning.weak_model import WeakModel
from tfweak.models import architectures
from tfweak.models.architecture import ARCHITECTURES, complete, create
from tfweak.models.networks import layers

SMALL = {
    "attention_fcn": {"width": 0.0625, "batch_norm": True},
    "embedding_attention": {"hidden_units": 16, "feature_units": 0},
}
TWO_HEADS = {"name": "embedding_attention", "hidden_units": 16, "feature_units": 8}
VARIANTS = {**SMALL, "two heads": TWO_HEADS}
RNG = np.random.default_rng(0)


def make(name, pooling="attention", precision="float32", **settings):
    settings = {"name": name, **VARIANTS[name], "pooling": pooling, **settings}
    architecture = create(num_classes=5, **settings)
    return architecture, architecture.build(precision)


def features(network, rows, clips=2):
    size = network.input["features"].shape[-1]
    values = RNG.integers(0, 255, (clips, rows, size)) / (1 if size == 128 else 50)
    return values.astype(np.float32)


def trainable(network):
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


def test_every_file_is_a_name():
    # the others have test files of their own
    assert ARCHITECTURES.names() == [
        "att_loc",
        "attention_fcn",
        "cakir_cnn",
        "cgrnn",
        "dae_dnn",
        "embedding_attention",
        "gated_crnn",
        "lidy_cnn",
        "mmnet_ms",
        "resnet_att",
        "tlweak",
    ]
    assert set(SMALL) <= set(ARCHITECTURES.names())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("rows", [1, 2, 37, 100])
def test_output_contract_at_any_length(name, pooling, rows):
    architecture, network = make(name, pooling)
    outputs = network(
        {"features": features(network, rows), "num_frames": np.array([rows, 1])}
    )
    segments = architecture.num_segments(rows)
    assert outputs["clip_probs"].shape == (2, 5)
    for key in ("segment_probs", "attention"):
        assert outputs[key].shape == (2, segments, 5)
        assert outputs[key].dtype == "float32"
    assert ("attention_logits" in outputs) == (pooling == "attention")
    mask = np.array(outputs["mask"])
    assert mask.sum(1).tolist() == [segments, architecture.num_segments(1)]
    np.testing.assert_allclose(np.sum(outputs["attention"], 1), 1, atol=1e-5)
    probs = np.array(outputs["segment_probs"])
    assert (probs >= 0).all() and (probs <= 1).all() and not probs[~mask].any()
    np.testing.assert_allclose(
        outputs["clip_probs"],
        np.sum(np.array(outputs["attention"]) * probs, 1),
        atol=1e-5,
    )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_learns_from_tags(pooling):
    keras.utils.set_random_seed(0)
    _, network = make("embedding_attention", pooling, dropout=0.0)
    # the same whichever tests were before
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 255, (8, 6, 128)).astype(np.float32)
    inputs = {"features": rows, "num_frames": np.full(8, 6)}
    tags = (rng.random((8, 5)) < 0.4).astype(np.float32)
    model = WeakModel(network)
    model.compile(optimizer=keras.optimizers.Adam(0.01))

    def loss_of():
        terms = model.compute_terms(inputs, tags, model(inputs, training=True))
        return float(np.mean(terms["loss_pred"]))

    before = loss_of()
    for _ in range(30):
        model.train_on_batch(inputs, tags)
    assert loss_of() < 0.7 * before
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, tags, model(inputs, training=False))
    weights = network.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients):
        assert gradient is not None and np.any(gradient), weight.path


def test_segments_of_a_batch_are_those_of_its_clips(monkeypatch):
    # in float32, kernels for another length add up in another order
    monkeypatch.setitem(POLICIES, "float64", "float64")
    architecture, network = make("attention_fcn", precision="float64")
    assert architecture.grid.hop_seconds == pytest.approx(0.16)
    assert architecture.grid.offset_seconds == pytest.approx(0.0075)
    rows = features(network, 101, 2)
    out = network({"features": rows, "num_frames": np.array([101, 60])})
    segments = [7, 4]
    assert np.array(out["mask"]).sum(1).tolist() == segments
    assert [architecture.num_segments(n) for n in (101, 60)] == segments
    alone = network({"features": rows[1:, :60], "num_frames": np.array([60])})
    np.testing.assert_allclose(
        out["segment_probs"][1, : segments[1]], alone["segment_probs"][0], atol=1e-7
    )


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("rows", [1, 15, 16, 37])
def test_a_padded_clip_gives_the_answer_of_the_clip_alone(name, rows):
    architecture, network = make(name)
    alone = features(network, rows, 1)
    noise = features(network, 64, 1)
    padded = np.concatenate([alone, noise], 1)
    count = np.array([rows])
    one = network({"features": alone, "num_frames": count})
    two = network({"features": padded, "num_frames": count})
    segments = architecture.num_segments(rows)
    np.testing.assert_allclose(two["clip_probs"], one["clip_probs"], atol=1e-6)
    for key in ("segment_probs", "attention"):
        np.testing.assert_allclose(
            np.array(two[key])[:, :segments], one[key], atol=1e-6
        )
        assert not np.array(two[key])[:, segments:].any()


@pytest.mark.parametrize("name", VARIANTS)
def test_padding_does_not_reach_the_statistics_of_a_training_step(name):
    def moving(pad):
        keras.utils.set_random_seed(0)
        _, network = make(name, dropout=0.0)
        values = np.pad(clip, ((0, 0), (0, pad), (0, 0)), constant_values=9.0)
        network({"features": values, "num_frames": np.array([33, 20])}, training=True)
        return [w for w in network.get_weights()]

    _, network = make(name)
    clip = features(network, 33)
    for one, two in zip(moving(0), moving(32)):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_saves_and_loads(name, tmp_path):
    architecture, network = make(name)
    x = {"features": features(network, 40), "num_frames": np.array([40, 9])}
    network.save(tmp_path / "model.keras")
    whole = keras.models.load_model(tmp_path / "model.keras")
    again = create(**_flat(architecture.to_dict())).build()
    again.load_weights(tmp_path / "model.keras")
    for other in (whole, again):
        np.testing.assert_array_equal(other(x)["clip_probs"], network(x)["clip_probs"])


def _flat(document):
    return {"name": document["name"], **document["config"]}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_answers_nearly_alike_in_float32(name, precision):
    _, network = make(name)
    _, mixed = make(name, precision=precision)
    mixed.set_weights(network.get_weights())
    x = {"features": features(network, 48), "num_frames": np.array([48, 20])}
    one, two = network(x), mixed(x)
    assert two["clip_probs"].dtype == "float32"
    np.testing.assert_allclose(one["clip_probs"], two["clip_probs"], atol=0.03)
    assert keras.config.dtype_policy().name == "float32"


def test_parameters_of_the_papers_network():
    # Table II at C = 527, L1-L3 fixed. L4: 256 * 256 * 9 + 256 = 590,080; L5:
    # 256 * 512 * 9 + 512 = 1,180,160; L6: 512 * 512 * 9 + 512 = 2,359,808; L7:
    # 4 * 512 * 1024 + 1024 = 2,098,176; L8-a and L8-b: 1024 * 527 + 527 = 540,175 each.
    for pooling, expected in (("average", 6_768_399), ("attention", 7_308_574)):
        network = create("attention_fcn", 527, pooling=pooling).build()
        for layer in ("L1", "L2", "L3"):
            network.get_layer(layer).trainable = False
        assert trainable(network) == expected


def test_settings_that_an_earlier_version_did_not_have():
    stored = {"name": "embedding_attention", "config": {"num_classes": 3}}
    config = complete(stored)["config"]
    assert (config["feature_units"], config["dropout_of"]) == (0, "values")
    assert (config["residual"], config["feature_gates"]) == (False, False)
    now = create(stored["name"], 3).to_dict()
    assert set(config) <= set(now["config"])
    told = {**stored, "config": {"feature_units": 4, "num_classes": 3}}
    assert complete(told)["config"]["feature_units"] == 4
    for other in ({}, {"name": "x", "config": {}}, {"name": ["y"], "config": 1}):
        assert complete(other) == other


def test_parameters_of_the_embedding_head():
    # 128 * 1024 + 1024 + 2 (1024 * 1024 + 1024) + 3 * 2 * 1024 + 2 (1024 * 527 + 527)
    one = create("embedding_attention", 527, feature_units=0).build()
    assert trainable(one) == 132_096 + 2_099_200 + 6_144 + 1_080_350
    # u and v, their normalisation, and 1024 * 527 + 527
    plain = create("embedding_attention", 527, feature_gates=False).build()
    assert trainable(plain) == trainable(one) + 2_099_200 + 2_048 + 540_175
    # 1024 * 1024 + 1024 + 2 * 1024
    gated = create("embedding_attention", 527).build()
    assert trainable(gated) == trainable(plain) + 1_049_600 + 2_048


@pytest.mark.parametrize("gated", [False, True])
def test_the_second_head_pools_features(gated):
    settings = {"hidden_layers": 0, "pooling": "average"}
    one = create("embedding_attention", 4, **settings, feature_units=0).build()
    settings |= {"feature_units": 3, "feature_gates": gated}
    both = create("embedding_attention", 4, **settings).build()
    both.set_weights([RNG.normal(size=w.shape) ** 2 for w in both.get_weights()])
    one.get_layer("L8-a").set_weights(both.get_layer("L8-a").get_weights())
    x = {"features": features(one, 6, 1), "num_frames": np.array([4])}
    rows = x["features"][0, :4] / 128 - 1

    def dense(name, values):
        kernel, bias = both.get_layer(name).get_weights()
        return values @ kernel + bias

    gates = 1 / (1 + np.exp(-dense("L8-v", rows)))
    pooled = (gates * dense("L8-u", rows)).sum(0) / gates.sum(0)

    def norm(name, values):
        gamma, beta, mean, variance = both.get_layer(name).get_weights()
        return gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta

    pooled = np.maximum(norm("feature_norm", pooled), 0)
    if gated:
        pooled *= 2 / (1 + np.exp(-norm("L8-g_norm", dense("L8-g", pooled))))
    expected = 1 / (1 + np.exp(-dense("L8-c", pooled)))
    found, segments = both(x), one(x)
    np.testing.assert_allclose(
        found["clip_probs"][0],
        (segments["clip_probs"][0] + expected) / 2,
        rtol=1e-4,
        atol=1e-6,
    )
    np.testing.assert_allclose(found["head_probs"][0, 0], segments["clip_probs"][0])
    np.testing.assert_allclose(found["head_probs"][0, 1], expected, 1e-4, 1e-6)
    np.testing.assert_allclose(found["segment_probs"], segments["segment_probs"])


def test_residual_layers_add_to_what_they_are_given():
    settings = {"hidden_units": 3, "hidden_layers": 3, "residual": True}
    network = create("embedding_attention", 4, **settings, feature_units=0).build()
    network.set_weights([RNG.normal(size=w.shape) ** 2 for w in network.get_weights()])
    rows = RNG.integers(0, 255, (5, 128)).astype("float32")

    def layer(number, values):
        kernel, bias = network.get_layer(f"L7-{number}").get_weights()
        weights = network.get_layer(f"L7-{number}_norm").get_weights()
        gamma, beta, mean, variance = weights
        values = values @ kernel + bias
        return np.maximum(gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta, 0)

    first = layer(1, rows / 128 - 1)
    second = (first + layer(2, first)) / np.sqrt(2)
    third = (second + layer(3, second)) / np.sqrt(2)
    hidden = keras.Model(network.input, network.get_layer("valid_hidden").output)
    found = hidden({"features": rows[None], "num_frames": np.array([5])})[0]
    np.testing.assert_allclose(found, third, rtol=1e-4)


def test_grid_of_the_papers_network_is_its_real_receptive_field():
    # With ones for weights, a segment moves with a frame exactly when the frame lies in
    # its receptive field: count the frames that segment 6 depends on.
    architecture = create("attention_fcn", 1, width=0.02)
    network = architecture.build()
    for layer in network.layers:
        if layer.weights:
            layer.set_weights([np.full_like(w, 0.01) for w in layer.get_weights()])
    rows = 208
    base = np.ones((1, rows, 64), np.float32)
    moved = np.repeat(base, rows, 0)
    # each copy has one louder frame; max pooling passes a louder frame on
    moved[np.arange(rows), np.arange(rows)] += 50
    out = [
        np.array(
            network({"features": x, "num_frames": np.full(len(x), rows)})[
                "attention_logits"
            ]
        )[:, 6, 0]
        for x in (base, moved)
    ]
    seen = np.flatnonzero(np.abs(out[1] - out[0][0]) > 1e-9)
    grid = architecture.grid
    assert len(seen) == round((grid.receptive_field_seconds - 0.025) / 0.010) + 1
    # in the middle of the field stands the middle of the slot
    middle = (seen[0] + seen[-1]) / 2 * 0.010 + 0.0125
    slot = grid.offset_seconds + 6.5 * grid.hop_seconds
    assert middle == pytest.approx(slot, abs=1e-6)
    assert grid.hop_seconds == pytest.approx(0.16)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "nonsense"}, "there are att_loc, attention_fcn"),
        ({"name": "attention_fcn", "breadth": 1}, "no setting 'breadth'"),
        ({"name": "attention_fcn", "width": "wide"}, "width='wide' is not a number"),
        ({"name": "attention_fcn", "width": 0.0}, "width"),
        ({"name": "attention_fcn", "batch_norm": "maybe"}, "not true or false"),
        ({"name": "attention_fcn", "pooling": "max"}, "average, attention"),
        ({"name": "embedding_attention", "rescaling": "bytes"}, "centred"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        create(num_classes=3, **settings)


def test_standardisation_takes_the_statistics_of_valid_frames(tmp_path):
    inputs = {"features": keras.Input((None, 3)), "num_frames": keras.Input(())}
    layer = layers.Standardise(name="standardisation")
    network = keras.Model(inputs, layer(inputs["features"]))
    frames = RNG.normal(5.0, 3.0, (4, 7, 3)).astype(np.float32)
    frames[..., 2] = 2.0  # no deviation
    counts = np.array([7, 3, 1, 7])
    padded = frames.copy()
    for clip, count in enumerate(counts):
        padded[clip, count:] = 1e6
    halves = [
        ({"features": padded[i : i + 2], "num_frames": counts[i : i + 2]}, None)
        for i in (0, 2)
    ]
    layers.fit_standardisation(network, halves)
    valid = np.concatenate([clip[:n] for clip, n in zip(frames, counts)])
    out = np.array(network({"features": frames, "num_frames": counts}))
    got = np.concatenate([clip[:n] for clip, n in zip(out, counts)])
    expected = (valid[:, :2] - valid[:, :2].mean(0)) / valid[:, :2].std(0)
    np.testing.assert_allclose(got[:, :2], expected, atol=1e-4)
    np.testing.assert_allclose(got[:, 2], 0, atol=1e-6)
    assert not network.trainable_weights
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again({"features": frames, "num_frames": counts}), out
    )


def test_the_example_of_how_to_add_a_model_is_one(tmp_path, monkeypatch):
    text = architectures.__doc__
    start, end = (
        text.index("    '''Two layers"),
        text.index("`models.architecture.Arch"),
    )
    (tmp_path / "tiny.py").write_text(textwrap.dedent(text[start:end]))
    monkeypatch.setattr(
        architectures, "__path__", [*architectures.__path__, str(tmp_path)]
    )
    assert "tiny" in ARCHITECTURES.names()
    architecture = create("tiny", 3, units="16")
    network = architecture.build()
    assert network.get_layer("hidden").units == 16
    assert architecture.grid == SegmentGrid(0.016, 0.032, 0.008)
    clip = RNG.normal(size=(1, 9, 40)).astype(np.float32)
    padded = np.pad(clip, ((0, 0), (0, 4), (0, 0)), constant_values=7.0)
    one = network({"features": clip, "num_frames": np.array([9])})
    two = network({"features": padded, "num_frames": np.array([9])})
    assert one["segment_probs"].shape == (1, architecture.num_segments(9), 3)
    np.testing.assert_allclose(one["clip_probs"], two["clip_probs"], atol=1e-6)
    # it pre-trains nothing
    before = network.get_weights()
    architecture.pretrain(network, [], seed=0)
    for old, new in zip(before, network.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_class_layers_start_at_the_frequencies():
    architecture, network = make("two heads")
    layers.start_at_frequencies(
        network, architecture.class_layers, np.array([0, 1, 3, 6, 8]), 9
    )
    bias = network.get_layer("L8-a").bias.numpy()
    # (n + 0.5) / (N + 1)
    frequency = [0.05, 0.15, 0.35, 0.65, 0.85]
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), frequency, rtol=1e-5)
    np.testing.assert_array_equal(network.get_layer("L8-c").bias, bias)
    assert not network.get_layer("L8-b").bias.numpy().any()
