"""VGGish: its embeddings, their bytes, and sources that cannot be used.

The network's weights are those of the stand-in of conftest.py, which computes its own
answers with TensorFlow's operations; vggish_oracle.py does in NumPy.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import tensorflow as tf
import vggish_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from made import VggishStandIn

from tfweak.errors import InputError
from tfweak.extractor import create_extractor
from tfweak.extractors.vggish import network as vggish_network
from tfweak.extractors.vggish import pca as vggish_pca

RATE = 16000


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="session")
def network(vggish_saved):
    return vggish_network.Vggish.load(f"hub:{vggish_saved}")


@pytest.fixture(scope="module")
def pca(tmp_path_factory):
    """PCA parameters that spread the stand-in's embeddings over all bytes."""
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("pca") / vggish_pca.PCA_NAME
    vectors = np.linalg.qr(rng.standard_normal((128, 128)))[0] * 1.5
    means = 0.3 * rng.standard_normal((128, 1))
    np.savez(path, pca_eigen_vectors=vectors, pca_means=means)
    return path


# --- embeddings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds, rows",
    [
        (0.975, 1),  # 15600 samples, 96 frames
        (1.934, 1),  # 191 frames
        (1.935, 2),  # 192 frames
        (3, 3),  # 298 frames
        (10, 10),  # 998 frames: 960 are used
    ],
)
def test_embeddings_are_the_sources_own(network, vggish_stand_in, seconds, rows):
    waveform = noise(seconds)
    ours = network.embed(waveform)
    assert ours.shape == (rows, 128) and ours.dtype == np.float32
    np.testing.assert_allclose(ours, vggish_stand_in(waveform), atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 160, 15360, 15599])
def test_short_clips_are_padded_with_zeros_to_one_row(network, samples):
    # 0.96 s are 15360 samples, 1 + (15360 - 400) // 160 = 94 frames: no whole patch
    waveform = noise(1)[:samples]
    padded = np.concatenate([waveform, np.zeros(15600 - samples, np.float32)])
    ours = network.embed(waveform)
    assert ours.shape == (1, 128)
    np.testing.assert_array_equal(ours, network.embed(padded))


def test_embeddings_are_those_of_the_published_description(network, vggish_stand_in):
    waveform = vggish_oracle.chirp_and_noise()
    expected = vggish_oracle.embeddings(waveform, vggish_stand_in.arrays)
    assert expected.shape == (2, 128)  # 198 frames
    # the two patches differ, and a ReLU after the last layer would show
    assert np.abs(expected[0] - expected[1]).max() > 0.1 and expected.min() < -0.1
    np.testing.assert_allclose(network.embed(waveform), expected, atol=1e-4)
    np.testing.assert_allclose(vggish_stand_in(waveform), expected, atol=1e-4)


def test_a_long_clip_in_batches_is_its_pieces(network, monkeypatch):
    waveform = noise(6)
    whole = network.embed(waveform)
    monkeypatch.setattr(vggish_network, "_BATCH_PATCHES", 4)
    np.testing.assert_allclose(network.embed(waveform), whole, atol=1e-4)
    second = waveform[15360 : 15360 + 15600]
    np.testing.assert_allclose(network.embed(second)[0], whole[1], atol=1e-4)


def test_one_row_alone_is_one_of_two(vggish_stand_in):
    """A product of a single row takes another way, which depends on the threads."""
    layers = {
        name: vggish_stand_in.arrays(name) for name in vggish_network.FULLY_CONNECTED
    }
    hidden = np.random.default_rng(0).standard_normal((2, 6, 4, 512), np.float32)
    alone = vggish_network.fully_connected(tf.constant(hidden[:1]), layers)
    both = vggish_network.fully_connected(tf.constant(hidden), layers)
    assert alone.shape == (1, 128)
    np.testing.assert_array_equal(alone[0], both[0])


