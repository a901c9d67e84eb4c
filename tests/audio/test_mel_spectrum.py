"""The log-mel front end in NumPy and as a layer, and its 8-bit form."""

import dataclasses
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import vggish_oracle

from tfweak.audio import mel_spectrum
from tfweak.audio.front_end_layer import FrontEndLayer
from tfweak.audio.mel_spectrum import LogMelConfig, log_mel
from tfweak.errors import InputError

CONFIG = LogMelConfig()
TIME = np.arange(160000) / 16000


def dequantised(stored):
    """uint8 back to log-mel, as the input pipeline does."""
    step, low = mel_spectrum.quantiser_affine(CONFIG)
    return stored.astype(np.float32) * np.float32(step) + np.float32(low)


def waveform(kind, num_samples=160000):
    time = np.arange(num_samples) / 16000
    made = {
        "noise": lambda: np.random.default_rng(0).uniform(-1, 1, num_samples),
        "low tone": lambda: np.sin(2 * np.pi * 100.3 * time),
        "tone": lambda: 0.3 * np.sin(2 * np.pi * 1000 * time),
        "high tone": lambda: np.sin(2 * np.pi * 6000.3 * time),
        "silence": lambda: np.zeros(num_samples),
        "click": lambda: np.eye(1, num_samples, num_samples // 2)[0],
        "chirp": lambda: vggish_oracle.chirp_and_noise(num_samples / 16000),
    }
    return made[kind]().astype(np.float32)


WAVEFORMS = ["noise", "low tone", "tone", "high tone", "silence", "click", "chirp"]


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_every_frame_is_as_vggishs_description_has_it(kind):
    found = log_mel(waveform(kind, 32000))
    expected = vggish_oracle.log_mel(waveform(kind, 32000))
    assert found.shape == (198, 64)  # 1 + floor((32000 - 400) / 160)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_mel_matrix_by_hand():
    # mel(125) = 185.17, mel(7500) = 2773.33, a 65th of the way 39.818. A bin is
    # 31.25 Hz, so 125 Hz is bin 4 and 7500 Hz bin 240: both feet, with weight 0.
    for matrix in (mel_spectrum.mel_matrix(CONFIG), vggish_oracle.mel_weights()):
        # 1e-6: a foot that lies on a bin is 0 but for rounding
        rows = [np.flatnonzero(column > 1e-6) for column in matrix.T]
        # Band 0 from bin 4 over 4.949 (224.99 mel) to 5.933 (264.81 mel): bin 5 alone,
        # mel(156.25) = 227.07, (264.81 - 227.07) / 39.818 = 0.9477
        assert rows[0].tolist() == [5]
        assert matrix[5, 0] == pytest.approx(0.9477, abs=1e-4)
        # Band 1 from 4.949 to 6.950: bins 5 and 6; band 63 from 222.10 to 240
        assert rows[1].tolist() == [5, 6]
        assert (rows[63][0], rows[63][-1]) == (223, 239)
        # a triangle of height 1 has half its base as area: 17.90 / 2 bins
        assert matrix[:, 63].sum() == pytest.approx(8.95, rel=0.01)
        # between the first peak (4.949) and the last (230.89) one triangle falls as
        # the next rises: 226 bins with a sum of 1
        np.testing.assert_allclose(matrix[5:231].sum(axis=1), 1, atol=1e-6)
        assert (matrix[231:240].sum(axis=1) < 0.99).all()
        assert (matrix[:5] < 1e-6).all() and (matrix[240:] < 1e-6).all()
        assert (matrix >= 0).all()


@pytest.mark.parametrize(
    "num_samples,frames",
    [
        (160000, 998),  # 10 s: 1 + floor(159600 / 160) = 1 + 997
        (15600, 96),  # 0.975 s, one VGGish example: 1 + 95
        (400, 1),
        (559, 1),
        (560, 2),
        (399, 0),
        (0, 0),
    ],
)
def test_number_of_frames(num_samples, frames):
    assert CONFIG.num_frames(num_samples) == frames
    found = log_mel(np.zeros(num_samples, np.float32))
    assert found.shape == (frames, 64)
    assert found.dtype == np.float32
    # silence is log(0.01), a golden value that needs no other code
    np.testing.assert_allclose(found, math.log(0.01), rtol=1e-6)


def test_tone_falls_into_its_band():
    # 1000 Hz is 1000.0 mel; 125 Hz is 185.2, 7500 Hz is 2773.6, a 65th between them
    # 39.82: band 19 peaks at 185.2 + 20 * 39.82 = 981.6, band 20 at 1021.5
    found = log_mel(waveform("tone"))
    assert (np.argmax(found, axis=1) == 19).all()


def test_mel_matrix_beside_librosa_and_tensorflow():
    librosa = pytest.importorskip("librosa")
    ours = mel_spectrum.mel_matrix(CONFIG)
    # TensorFlow's is defined as VGGish's is, but computed in float32
    theirs = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)
    # librosa's sides are straight over Hz: same feet and peaks, other values between
    filters = librosa.filters.mel(
        sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None
    ).T
    clear = np.minimum(ours, filters) > 1e-4
    assert (np.maximum(ours, filters)[~clear] < 2e-3).all()  # the feet
    assert 0.001 < np.abs(ours - filters).max() < 0.02
    np.testing.assert_array_equal(ours[0], 0)


