"""The systems that Kim & Ghaffarzadegan 2019 compare with."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as plain
from made import plain_decoding

from tfweak import serving
from tfweak.audio import front_ends
from tfweak.errors import InputError
from tfweak.learning import losses, weak_model
from tfweak.models.architecture import create
from tfweak.models.architectures import gated_crnn, tlweak
from tfweak.models.networks import layers, micro_costs

NAMES = ["gated_crnn", "tlweak", "resnet_att", "mmnet_ms"]
BANDS = {"gated_crnn": 64, "tlweak": 128, "resnet_att": 64, "mmnet_ms": 64}
OPTIONAL = {
    "gated_crnn": {"localization"},
    "tlweak": set(),
    "resnet_att": {"localization", "global_attention"},
    "mmnet_ms": {"present_cost", "absent_cost"},
}
# Frames of a clip for tests of any length: more than one segment of each net.
ROWS = {"gated_crnn": 24, "tlweak": 200, "resnet_att": 40, "mmnet_ms": 40}
C = 5
RNG = np.random.default_rng(0)


def make(name, precision="float32", width=0.0625, classes=C, **settings):
    keras.utils.set_random_seed(0)
    architecture = create(name, classes, width=width, **settings)
    return architecture, architecture.build(precision)


@functools.cache
def unchanged(name):
    """A small net for tests that leave its weights alone, as if it had been trained.

    Fresh biases of 0 and normalisation without statistics would hide much.
    """
    architecture, network = make(name)
    for weight in network.trainable_weights:
        if len(weight.shape) == 1:
            weight.assign_add(RNG.normal(0, 0.1, weight.shape))
    normalisations = [x for x in network.layers if hasattr(x, "momentum")]
    for layer in normalisations:
        layer.momentum = 0.0
    rows = ROWS[name]
    network(inputs(features(name, rows, 8), *[rows] * 8), training=True)
    for layer in normalisations:
        layer.momentum = 0.99
    return architecture, network


def features(name, rows, clips=2):
    return RNG.normal(size=(clips, rows, BANDS[name])).astype(np.float32)


def inputs(values, *counts):
    return {"features": values, "num_frames": np.array(counts, np.int32)}


def numpy(outputs):
    return {key: np.array(value) for key, value in outputs.items()}


# The modules


@pytest.mark.parametrize(
    ("name", "front_end", "frames", "segments"),
    [
        ("gated_crnn", "gated_crnn", 1 + (160_000 - 1024) // 664, 240),
        # 860 / 64 = 13.4: 13 whole windows, 12 neighbouring pairs of them
        ("tlweak", "tlweak", 1 + (441_000 - 1024) // 512, 12),
        ("resnet_att", "vggish", 1 + (160_000 - 400) // 160, 63),
        ("mmnet_ms", "vggish", 1 + (160_000 - 400) // 160, 63),
    ],
)
def test_ten_seconds(name, front_end, frames, segments):
    architecture = create(name, C)
    reads = architecture.input
    assert (reads.payload_kind, reads.size) == ("log_mel", BANDS[name])
    assert reads.front_end == front_ends.get(front_end)
    assert reads.training_rows == frames
    assert architecture.num_segments(frames) == segments
    assert np.array(architecture.num_segments(tf.constant([frames]))) == [segments]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_layer_standardises(name):
    _, network = make(name)
    rows = ROWS[name]
    x = features(name, rows)
    before = numpy(network(inputs(x, rows, rows // 2)))
    mean = RNG.normal(size=BANDS[name]).astype(np.float32)
    deviation = RNG.uniform(0.5, 2, BANDS[name]).astype(np.float32)
    network.get_layer("standardisation").set(mean, deviation)
    after = numpy(network(inputs(x * deviation + mean, rows, rows // 2)))
    np.testing.assert_allclose(
        after["segment_probs"], before["segment_probs"], atol=1e-5
    )


def test_width_must_be_positive():
    for name in NAMES:
        with pytest.raises(InputError, match="width=0"):
            create(name, C, width=0.0)


# Parameters at C = 527. A convolution of k weights a filter has n (k + 1).


def test_parameters_of_gated_crnn():
    # blocks, no bias: 9 * 128 + 7 * 9 * 64 * 128 = 517,248, normalisation 8 * 2 * 128
    # = 2,048; L9: 9 * 64 * 256 + 256 = 147,712; a GRU, one way: 3 (256 * 128 + 128 *
    # 128 + 128) = 147,840, four of them 591,360; L8-a, L8-b: 256 * 527 + 527 = 135,439
    assert parameters("gated_crnn") == 517_248 + 2_048 + 147_712 + 591_360 + 2 * 135_439
    assert parameters("gated_crnn") == 1_529_246
    assert parameters("gated_crnn", background=True) == 1_529_246 + 257


def test_parameters_of_tlweak():
    # 3x3 weights: 9 (1*16 + 16*16 + 16*32 + 32*32 + 32*64 + 64*64 + 64*128 + 128*128
    # + 128*256 + 256*256 + 256*512) = 2,357,136; F1: 4 * 512 * 1024 = 2,097,152; biases
    # 2 (16 + 32 + 64 + 128 + 256) + 512 + 1024 = 2,528; normalisation twice that,
    # 5,056; L8-a: 1024 * 527 + 527 = 540,175
    expected = 2_357_136 + 2_097_152 + 2_528 + 5_056 + 540_175
    assert parameters("tlweak") == expected == 5_002_047


# R0: 3 * 64 * 128 + 128 = 24,704
# R1: 2 * 128 + 98,560 + 2 * 256 + 196,864 + 2 * 256 + skip 33,024 = 329,728
# R2: 2 * 256 + 295,296 + 2 * 384 + 442,752 + 2 * 384 + skip 98,688 = 838,784
# R3, R4: 2 * 384 + 442,752 + 2 * 384 + 442,752 + 2 * 384 + skip 147,840 = 1,035,648
# last normalisation: 2 * 384 = 768
TRUNK = 24_704 + 329_728 + 838_784 + 2 * 1_035_648 + 768


def test_parameters_of_resnet_att():
    # L_att: 384 + 1; L_fnn: 384 * 500 + 500 = 192,500; L8-a: 500 * 527 + 527 = 264,027;
    # L8-b: 384 * 527 + 527 = 202,895
    expected = TRUNK + 385 + 192_500 + 264_027 + 202_895
    assert parameters("resnet_att") == expected == 3_925_087


def test_parameters_of_mmnet_ms():
    # macro: 384 * 1024 + 1024 = 394,240, 1024 * 1024 + 1024 = 1,049,600, normalisation
    # 2 * 2 * 1024 = 4,096, L8-a 540,175; micro1: 3 * 256 * 527 + 527 = 405,263 and 3 *
    # 256 * 256 = 196,608; micro2, micro3: 3 * 384 * 527 + 527 = 607,631 and 442,368
    macro = 394_240 + 1_049_600 + 4_096 + 540_175
    micro = 405_263 + 196_608 + 2 * (607_631 + 442_368)
    assert parameters("mmnet_ms") == TRUNK + macro + micro == 7_955_260


def parameters(name, **settings):
    _, network = make(name, width=1.0, classes=527, **settings)
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


# The contract


LENGTHS = [("gated_crnn", n) for n in (1, 19)]
LENGTHS += [("tlweak", n) for n in (1, 63, 128, 200)]
LENGTHS += [(name, n) for name in ("resnet_att", "mmnet_ms") for n in (1, 16, 37)]


@pytest.mark.parametrize(("name", "rows"), LENGTHS)
def test_output_contract_at_any_length(name, rows):
    architecture, network = unchanged(name)
    outputs = numpy(network(inputs(features(name, rows), rows, 1)))
    segments = architecture.num_segments(rows)
    expected = {"clip_probs", "segment_probs", "attention", "mask"}
    assert set(outputs) == expected | OPTIONAL[name]
    assert outputs["clip_probs"].shape == (2, C)
    for key in ("segment_probs", "attention"):
        assert outputs[key].shape == (2, segments, C)
        assert outputs[key].dtype == np.float32
    mask, attention = outputs["mask"], outputs["attention"]
    assert mask.sum(1).tolist() == [segments, architecture.num_segments(1)]
    probs = outputs["segment_probs"]
    assert (probs >= 0).all() and (probs <= 1).all()
    assert not probs[~mask].any() and not attention[~mask].any()
    np.testing.assert_allclose(attention.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(
        outputs["clip_probs"], (attention * probs).sum(1), atol=1e-6
    )
    if "localization" in outputs:
        np.testing.assert_allclose(outputs["localization"].sum(-1), mask, atol=1e-5)
    if "global_attention" in outputs:
        curve = outputs["global_attention"]
        assert curve.shape == mask.shape
        assert (probs <= curve[:, :, None]).all() and not curve[~mask].any()


@pytest.mark.parametrize(("name", "rows"), LENGTHS)
def test_a_padded_clip_gives_the_answer_of_the_clip_alone(name, rows):
    architecture, network = unchanged(name)
    alone = features(name, rows, 1)
    noise = 5 * features(name, 131 if name == "tlweak" else 19, 1)
    one = numpy(network(inputs(alone, rows)))
    two = numpy(network(inputs(np.concatenate([alone, noise], 1), rows)))
    segments = architecture.num_segments(rows)
    for key in one:
        if one[key].ndim == 2 and key != "mask" and key != "global_attention":
            np.testing.assert_allclose(two[key], one[key], atol=1e-5)
        else:
            np.testing.assert_allclose(two[key][:, :segments], one[key], atol=1e-5)
            assert not two[key][:, segments:].any()


@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_reach_the_statistics_of_a_training_step(name):
    rows = ROWS[name] + 1
    clip = features(name, rows)

    def after_a_step(pad):
        _, network = make(name)
        values = np.pad(clip, ((0, 0), (0, pad), (0, 0)), constant_values=9.0)
        network(inputs(values, rows, rows // 3), training=True)
        return network.get_weights()

    start, alone = make(name)[1].get_weights(), after_a_step(0)
    assert any((one != two).any() for one, two in zip(start, alone))
    for one, two in zip(alone, after_a_step(ROWS[name] // 2)):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_saves_and_loads(name, tmp_path):
    architecture, network = unchanged(name)
    x = inputs(features(name, ROWS[name]), ROWS[name], 9)
    network.save(tmp_path / "model.keras")
    whole = keras.models.load_model(tmp_path / "model.keras")
    again = architecture.build()
    again.load_weights(tmp_path / "model.keras")
    for other in (whole, again):
        for key, value in numpy(network(x)).items():
            np.testing.assert_array_equal(other(x)[key], value)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_answers_nearly_alike_in_float32(name):
    _, network = make(name)
    _, mixed = make(name, precision="bfloat16")
    mixed.set_weights(network.get_weights())
    # soft, as a net is whose normalisation has not seen anything yet
    x = inputs(0.3 * features(name, ROWS[name]), ROWS[name], ROWS[name] // 2)
    one, two = numpy(network(x)), mixed(x)
    for key in ("clip_probs", "segment_probs", "attention"):
        assert two[key].dtype == "float32"
        np.testing.assert_allclose(one[key], two[key], atol=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_trainable_weight(name):
    # not in training mode, where normalisation hides the bias of a convolution
    _, network = unchanged(name)
    rows = ROWS[name]
    x = inputs(features(name, rows, 4), rows, rows, rows // 2, rows)
    weak = (RNG.random((4, C)) < 0.5).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = losses.prediction_loss(weak, network(x)["clip_probs"])
    weights = network.trainable_weights
    for weight, gradient in zip(
        weights, tape.gradient(loss, [w.value for w in weights])
    ):
        assert gradient is not None and np.abs(gradient).max() > 0, weight.path


def toy(name):
    """Four clips; each of the classes 0 to 3 is loud in bands of its own in one."""
    rows = ROWS[name]
    x = 0.1 * features(name, rows, 4)
    weak = np.zeros((4, C), np.float32)
    for i in range(4):
        x[i, rows // 4 : -rows // 4, 12 * i : 12 * i + 12] += 2.0
        weak[i, i] = 1
    return inputs(x, rows, rows, rows - 2, rows), weak


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_lower_the_loss(name):
    _, network = make(name)
    model = weak_model.WeakModel(network)
    # so few steps do not pay for a graph
    model.compile(optimizer=keras.optimizers.Adam(1e-2), run_eagerly=True)
    x, weak = toy(name)
    logs = [model.train_on_batch(x, weak, return_dict=True) for _ in range(6)]
    terms = {"loss_pred", "loss_micro"} if name == "mmnet_ms" else {"loss_pred"}
    assert set(logs[0]) == {"loss"} | terms
    for term in logs[0]:
        # logged are the means over the steps so far
        assert logs[-1][term] < 0.9 * logs[0][term]


# Where segments lie: (layer that gives them, in a net that averages what it reads)


@pytest.mark.parametrize(
    ("name", "layer", "rows", "segment"),
    [
        ("gated_crnn", "L9", 40, 20),
        ("tlweak", "L8-a", 704, 4),
        ("resnet_att", "L8-b", 320, 10),
        ("mmnet_ms", "L8-a_micro3", 320, 10),
    ],
)
def test_grid_is_the_real_receptive_field(name, layer, rows, segment):
    architecture, network = make(name, width=0.01, classes=1)
    for part in network.layers:
        if hasattr(part, "kernel"):
            fan_in = np.prod(part.kernel.shape[:-1])
            part.kernel.assign(np.full(part.kernel.shape, 1 / fan_in))
    inner = keras.Model(network.input, network.get_layer(layer).output)
    grid = architecture.grid
    hop, window = architecture.input.hop_seconds, architecture.input.window_seconds
    middle = grid.offset_seconds + (segment + 0.5) * grid.hop_seconds
    field = (grid.receptive_field_seconds - window) / hop + 1
    first = (middle - window / 2) / hop - (field - 1) / 2
    last = first + field - 1
    # whole frames, all inside the clip
    assert first == pytest.approx(round(first), abs=1e-6) and first > 1
    assert last == pytest.approx(round(last), abs=1e-6) and last < rows - 2
    frames = [round(first) - 1, round(first), round(last), round(last) + 1]
    x = np.ones((5, rows, BANDS[name]), np.float32)
    x[np.arange(4), frames] += 300  # the fifth stays as it is
    out = np.array(inner(inputs(x, *[rows] * 5)))[:, segment].reshape(5, -1)
    moved = np.abs(out[:4] - out[4]).max(1) > 1e-5 * np.abs(out[4]).max()
    assert moved.tolist() == [False, True, True, False]


# tlweak and gated_crnn against nets of plain Keras layers without masks


def copy_weights(network, other):
    for layer in other.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())


def test_tlweak_is_the_published_stack():
    architecture, network = unchanged("tlweak")
    x = keras.Input((None, 128))
    hidden = plain.Reshape((-1, 128, 1))(x)
    for name, filters in zip(
        "B1a B1b B2a B2b B3a B3b B4a B4b B5a B5b B6a".split(),
        (1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32),  # a sixteenth of the published
    ):
        hidden = plain.Conv2D(filters, 3, padding="same", name=name)(hidden)
        hidden = plain.BatchNormalization(name=f"{name}_norm")(hidden)
        hidden = plain.ReLU()(hidden)
        if name.endswith("b") or name == "B6a":
            hidden = plain.MaxPooling2D(2)(hidden)
    hidden = plain.Conv2D(64, 2, name="F1")(hidden)
    hidden = plain.ReLU()(plain.BatchNormalization(name="F1_norm")(hidden))
    hidden = plain.Reshape((-1, 64))(hidden)
    probs = plain.Dense(C, activation="sigmoid", name="L8-a")(hidden)
    other = keras.Model(x, probs)
    copy_weights(network, other)
    values = features("tlweak", 300)
    expected = np.array(other(values))
    assert expected.shape == (2, architecture.num_segments(300), C) == (2, 3, C)
    found = numpy(network(inputs(values, 300, 300)))
    np.testing.assert_allclose(found["segment_probs"], expected, atol=1e-5)
    np.testing.assert_allclose(found["clip_probs"], expected.mean(1), atol=1e-5)


def test_gated_crnn_is_the_published_stack():
    _, network = unchanged("gated_crnn")
    x = keras.Input((None, 64))
    hidden = plain.Reshape((-1, 64, 1))(x)
    for number in range(1, 9):
        name = f"L{number}"
        hidden = plain.Conv2D(8, 3, padding="same", use_bias=False, name=name)(hidden)
        hidden = plain.BatchNormalization(name=f"{name}_norm")(hidden)
        gate = plain.Activation("sigmoid")(hidden[..., 4:])
        hidden = plain.Multiply()([hidden[..., :4], gate])
        if number % 2 == 0:
            hidden = plain.MaxPooling2D((1, 2))(hidden)
    hidden = plain.Conv2D(16, 3, padding="same", activation="relu", name="L9")(hidden)
    hidden = plain.MaxPooling2D((1, 4))(hidden)
    hidden = plain.Reshape((-1, 16))(hidden)
    gru = {"reset_after": False, "return_sequences": True}
    hidden = plain.Multiply()(
        [
            plain.Bidirectional(
                plain.GRU(8, activation=kind, **gru), name=f"L10_{kind}"
            )(hidden)
            for kind in ("linear", "sigmoid")
        ]
    )
    probs = plain.Dense(C, activation="sigmoid", name="L8-a")(hidden)
    shares = plain.Dense(C, activation="softmax", name="L8-b")(hidden)
    other = keras.Model(x, [probs, shares])
    copy_weights(network, other)
    values = features("gated_crnn", 20)
    probs, shares = (np.array(v) for v in other(values))
    found = numpy(network(inputs(values, 20, 20)))
    np.testing.assert_allclose(found["segment_probs"], probs, atol=1e-5)
    np.testing.assert_allclose(found["localization"], shares, atol=1e-5)
    expected = (probs * shares).sum(1) / shares.sum(1)
    np.testing.assert_allclose(found["clip_probs"], expected, atol=1e-5)


def test_tlweak_counts_whole_windows():
    counts = tf.constant([1, 63, 64, 127, 128, 191, 192, 256])
    mask = tlweak.WholeWindowsMask(64)(counts, np.zeros((8, 5, 1)))
    assert np.sum(mask, 1).tolist() == [1, 1, 1, 1, 2, 2, 3, 4]
    pairs = tlweak.WholeWindowsMask(64, 2)(counts, np.zeros((8, 5, 1)))
    assert pairs.shape == (8, 4)
    assert np.sum(pairs, 1).tolist() == [1, 1, 1, 1, 1, 1, 2, 3]
    expected = [create("tlweak", 1).num_segments(int(n)) for n in counts]
    assert np.sum(pairs, 1).tolist() == expected


def test_tlweak_short_clips_are_as_if_followed_by_mean_frames():
    _, network = unchanged("tlweak")
    clip = features("tlweak", 64, 1)
    padded = np.pad(clip, ((0, 0), (0, 64), (0, 0)))
    one = numpy(network(inputs(clip, 64)))
    two = numpy(network(inputs(padded, 64)))
    np.testing.assert_allclose(one["clip_probs"], two["clip_probs"], atol=1e-6)


def test_gated_linear_unit():
    # 3 * sigmoid(0) = 1.5, -2 * sigmoid(log 3) = -2 * 3 / 4
    values = np.array([[3.0, -2.0, 0.0, np.log(3.0)]], np.float32)
    np.testing.assert_allclose(
        gated_crnn.GatedLinearUnit()(values), [[1.5, -1.5]], rtol=1e-6
    )


# Attentional supervision

MASK = np.array([[True] * 6, [True, True, True, True, False, False]])


def test_micro_loss_is_the_weighted_segment_cross_entropy():
    logits = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    weights = RNG.random((2, 6)).astype(np.float32) * MASK
    weights /= weights.sum(1, keepdims=True)
    weak = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
    costs = micro_costs.MicroCosts()(logits, weights, MASK)
    found = losses.micro_loss(weak, costs["present"], costs["absent"])
    # the clip's labels on every segment; weight T A_t where present, 1 where absent;
    # the mean over the T valid segments, the sum over classes
    expected = np.zeros(2)
    for b in range(2):
        steps = int(MASK[b].sum())
        for t in range(steps):
            for c in range(3):
                p = 1 / (1 + np.exp(-logits[b, t, c]))
                y = weak[b, c]
                weight = steps * weights[b, t] if y else 1.0
                expected[b] -= weight * np.log(p if y else 1 - p) / steps
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # between two labels a soft one costs what lies between
    soft = losses.micro_loss(0.5 * weak, costs["present"], costs["absent"])
    none = losses.micro_loss(0.0 * weak, costs["present"], costs["absent"])
    np.testing.assert_allclose(soft, (expected + np.array(none)) / 2, rtol=1e-5)


def test_micro_loss_trains_segments_and_not_their_attention():
    _, network = make("mmnet_ms")
    x, weak = toy("mmnet_ms")
    model = weak_model.WeakModel(network)
    with tf.GradientTape() as tape:
        loss = model.compute_terms(x, weak, model(x, training=True))["loss_micro"]
    weights = network.trainable_weights
    gradients = tape.gradient(loss, [w.value for w in weights])
    reached = {
        w.path.split("/")[0]
        for w, g in zip(weights, gradients)
        if g is not None and np.abs(g).max() > 0
    }
    assert {f"L8-a_micro{i}" for i in (1, 2, 3)} | {"R0", "R4b"} <= reached
    assert not {n for n in reached if "attention" in n or "macro" in n or n == "L8-a"}


def test_a_loaded_network_is_trained_by_its_micro_loss_too(tmp_path):
    _, network = unchanged("mmnet_ms")
    network.save(tmp_path / "model.keras")
    x, weak = toy("mmnet_ms")
    terms = [
        model.compute_terms(x, weak, model(x))
        for model in (
            weak_model.WeakModel(network),
            weak_model.WeakModel(keras.models.load_model(tmp_path / "model.keras")),
        )
    ]
    assert set(terms[1]) == {"loss_pred", "loss_micro"}
    for name, value in terms[0].items():
        np.testing.assert_array_equal(terms[1][name], value)


def test_what_is_served_has_no_costs(tmp_path):
    # the traced function alone; writing the SavedModel takes a quarter of a minute
    architecture, network = unchanged("mmnet_ms")
    decoding = plain_decoding(architecture.num_classes)
    served = serving._Served(network, architecture.grid, decoding, tmp_path)
    x = inputs(features("mmnet_ms", 40), 40, 20)
    answer = tf.function(served.answer)(**{k: tf.constant(v) for k, v in x.items()})
    names = {"clip_probs", "segment_probs", "attention"}
    assert set(answer) == names | {"event_scores", "segment_times"}
    expected = network(x)
    for name in names:
        np.testing.assert_allclose(answer[name], expected[name], atol=1e-6)


def test_untrained_heads_for_clips_and_segments_answer_frequencies():
    architecture, network = make("mmnet_ms")
    layers.start_at_frequencies(
        network, architecture.class_layers, np.array([0, 1, 3, 6, 8]), 9
    )
    # (n + 0.5) / (N + 1)
    frequency = np.array([0.05, 0.15, 0.35, 0.65, 0.85])
    for name in ("L8-a", "L8-a_micro1", "L8-a_micro2", "L8-a_micro3"):
        bias = network.get_layer(name).bias.numpy()
        np.testing.assert_allclose(1 / (1 + np.exp(-bias)), frequency, rtol=1e-5)
    rows = 40
    silent = inputs(np.zeros((1, rows, 64), np.float32), rows)
    # of silence every layer gives its bias alone, which is 0 before the heads
    np.testing.assert_allclose(network(silent)["clip_probs"], [frequency], rtol=1e-5)


def test_channel_attention_is_the_mean_of_softmaxes():
    logits = RNG.normal(size=(2, 6, 4)).astype(np.float32)
    shares = np.exp(logits) * MASK[:, :, None]
    shares = (shares / shares.sum(1, keepdims=True)).mean(-1)
    found = micro_costs.ChannelAttention()(logits, MASK)
    np.testing.assert_allclose(found, shares, atol=1e-6)
    assert not np.array(found)[~MASK].any()


def test_coarsen():
    # steps 1 2 3 4 5 by pairs: means 1.5, 3.5 and 5 alone; with 3 valid: 1.5, 3, none
    probs = np.tile(np.arange(1.0, 6.0)[None, :, None], (2, 1, 1)).astype(np.float32)
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    attention = np.array([[0.1, 0.2, 0.3, 0.3, 0.1], [0.5, 0.2, 0.3, 0, 0]], "float32")
    found = numpy(micro_costs.Coarsen(2)(probs, attention, mask))
    np.testing.assert_allclose(found["probs"][:, :, 0], [[1.5, 3.5, 5], [1.5, 3, 0]])
    np.testing.assert_allclose(
        found["attention"], [[0.3, 0.6, 0.1], [0.7, 0.3, 0]], rtol=1e-6
    )