def test_a_checkpoint_has_the_fingerprint_of_its_hub(
    network, vggish_saved, vggish_checkpoint, vggish_stand_in
):
    other = vggish_network.Vggish.load(f"checkpoint:{vggish_checkpoint}")
    assert other.fingerprint == network.fingerprint and len(other.fingerprint) == 64
    np.testing.assert_array_equal(other.embed(noise(2)), network.embed(noise(2)))
    changed = {name: (k, b.copy()) for name, (k, b) in other.layers.items()}
    changed["fc2"][1][0] += 1e-3
    assert vggish_network.Vggish(changed, "x").fingerprint != network.fingerprint


def test_an_older_copy_that_ends_in_a_relu_passes_the_proof(network):
    vggish_network.prove(network.reference, np.maximum(network.reference, 0), "old")
    with pytest.raises(InputError, match="differ by up to 0.001"):
        vggish_network.prove(network.reference, network.reference + 0.001, "new")


def test_a_hub_that_computes_something_else_is_refused(vggish_stand_in, tmp_path):
    wrong = VggishStandIn(scale=1.5, like=vggish_stand_in)
    tf.saved_model.save(wrong, str(tmp_path / "wrong"))
    with pytest.raises(InputError, match="wrong: our layers .* differ by up to"):
        vggish_network.Vggish.load(f"hub:{tmp_path / 'wrong'}")


@pytest.mark.parametrize(
    "source, message",
    [
        ("run:x", "one of hub, hub:HANDLE_OR_PATH, checkpoint:PATH"),
        ("", "one of hub"),
        ("checkpoint:", "needs a path"),
        ("checkpoint:/nowhere/vggish_model.ckpt", "no checkpoint there"),
        ("hub:/nowhere", "/nowhere: cannot be loaded .* go on offline"),
    ],
)
def test_sources_that_cannot_be_had(source, message):
    with pytest.raises(InputError, match=message):
        vggish_network.Vggish.load(source)


def test_a_file_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "vggish_model.ckpt"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        vggish_network.Vggish.load(f"checkpoint:{path}")


