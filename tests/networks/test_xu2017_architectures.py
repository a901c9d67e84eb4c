"""The systems of Xu et al. 2017's tables: contract, parameters, equations."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfweak.audio import front_ends
from tfweak.errors import InputError
from tfweak.models.architecture import create
from tfweak.models.networks import autoencoder

TRUNK = {"filters": 6, "recurrent_units": 4, "recurrent_layers": 1, "hidden_units": 8}
SMALL = {
    "cgrnn": TRUNK,
    "att_loc": TRUNK,
    "dae_dnn": {
        "encoder_frames": 3,
        "encoder_units": 12,
        "code_units": 6,
        "context_frames": 9,
        "window_hop_frames": 4,
        "hidden_units": 16,
        "input_dropout": 0.0,
    },
    "cakir_cnn": {"filters": 4, "hidden_units": 8},
    "lidy_cnn": {"filters": 2, "hidden_units": 8},
}
C = 5


def make(name, precision="float32", seed=0, **settings):
    keras.utils.set_random_seed(seed)
    settings = {**SMALL[name], "dropout": 0.0, **settings}
    architecture = create(name, C, **settings)
    return architecture, architecture.build(precision)


def clips(network, rows, clips=2, seed=0):
    size = network.input["features"].shape[-1]
    return np.random.default_rng(seed).normal(size=(clips, rows, size)).astype("f")


def trainable(network):
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


def numpy(outputs):
    return {key: np.array(value) for key, value in outputs.items()}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("rows", [1, 37, 249])
def test_output_contract_at_any_length(name, rows):
    architecture, network = make(name)
    out = network({"features": clips(network, rows), "num_frames": np.array([rows, 1])})
    segments = architecture.num_segments(rows)
    assert out["clip_probs"].shape == (2, C)
    for key in ("segment_probs", "attention"):
        assert out[key].shape == (2, segments, C) and out[key].dtype == "float32"
    assert "attention_logits" not in out
    out = numpy(out)
    assert out["mask"].sum(1).tolist() == [segments, 1]
    np.testing.assert_allclose(out["attention"].sum(1), 1, atol=1e-5)
    probs = out["segment_probs"]
    assert (probs >= 0).all() and (probs <= 1).all() and not probs[~out["mask"]].any()
    np.testing.assert_allclose(
        out["clip_probs"], (out["attention"] * probs).sum(1), atol=1e-5
    )
    if name == "att_loc":
        assert out["global_attention"].shape == (2, segments)
        assert out["localization"].shape == (2, segments, C)
        assert not out["global_attention"][~out["mask"]].any()
        assert not out["localization"][~out["mask"]].any()
    else:  # the mean over valid segments
        valid = out["mask"][..., None] / out["mask"].sum(1)[:, None, None]
        np.testing.assert_allclose(
            out["attention"], np.broadcast_to(valid, probs.shape), atol=1e-6
        )


@pytest.mark.parametrize("name", SMALL)
def test_what_the_front_end_needs_to_know(name):
    architecture, network = make(name)
    front_end = "constant_q" if name == "lidy_cnn" else "xu2017"
    assert architecture.input.front_end == front_ends.get(front_end)
    assert architecture.input.payload_kind == (
        "constant_q" if name == "lidy_cnn" else "log_mel"
    )
    assert architecture.input.training_rows == 249
    # a last, incomplete slot is a segment too; tensors are taken as well
    frames = np.array([1, 4, 5, 20, 21, 249])
    hop = round(architecture.grid.hop_seconds / 0.016)
    expected = [-(-int(n) // hop) for n in frames]
    assert [architecture.num_segments(int(n)) for n in frames] == expected
    assert np.array(architecture.num_segments(tf.constant(frames))).tolist() == expected
    assert network.get_layer("standardisation").mean.shape == (
        network.input["features"].shape[-1],
    )


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("rows", [1, 24, 41])
def test_a_padded_clip_gives_the_answer_of_the_clip_alone(name, rows):
    architecture, network = make(name)
    alone = clips(network, rows, 1)
    padded = np.concatenate([alone, 9 + clips(network, 22, 1)], 1)
    count = np.array([rows])
    one = numpy(network({"features": alone, "num_frames": count}))
    two = numpy(network({"features": padded, "num_frames": count}))
    segments = architecture.num_segments(rows)
    np.testing.assert_allclose(two["clip_probs"], one["clip_probs"], atol=1e-6)
    for key in set(one) - {"clip_probs"}:
        np.testing.assert_allclose(two[key][:, :segments], one[key], atol=1e-6)
        assert not two[key][:, segments:].any()


@pytest.mark.parametrize("name", SMALL)
def test_padding_reaches_no_statistic_and_no_gradient(name):
    def step(pad):
        _, network = make(name)
        values = np.pad(clip, ((0, 0), (0, pad), (0, 0)), constant_values=9.0)
        counts = np.array([23, 11])
        with tf.GradientTape() as tape:
            out = network({"features": values, "num_frames": counts}, training=True)
            loss = tf.reduce_sum(tf.math.log(out["clip_probs"]))
        gradients = tape.gradient(loss, [w.value for w in network.trainable_weights])
        return [*map(np.array, gradients), *network.get_weights()]

    clip = clips(make(name)[1], 23)
    for one, two in zip(step(0), step(18)):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_saves_and_loads_without_warnings(name, tmp_path):
    architecture, network = make(name)
    x = {"features": clips(network, 22), "num_frames": np.array([22, 9])}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        network.save(tmp_path / "model.keras")
        whole = keras.models.load_model(tmp_path / "model.keras")
        network.save_weights(tmp_path / "model.weights.h5")
        again = architecture.build()
    before = numpy(again(x))["clip_probs"]
    again.load_weights(tmp_path / "model.weights.h5")
    for other in (whole, again):
        np.testing.assert_array_equal(other(x)["clip_probs"], network(x)["clip_probs"])
    assert not np.array_equal(before, network(x)["clip_probs"])


@pytest.mark.parametrize("name", SMALL)
def test_exports_with_unknown_sizes(name):
    _, network = make(name)
    x = {"features": clips(network, 23), "num_frames": np.array([23, 9])}
    specs = {
        "features": tf.TensorSpec((None, None, x["features"].shape[2]), tf.float32),
        "num_frames": tf.TensorSpec((None,), tf.int32),
    }
    out = tf.function(network, input_signature=[specs])(
        {
            "features": tf.constant(x["features"]),
            "num_frames": tf.constant(x["num_frames"], tf.int32),
        }
    )
    expected = network(x)
    for key in expected:
        np.testing.assert_allclose(out[key], expected[key], atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_answers_nearly_alike_in_float32(name):
    _, network = make(name)
    _, mixed = make(name, precision="bfloat16")
    mixed.set_weights(network.get_weights())
    assert mixed.get_layer("tags").compute_dtype == "bfloat16"
    x = {"features": clips(network, 30), "num_frames": np.array([30, 12])}
    one, two = network(x), mixed(x)
    for key in set(one) - {"mask"}:
        assert two[key].dtype == "float32"
        np.testing.assert_allclose(one[key], two[key], atol=0.03)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_gets_a_gradient_and_a_few_steps_lower_the_loss(name):
    _, network = make(name)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (6, C)).astype("f")
    x = clips(network, 30, 6)
    # a class is a louder group of bands in the middle of the clip
    for band in range(C):
        x[:, 10:20, band * 8 : (band + 1) * 8] += 3 * labels[:, band, None, None]
    x = {"features": x, "num_frames": np.full(6, 30)}
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            probs = network(x, training=True)["clip_probs"]
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(labels, probs))
        values = [weight.value for weight in network.trainable_weights]
        gradients = tape.gradient(loss, values)
        optimizer.apply(gradients, network.trainable_weights)
        return loss, gradients

    optimizer.build(network.trainable_weights)
    first, gradients = step()
    for weight, gradient in zip(network.trainable_weights, gradients):
        assert np.any(np.array(gradient)), weight.path
    for _ in range(15):
        last, _ = step()
    assert last < first - 0.02


@pytest.mark.parametrize("name", ["dae_dnn", "cakir_cnn", "lidy_cnn"])
def test_grid_is_the_real_receptive_field(name):
    # Every weight averages, so a segment moves with a frame exactly when the frame
    # lies in its receptive field: count the frames that one segment depends on.
    settings = {"dae_dnn": {"context_frames": 13, "encoder_frames": 5}}.get(name, {})
    architecture, network = make(name, **settings)
    for layer in network.layers:
        for weight in layer.trainable_weights:
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(np.full(weight.shape, 1 / fan_in if fan_in > 1 else 0.0))
    if name == "dae_dnn":  # the background is of the clip, not of a segment
        layer = network.get_layer("dnn_1_background")
        layer.kernel.assign(0 * layer.kernel.numpy())
    rows, segment = 260, {"dae_dnn": 30, "cakir_cnn": 30, "lidy_cnn": 6}[name]
    base = np.ones((1, rows, network.input["features"].shape[-1]), "f")
    louder = np.repeat(base, rows, 0)
    louder[np.arange(rows), np.arange(rows)] += 20
    one, two = (
        np.array(network({"features": x, "num_frames": np.full(len(x), rows)})[key])
        for x, key in ((base, "segment_probs"), (louder, "segment_probs"))
    )
    seen = np.flatnonzero(np.abs(two[:, segment, 0] - one[0, segment, 0]) > 1e-5)
    grid = architecture.grid
    assert len(seen) == round((grid.receptive_field_seconds - 0.032) / 0.016) + 1
    middle = (seen[0] + seen[-1]) / 2 * 0.016 + 0.016
    slot = grid.offset_seconds + (segment + 0.5) * grid.hop_seconds
    assert middle == pytest.approx(slot, abs=1e-6)


@pytest.mark.parametrize("name", ["cgrnn", "att_loc"])
def test_grid_of_a_frame(name):
    # frame 0 is 32 ms long: its middle 16 ms are the slot; GRUs see the whole chunk
    grid = make(name)[0].grid
    assert grid.hop_seconds == 0.016
    assert grid.offset_seconds == pytest.approx(0.008)
    assert grid.receptive_field_seconds == pytest.approx(4.0)


# GRU, one direction, input n, 128 units, two biases: 3 (n 128 + 128 128 + 2 128):
# 99,072 for n = 128 and 148,224 for n = 256. Three layers both ways: 2 (99,072 + 2 *
# 148,224) = 791,040. CNN: 30 * 128 + 128 = 3,968. Dense: 256 * 500 + 500 = 128,500.
# Output: 500 * 7 + 7 = 3,507.
CGRNN = 791_040 + 3_968 + 128_500 + 3_507


@pytest.mark.parametrize(
    "name, settings, expected",
    [
        ("cgrnn", {}, CGRNN),
        # Z_att: 40 + 1; Z_loc: 40 * 7 + 7
        ("att_loc", {}, CGRNN + 41 + 287),
        ("att_loc", {"localization": False}, CGRNN + 41),
        ("att_loc", {"attention": False}, CGRNN + 287),
        ("att_loc", {"background": True}, CGRNN + 41 + 287 + 41),
        # encoder 7 * 40 * 500 + 500 = 140,500; code 500 * 50 + 50 = 25,050; dnn_1
        # (91 + 1) * 50 * 1000 + 1000 = 4,601,000; dnn_2 1000 * 500 + 500 = 500,500;
        # tags 500 * 7 + 7 = 3,507
        ("dae_dnn", {}, 140_500 + 25_050 + 4_601_000 + 500_500 + 3_507),
        ("dae_dnn", {"train_encoder": False}, 4_601_000 + 500_500 + 3_507),
        # conv_1 25 * 64 + 64 = 1,664; conv_2, conv_3 25 * 64 * 64 + 64 = 102,464;
        # hidden 3 * 64 * 256 + 256 = 49,408; tags 256 * 7 + 7 = 1,799
        ("cakir_cnn", {}, 1_664 + 2 * 102_464 + 49_408 + 1_799),
        # wide_in_time 23 * 10 * 16 + 16 = 3,696; wide_in_frequency 21 * 21 * 16 + 16 =
        # 7,072; hidden 5 * (71 * 16 + 20 * 3 * 16) * 200 + 200 = 2,096,200;
        # tags 200 * 7 + 7 = 1,407
        ("lidy_cnn", {}, 3_696 + 7_072 + 2_096_200 + 1_407),
    ],
)
def test_parameters_at_seven_classes(name, settings, expected):
    assert trainable(create(name, 7, **settings).build()) == expected


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("cgrnn", {"filters": 0}, "filters=0: expected 1"),
        ("att_loc", {"dropout": 1.0}, "dropout=1.0"),
        ("att_loc", {"localization": False, "background": True}, "which is off"),
        ("dae_dnn", {"context_frames": 90}, "context_frames=90: an odd"),
        ("dae_dnn", {"window_hop_frames": 93}, "in no window"),
        ("dae_dnn", {"pretrain_epochs": -1}, "pretrain_epochs=-1: expected 0"),
        ("cakir_cnn", {"hidden_units": -1}, "hidden_units=-1"),
        ("lidy_cnn", {"dropout": -0.1}, "dropout=-0.1"),
    ],
)
def test_wrong_settings_are_named(name, settings, message):
    with pytest.raises(InputError, match=message):
        create(name, 3, **settings)


# The equations of `att_loc`, and the auto-encoder of `dae_dnn`.

TWO_LAYERS = {**TRUNK, "recurrent_layers": 2}
DAE = {**SMALL["dae_dnn"], "encoder_units": 16, "code_units": 8}
ROWS, SHORT = 13, 9


def standardising(name, seed=0, **settings):
    keras.utils.set_random_seed(seed)
    network = create(name, C, **settings).build()
    layer = network.get_layer("standardisation")
    rng = np.random.default_rng(3)
    layer.set(rng.normal(size=layer.mean.shape), rng.uniform(0.5, 2, layer.mean.shape))
    return network


def batch(seed=0, size=2, rows=ROWS):
    x = np.random.default_rng(seed).normal(size=(size, rows, 40)).astype("f")
    return {"features": x, "num_frames": np.array([rows, SHORT] * size)[:size]}


def answer(network, x):
    return {key: np.array(value, "d") for key, value in network(x).items()}


def weights(network, name):
    return [w.astype("d") for w in network.get_layer(name).get_weights()]


def standardised(network, x):
    mean, deviation = weights(network, "standardisation")
    return (x["features"] - mean) / deviation


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def transfer(source, target, but=()):
    for layer in target.layers:
        if layer.weights and layer.name not in but:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def numpy_gru(x, weights, backward):
    """Cho et al. 2014 with the reset gate after the product; (T, D) -> (T, units)."""
    kernel, recurrent, (bias, recurrent_bias) = weights
    state, out = np.zeros(recurrent.shape[0]), []
    for row in x[::-1] if backward else x:
        z_x, r_x, n_x = np.split(row @ kernel + bias, 3)
        z_h, r_h, n_h = np.split(state @ recurrent + recurrent_bias, 3)
        z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
        state = z * state + (1 - z) * np.tanh(n_x + r * n_h)
        out.append(state)
    return np.array(out[::-1] if backward else out)


def test_att_loc_is_its_equations_step_by_step():
    network, x = standardising("att_loc", **TWO_LAYERS), batch()
    out = answer(network, x)
    for clip, length in enumerate((ROWS, SHORT)):
        frames = standardised(network, x)[clip, :length]
        kernel, bias = weights(network, "attention")
        z_att = sigmoid(frames @ kernel + bias)  # Eq. (3)
        kernel, bias = weights(network, "localization")
        z_loc = np.exp(frames @ kernel + bias)  # Eq. (6)
        z_loc /= z_loc.sum(1, keepdims=True)
        kernel, bias = weights(network, "cnn")
        cnn = np.stack(
            [frames[:, i : i + 30] @ kernel[0, :, 0] + bias for i in range(11)]
        )
        hidden = z_att * np.maximum(cnn, 0).max(0)  # Eq. (4)
        for i in (1, 2):
            gru = weights(network, f"gru_{i}")
            hidden = np.concatenate(
                [numpy_gru(hidden, gru[:3], False), numpy_gru(hidden, gru[3:], True)], 1
            )
        kernel, bias = weights(network, "hidden")
        hidden = np.maximum(hidden @ kernel + bias, 0)
        kernel, bias = weights(network, "tags")
        tags = sigmoid(hidden @ kernel + bias)
        expected = (z_att * tags * z_loc).sum(0) / z_loc.sum(0)  # Eqs. (7), (8)
        np.testing.assert_allclose(out["clip_probs"][clip], expected, atol=1e-5)
        for key, value in (
            ("global_attention", z_att[:, 0]),
            ("localization", z_loc),
            ("segment_probs", z_att * tags),
        ):
            np.testing.assert_allclose(out[key][clip, :length], value, atol=1e-5)
            assert not out[key][clip, length:].any()


def test_localization_sums_to_one_over_classes_in_each_frame():
    out = answer(standardising("att_loc", **TWO_LAYERS), batch())
    np.testing.assert_allclose(out["localization"].sum(2), out["mask"], atol=1e-6)


def test_the_background_takes_its_share_of_every_frame(tmp_path):
    """Half at first; of even logits 1 / (C + 1); of a very low one, nothing."""
    network = standardising("att_loc", background=True, **TWO_LAYERS)
    fresh = create("att_loc", C, background=True, **TWO_LAYERS).build()
    assert np.exp(fresh.get_layer("localization").bias[-1]) == pytest.approx(C)
    plain = standardising("att_loc", 1, **TWO_LAYERS)
    kernel, bias = network.get_layer("localization").get_weights()
    out = answer(network, batch())
    network.save(tmp_path / "a.keras")
    again = answer(keras.saving.load_model(tmp_path / "a.keras"), batch())
    np.testing.assert_array_equal(again["clip_probs"], out["clip_probs"])
    valid = out["mask"].astype(bool)
    sums = out["localization"].sum(2)[valid]
    assert (sums < 1).all() and sums.std() > 1e-3
    assert out["localization"].shape[2] == kernel.shape[1] - 1

    network.get_layer("localization").set_weights([0 * kernel, 0 * bias])
    even = answer(network, batch())["localization"]
    np.testing.assert_allclose(even[valid], 1 / kernel.shape[1], atol=1e-6)

    transfer(network, plain, but=("localization",))
    plain.get_layer("localization").set_weights([kernel[:, :-1], bias[:-1]])
    bias[-1] = -1e4
    network.get_layer("localization").set_weights([kernel, bias])
    one, two = answer(network, batch()), answer(plain, batch())
    for key in ("clip_probs", "attention", "localization"):
        np.testing.assert_allclose(one[key], two[key], atol=1e-6)


def test_attention_of_one_and_uniform_localization_are_the_plain_average():
    network, cgrnn = (
        standardising("att_loc", **TWO_LAYERS),
        standardising("cgrnn", 1, **TWO_LAYERS),
    )
    transfer(network, cgrnn)
    for name, bias in (("attention", 60.0), ("localization", 0.3)):
        kernel, _ = network.get_layer(name).get_weights()
        size = kernel.shape[1]
        network.get_layer(name).set_weights([0 * kernel, np.full(size, bias)])
    one, two = answer(network, batch()), answer(cgrnn, batch())
    assert two["clip_probs"].std() > 1e-3  # not all alike
    for key in ("clip_probs", "segment_probs", "attention"):
        np.testing.assert_allclose(one[key], two[key], atol=1e-6)


def test_with_both_off_it_is_cgrnn():
    network = standardising(
        "att_loc", attention=False, localization=False, **TWO_LAYERS
    )
    cgrnn = standardising("cgrnn", 1, **TWO_LAYERS)
    transfer(network, cgrnn)
    one, two = answer(network, batch()), answer(cgrnn, batch())
    assert set(one) == set(two)
    for key in one:
        np.testing.assert_array_equal(one[key], two[key])


def test_attention_only_is_the_mean_of_equation_5():
    out = answer(standardising("att_loc", localization=False, **TWO_LAYERS), batch())
    assert "localization" not in out
    for clip, length in enumerate((ROWS, SHORT)):
        np.testing.assert_allclose(
            out["clip_probs"][clip], out["segment_probs"][clip, :length].mean(0), 1e-5
        )
    assert (out["segment_probs"] <= out["global_attention"][..., None] + 1e-7).all()


def test_localization_only_weighs_the_tags_of_cgrnn():
    network = standardising("att_loc", attention=False, **TWO_LAYERS)
    cgrnn = standardising("cgrnn", 1, **TWO_LAYERS)
    transfer(network, cgrnn)
    out, tags = answer(network, batch()), answer(cgrnn, batch())["segment_probs"]
    assert "global_attention" not in out
    expected = (tags * out["localization"]).sum(1) / out["localization"].sum(1)
    np.testing.assert_allclose(out["clip_probs"], expected, atol=1e-6)


def test_attention_of_zero_shuts_out_the_cnn_and_the_tags():
    network = standardising("att_loc", **TWO_LAYERS)
    kernel, _ = network.get_layer("attention").get_weights()
    network.get_layer("attention").set_weights([0 * kernel, np.full(1, -200.0)])
    out = answer(network, batch())
    assert not out["clip_probs"].any() and not out["segment_probs"].any()
    np.testing.assert_allclose(out["attention"].sum(1), 1, atol=1e-5)


def numpy_code(network, frames):
    """Encoder and code of (T, 40) frames, a context of 3 framed by hand."""
    kernel, bias = weights(network, "encoder")
    padded = np.pad(frames, ((1, 1), (0, 0)))
    windows = np.stack([padded[t : t + 3].ravel() for t in range(len(frames))])
    hidden = np.maximum(windows @ kernel.reshape(-1, kernel.shape[2]) + bias, 0)
    kernel, bias = weights(network, "code")
    return np.maximum(hidden @ kernel + bias, 0)


@pytest.mark.parametrize("length", [ROWS, SHORT, 3])
def test_dae_dnn_is_a_network_on_windows_with_the_background_appended(length):
    network, x = standardising("dae_dnn", **DAE), batch()
    x["num_frames"] = np.array([ROWS, length])
    out = answer(network, x)
    code = numpy_code(network, standardised(network, x)[1, :length])
    background = code[:6].mean(0)
    kernel, bias = weights(network, "dnn_1")
    (columns,) = weights(network, "dnn_1_background")
    matrix = np.concatenate([kernel.reshape(-1, kernel.shape[2]), columns])
    probs = []
    for start in range(0, length, 4):
        # slots of 4 frames: the window of 9 is centred on the second
        window = np.zeros((9, code.shape[1]))
        for i, frame in enumerate(range(start + 1 - 4, start + 1 + 5)):
            if 0 <= frame < length:
                window[i] = code[frame]
        hidden = np.append(window.ravel(), background) @ matrix + bias
        hidden = np.maximum(hidden, 0)
        second, second_bias = weights(network, "dnn_2")
        hidden = np.maximum(hidden @ second + second_bias, 0)
        tags, tags_bias = weights(network, "tags")
        probs.append(sigmoid(hidden @ tags + tags_bias))
    np.testing.assert_allclose(out["segment_probs"][1, : len(probs)], probs, atol=1e-5)
    np.testing.assert_allclose(out["clip_probs"][1], np.mean(probs, 0), atol=1e-5)


def test_autoencoder_shares_the_networks_encoder_and_reads_the_middle_frame():
    network, x = standardising("dae_dnn", **DAE), batch(size=1)
    model = autoencoder.autoencoder(network)
    assert model.get_layer("encoder") is network.get_layer("encoder")
    hidden = numpy_code(network, standardised(network, x)[0])
    kernel, bias = (w.numpy() for w in model.get_layer("decoder").weights)
    hidden = np.maximum(hidden @ kernel + bias, 0)
    kernel, bias = (w.numpy() for w in model.get_layer("reconstruction").weights)
    np.testing.assert_allclose(model(x)[0], hidden @ kernel + bias, atol=1e-5)


def toy_batches(seed=5):
    # frames of few causes: three patterns over the bands, changing slowly
    patterns = np.random.default_rng(0).normal(size=(3, 40))
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(3):
        amount = np.repeat(rng.normal(size=(4, 8, 3)), 5, axis=1)
        x = (amount @ patterns).astype("f")
        x[1, 20:] = 1e4  # padding
        counts = np.array([40, 20, 40, 40])
        batches.append(({"features": x, "num_frames": counts}, None))
    return batches


def pretrained(train_encoder):
    network = standardising("dae_dnn", train_encoder=train_encoder, **DAE)
    network.get_layer("standardisation").set(np.zeros(40), np.ones(40))
    before = {layer.name: layer.get_weights() for layer in network.layers}
    errors = autoencoder.pretrain(
        network, toy_batches(), 10, learning_rate=0.01, seed=1
    )
    return network, before, errors


@pytest.fixture(scope="module")
def runs():
    return {train_encoder: pretrained(train_encoder) for train_encoder in (True, False)}


@pytest.mark.parametrize("train_encoder", [True, False])
def test_pretraining_lowers_the_error_and_reaches_the_network(runs, train_encoder):
    network, before, errors = runs[train_encoder]
    assert len(errors) == 10 and errors[-1] < 0.7 * errors[0]
    assert errors[0] < 10  # the padding of 1e4 is no part of it
    for layer in network.layers:
        moved = any(
            not np.array_equal(one, two)
            for one, two in zip(before[layer.name], layer.get_weights())
        )
        assert moved == (layer.name in ("encoder", "code")), layer.name
    assert network.get_layer("encoder").trainable == train_encoder


def test_pretraining_repeats_with_the_seed_whoever_trains_the_encoder_later(runs):
    assert runs[True][2] == runs[False][2]
    network = runs[True][0]
    kernels = [
        autoencoder.autoencoder(network, seed=seed).get_layer("decoder").kernel.numpy()
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_the_pretrained_code_tells_more_of_other_frames(runs):
    # the best linear decoder of the code, for clips that were not trained on
    frames = np.concatenate([x["features"][0] for x, _ in toy_batches(seed=6)])

    def error(network):
        code = np.column_stack([numpy_code(network, frames), np.ones(len(frames))])
        decoder = np.linalg.lstsq(code, frames, rcond=None)[0]
        return np.mean((code @ decoder - frames) ** 2)

    assert error(runs[True][0]) < 0.8 * error(standardising("dae_dnn", **DAE))


def test_a_pretrained_network_is_saved_and_loaded(runs, tmp_path):
    network = runs[False][0]
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded(batch())["clip_probs"], network(batch())["clip_probs"]
    )


def test_pretraining_refuses_what_cannot_be_gone_through_again():
    with pytest.raises(InputError, match="no batches in epoch 1; give a data set"):
        autoencoder.pretrain(standardising("dae_dnn", **DAE), iter([]), 2)


def test_corruption_zeroes_its_share_and_scales_nothing():
    layer = autoencoder.MaskingNoise(0.3, seed=1)
    ones = np.ones((50, 20, 10), "f")
    values = np.array(layer(ones, training=True))
    assert set(np.unique(values)) == {0.0, 1.0}
    # 10,000 draws: the share's deviation is sqrt(.3 * .7 / 10000) = 0.0046
    assert (values == 0).mean() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(layer(ones, training=False), ones)