def test_other_settings():
    config = LogMelConfig(
        sample_rate_hz=8000,
        window_seconds=0.032,
        hop_seconds=0.016,
        num_mel_bins=40,
        lower_edge_hz=0,
        upper_edge_hz=4000,
        log_offset=1e-3,
    )
    assert (config.window_samples, config.hop_samples, config.fft_length) == (
        256,
        128,
        256,
    )
    found = log_mel(np.zeros(8000, np.float32), config)
    assert found.shape == (61, 40)  # 1 + floor((8000 - 256) / 128)
    np.testing.assert_allclose(found, math.log(1e-3), rtol=1e-6)


@pytest.mark.parametrize(
    "name,value",
    [
        ("sample_rate_hz", 0),
        ("num_mel_bins", 0),
        ("log_offset", 0.0),
        ("window_seconds", -1),
        ("hop_seconds", 0),
        ("hop_seconds", 0.00003),
        ("window_seconds", 0.02503),
        ("lower_edge_hz", -1),
        ("lower_edge_hz", 7500),
        ("upper_edge_hz", 8001),
        ("log_offset", math.nan),
    ],
)
def test_wrong_settings(name, value):
    with pytest.raises(InputError):
        LogMelConfig(**{name: value})


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_parameters_survive_json(dtype):
    config = dataclasses.replace(CONFIG, num_mel_bins=40, log_offset=0.02)
    parameters = json.loads(json.dumps(config.parameters(dtype)))
    assert parameters == config.parameters(dtype)
    assert LogMelConfig.from_parameters(parameters) == config
    # everything that changes a value is in there
    assert config.parameters(dtype) != CONFIG.parameters(dtype)
    assert set(parameters) >= {f.name for f in dataclasses.fields(config)}


def test_foreign_parameters_are_refused():
    with pytest.raises(InputError, match="num_mel_bins"):
        LogMelConfig.from_parameters({"sample_rate_hz": 16000})
    for change in (
        {"front_end": "power-slaney"},
        {"quantiser_high": 5.0},
        {"normalised": True},
    ):
        with pytest.raises(InputError, match="unknown front end"):
            LogMelConfig.from_parameters({**CONFIG.parameters("uint8"), **change})


# --- 8 bits ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_quantiser_error_is_as_documented(kind):
    found = log_mel(waveform(kind))
    stored = mel_spectrum.quantise(found)
    assert stored.dtype == np.uint8
    restored = dequantised(stored)
    assert restored.dtype == np.float32
    # half a step: (6.2 - log 0.01) / 255 / 2 = 10.8052 / 510 = 0.02119
    assert np.abs(restored - found).max() <= 0.0213


def test_quantiser_range():
    low, high = math.log(0.01), mel_spectrum.QUANTISER_HIGH
    np.testing.assert_array_equal(
        mel_spectrum.quantise(np.array([low, high, low - 1, high + 1])),
        [0, 255, 0, 255],
    )
    every = np.arange(256).astype(np.uint8)
    np.testing.assert_array_equal(mel_spectrum.quantise(dequantised(every)), every)
    step, offset = mel_spectrum.quantiser_affine(CONFIG)
    np.testing.assert_allclose(dequantised(every), every * step + offset, atol=1e-5)


def test_no_waveform_leaves_the_quantisers_range():
    # For a given band the loudest waveform within [-1, 1] has the sign of the band's
    # own response at each sample; by Parseval's theorem nothing exceeds 6.173.
    n = np.arange(400)
    loudest = -np.inf
    for hertz in np.geomspace(130, 7400, 60):
        for phase in (0.0, 1.0, 2.0):
            square = np.sign(np.sin(2 * np.pi * hertz * n / 16000 + phase))
            loudest = max(loudest, log_mel(square.astype(np.float32)).max())
    matrix = mel_spectrum.mel_matrix(CONFIG).astype(float)
    energy = 512 * np.sum(mel_spectrum.hann(400) ** 2) / 2  # one side of the spectrum
    bound = np.log(np.sqrt(energy * (matrix**2).sum(axis=0).max()) + 0.01)
    assert bound == pytest.approx(6.173, abs=1e-3)
    assert 5 < loudest < bound < mel_spectrum.QUANTISER_HIGH