def test_the_default_handle_from_the_cache(
    network, vggish_saved, tmp_path, monkeypatch
):
    """Without a network, from TFHUB_CACHE_DIR, whose folders are SHA-1 of handles."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    name = hashlib.sha1(b"https://tfhub.dev/google/vggish/1").hexdigest()
    (tmp_path / name).symlink_to(vggish_saved)
    assert vggish_network.Vggish.load("hub").fingerprint == network.fingerprint


def test_the_handle_of_a_source():
    assert vggish_network.parse("hub") == ("hub", "https://tfhub.dev/google/vggish/1")
    assert vggish_network.parse("hub:/a:b") == ("hub", "/a:b")


# --- bytes ---------------------------------------------------------------------------


def identity_pca(means=0.0):
    return vggish_pca.PostProcessor(np.eye(128), np.full(128, means))


def test_bytes_by_hand():
    # (x + 2) * 63.75, truncated: -2 -> 0, 0 -> 127.5, 1 -> 191.25, 2 -> 255; outside
    # clipped; -1.9999 -> 0.006
    row = np.zeros((1, 128))
    row[0, :6] = -2, -7, 1, 2, 99, -1.9999
    found = identity_pca()(row)
    assert found.dtype == np.uint8
    assert found[0, :8].tolist() == [0, 0, 191, 255, 255, 0, 127, 127]
    # the mean is taken off before: 1 - 0.5 = 0.5 -> 159.375
    assert identity_pca(0.5)(np.ones((1, 128)))[0, 0] == 159


def test_the_matrix_multiplies_from_the_left():
    vectors = np.zeros((128, 128))
    vectors[3, 7] = 2.0  # component 3 is twice embedding value 7
    row = np.zeros((1, 128))
    row[0, 7] = 0.5
    found = vggish_pca.PostProcessor(vectors, np.zeros(128))(row)
    assert found[0, 3] == 191 and found[0, 7] == 127


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_bytes_against_plain_loops(seed, column):
    rng = np.random.default_rng(seed)
    vectors, means = rng.standard_normal((128, 128)) / 8, rng.standard_normal(128)
    rows = rng.standard_normal((3, 128)).astype(np.float32)
    found = vggish_pca.PostProcessor(vectors, means[:, None] if column else means)(rows)
    for i in range(3):
        for k in (0, 5, 127):
            terms = [vectors[k, j] * (float(rows[i, j]) - means[j]) for j in range(128)]
            x = min(2.0, max(-2.0, math.fsum(terms)))
            exact = (x + 2) * 255 / 4
            if abs(exact - round(exact)) > 1e-9:  # else rounding decides
                assert found[i, k] == math.floor(exact)


def test_reading_the_parameters(tmp_path, pca):
    with np.load(pca) as stored:
        same = vggish_pca.PostProcessor(
            stored["pca_eigen_vectors"], stored["pca_means"]
        )
    read = vggish_pca.PostProcessor.read(pca)
    assert read.fingerprint == same.fingerprint != identity_pca().fingerprint
    rows = np.random.default_rng(0).standard_normal((2, 128))
    np.testing.assert_array_equal(read(rows), same(rows))
    path = tmp_path / "wrong.npz"
    eye, zeros = np.eye(128), np.zeros(128)
    for content, message in (
        ({"x": eye}, "expected vggish_pca_params.npz"),
        ({"pca_eigen_vectors": eye}, "pca_means"),
        ({"pca_eigen_vectors": eye[:64], "pca_means": zeros}, r"\(64, 128\)"),
        ({"pca_eigen_vectors": eye, "pca_means": zeros[:3]}, r"\(3,\)"),
        ({"pca_eigen_vectors": eye * np.nan, "pca_means": zeros}, "NaN"),
        (
            {"pca_eigen_vectors": np.array([None]), "pca_means": zeros},
            "no PCA parameters",
        ),
    ):
        np.savez(path, **content)
        with pytest.raises(InputError, match=message) as caught:
            vggish_pca.PostProcessor.read(path)
        assert "wrong.npz" in str(caught.value)
    np.save(tmp_path / "one.npy", eye)
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "empty.npz").touch()
    for name in ("one.npy", "text.npz", "empty.npz", "none.npz"):
        with pytest.raises(InputError, match=f"{name}: no PCA parameters"):
            vggish_pca.PostProcessor.read(tmp_path / name)


# --- as an extractor -----------------------------------------------------------------


@pytest.mark.parametrize("with_pca", [False, True])
def test_in_graph_it_embeds_as_it_does_outside(network, pca, with_pca, monkeypatch):
    monkeypatch.setattr(vggish_network.Vggish, "load", lambda source: network)
    settings = {"pca": str(pca)} if with_pca else {}
    extractor = create_extractor("vggish:hub:anywhere", settings)
    waveform = noise(0.975 + 2 * 0.96, seed=3)
    outside = extractor.embed(waveform).astype(np.float32)
    inside = extractor.embed_windows(tf.constant(waveform)).numpy()
    assert inside.shape == outside.shape == (3, 128)
    if with_pca:
        assert extractor.dtype == "uint8" and set(inside.ravel()) <= set(range(256))
        np.testing.assert_allclose(inside, outside, atol=1)
        assert np.mean(inside == outside) > 0.98
    else:
        np.testing.assert_allclose(inside, outside, atol=1e-4)
    # the grid of windows and hops is the patches'
    for samples in (1, 15599, 15600, 30959, 30960, 160000):
        assert extractor.num_rows(samples) == len(network.embed(np.zeros(samples)))


def test_the_published_parameters_come_from_the_cache(pca, tmp_path, monkeypatch):
    def offline(url, timeout):
        raise OSError("no network")

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(vggish_pca.urllib.request, "urlopen", offline)
    with pytest.raises(InputError, match="To go on offline, download it .*/cache"):
        vggish_pca.PostProcessor.read(vggish_pca.PUBLISHED)
    asked = []

    def answer(url, timeout):
        asked.append(url)
        return open(pca, "rb")

    monkeypatch.setattr(vggish_pca.urllib.request, "urlopen", answer)
    expected = vggish_pca.PostProcessor.read(pca).fingerprint
    for _ in range(2):  # the second time without asking
        read = vggish_pca.PostProcessor.read(vggish_pca.PUBLISHED)
        assert read.fingerprint == expected
    assert asked == [vggish_pca.PUBLISHED]