# --- the layer ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_layer_agrees_with_numpy(kind):
    found = FrontEndLayer(CONFIG)(waveform(kind)[np.newaxis])
    np.testing.assert_allclose(
        found["features"][0], log_mel(waveform(kind)), rtol=0, atol=1e-5
    )
    np.testing.assert_array_equal(found["num_frames"], [998])


def test_layer_counts_and_masks_each_clip():
    lengths = [16000, 8000, 400, 399, 1]
    batch = np.random.default_rng(0).uniform(-1, 1, (5, 16000)).astype(np.float32)
    found = FrontEndLayer(CONFIG)(batch, np.array(lengths))
    assert found["features"].shape == (5, 98, 64)
    # 1 + floor((8000 - 400) / 160) = 48
    np.testing.assert_array_equal(found["num_frames"], [98, 48, 1, 1, 1])
    for clip, length, frames, count in zip(
        batch, lengths, found["features"].numpy(), found["num_frames"].numpy()
    ):
        alone = np.pad(clip[:length], (0, max(0, 400 - length)))
        np.testing.assert_allclose(frames[:count], log_mel(alone), atol=1e-5)


def test_layer_pads_short_batches_to_a_window():
    short = np.random.default_rng(0).uniform(-1, 1, (2, 100)).astype(np.float32)
    found = FrontEndLayer(CONFIG)(short)
    np.testing.assert_array_equal(found["num_frames"], [1, 1])
    np.testing.assert_allclose(
        found["features"][1], log_mel(np.pad(short[1], (0, 300))), atol=1e-5
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_layer_ignores_the_dtype_policy(policy):
    keras.config.set_dtype_policy(policy)
    try:
        layer = FrontEndLayer(CONFIG)
    finally:
        keras.config.set_dtype_policy("float32")
    found = layer(waveform("noise", 4000)[np.newaxis])["features"]
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found[0], log_mel(waveform("noise", 4000)), atol=1e-5)


def test_layer_round_trips_through_its_config():
    layer = FrontEndLayer(
        dataclasses.replace(CONFIG, num_mel_bins=40), name="front_end"
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.name == "front_end"
    assert copy.config == layer.config
    assert not layer.weights


def test_layer_in_a_functional_model_and_a_saved_model(tmp_path):
    waves = keras.Input((None,), dtype="float32", name="waveforms")
    lengths = keras.Input((), dtype="int32", name="num_samples")
    out = FrontEndLayer(CONFIG)(waves, lengths)
    assert out["features"].shape == (None, None, 64)
    assert out["num_frames"].dtype == "int32"
    assert FrontEndLayer(CONFIG)(keras.Input((16000,)))["features"].shape == (
        None,
        98,
        64,
    )
    model = keras.Model([waves, lengths], out)
    batch = np.stack([waveform("noise", 4000), waveform("tone", 4000)])
    expected = model([batch, np.array([4000, 3000])])

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda w, n: model([w, n]),
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved")).serve
    for found in (
        loaded([batch, np.array([4000, 3000])]),
        served(tf.constant(batch), tf.constant([4000, 3000])),
    ):
        np.testing.assert_allclose(found["features"], expected["features"], atol=1e-5)
        np.testing.assert_array_equal(found["num_frames"], [23, 17])
    # another length than any that was traced
    longer = served(tf.constant(waveform("noise")[np.newaxis]), tf.constant([160000]))
    np.testing.assert_allclose(
        longer["features"][0], log_mel(waveform("noise")), atol=1e-5
    )


def test_layer_in_tf_data():
    layer = FrontEndLayer(CONFIG)
    data = (
        tf.data.Dataset.from_tensor_slices(
            np.stack([waveform("noise", 8000), waveform("tone", 8000)])
        )
        .batch(2)
        .map(layer)
    )
    found = next(data.as_numpy_iterator())
    np.testing.assert_allclose(
        found["features"][1], log_mel(waveform("tone", 8000)), atol=1e-5
    )


def test_numpy_front_end_does_not_load_tensorflow():
    # workers that prepare data import it
    code = (
        "import sys, tfweak.audio.reading, tfweak.audio.mel_spectrum;"
        " sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            check=False,
        ).returncode
        == 0
    )
