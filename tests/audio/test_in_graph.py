"""Reading audio inside a graph: the same as `read_audio`, or refused."""

import struct
import sys
import types

import numpy as np
import pytest
import soundfile as sf
import tensorflow as tf
from sounds import cut, noise, noisy_wav, tone_level_db

from tfweak.audio import in_graph, reading


@pytest.fixture(scope="module")
def compiled():
    return tf.function(
        in_graph.read_audio_in_graph, input_signature=[tf.TensorSpec([], tf.string)]
    )


@pytest.fixture(params=["not installed", "library does not load"])
def no_tensorflow_io(request, monkeypatch):
    """As without the extra, or with TensorFlow 2.17, where each of its ops raises."""

    def encode_wav(*_):
        raise NotImplementedError("unable to open file: libtensorflow_io.so")

    broken = types.SimpleNamespace(audio=types.SimpleNamespace(encode_wav=encode_wav))
    monkeypatch.setitem(
        sys.modules,
        "tensorflow_io",
        None if request.param == "not installed" else broken,
    )
    in_graph._tensorflow_io.cache_clear()
    yield
    in_graph._tensorflow_io.cache_clear()


def native():
    if in_graph._tensorflow_io() is None:
        pytest.skip("TensorFlow I/O's library does not load here")


KINDS = [
    ("a.wav", "PCM_16", 1),
    ("a.wav", "PCM_24", 2),
    ("a.ogg", "VORBIS", 3),
    # TensorFlow I/O reads these wrongly, not at all, or ends the process
    ("a.flac", "PCM_16", 0),
    ("a.flac", "PCM_24", 0),
    ("a.wav", "PCM_32", 0),
    ("a.wav", "PCM_U8", 0),
    ("a.wav", "FLOAT", 0),
    ("a.wav", "DOUBLE", 0),
    ("a.wav", "ULAW", 0),
    ("a.flac", "PCM_S8", 0),
    ("a.mp3", None, 0),
    ("a.aiff", "PCM_16", 0),
]


@pytest.mark.parametrize("name,subtype,kind", KINDS)
def test_graph_reads_the_same(tmp_path, compiled, name, subtype, kind):
    path = str(tmp_path / name)
    sf.write(path, noise(20000, 2), 16000, subtype=subtype)
    found_kind, rate = in_graph._sniff(tf.io.read_file(path))
    assert int(found_kind) == kind
    if kind:
        assert int(rate) == 16000
    tolerance = 1e-6 if subtype == "VORBIS" else 0  # two builds of libvorbis
    np.testing.assert_allclose(
        compiled(path).numpy(), reading.read_audio(path), rtol=0, atol=tolerance
    )


def test_tensorflow_io_is_used_where_it_loads():
    # the pinned combination; on it a fall-back would go unnoticed
    if not tf.__version__.startswith("2.16.") or sys.version_info >= (3, 12):
        pytest.skip("TensorFlow I/O 0.37.1 loads with TensorFlow 2.16 only")
    assert in_graph._tensorflow_io() is not None


@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_graph_sniffs_rates(tmp_path, name, rate):
    sf.write(tmp_path / name, noise(2000), rate)
    found = in_graph._sniff(tf.io.read_file(str(tmp_path / name)))[1]
    assert int(found) == rate


def test_graph_resampler_is_as_documented(tmp_path, compiled):
    native()
    path = str(tmp_path / "a.wav")
    time = np.arange(44100) / 44100
    sf.write(path, np.exp(-0.5 * ((time - 0.5) / 0.002) ** 2), 44100, subtype="PCM_16")
    ours, theirs = reading.read_audio(path), compiled(path).numpy()
    assert len(theirs) == 16000
    assert np.argmax(np.correlate(theirs, ours, "full")) - 15999 == 32
    for hertz, level, tolerance in ((7000, -0.41, 0.02), (7500, -11, 0.1)):
        sf.write(path, 0.9 * np.sin(2 * np.pi * hertz * time), 44100, subtype="PCM_16")
        found = tone_level_db(compiled(path).numpy()) - 20 * np.log10(0.9)
        assert found == pytest.approx(level, abs=tolerance)


def test_graph_works_in_a_parallel_pipeline(tmp_path):
    paths = []
    for i, name in enumerate(["a.wav", "b.flac", "c.mp3", "d.wav"]):
        paths.append(str(tmp_path / name))
        sf.write(paths[-1], noise(1000 * (i + 1), seed=i), 16000)
    data = tf.data.Dataset.from_tensor_slices(paths).map(
        in_graph.read_audio_in_graph, num_parallel_calls=2
    )
    assert data.element_spec == tf.TensorSpec([None], tf.float32)
    for path, found in zip(paths, data.as_numpy_iterator()):
        np.testing.assert_array_equal(found, reading.read_audio(path))


def test_broken_files_fail_the_pipeline_by_name(tmp_path):
    # a cut WAV would end the dataset without a word, were it left to TensorFlow I/O
    sf.write(tmp_path / "cut.wav", noise(4000), 16000)
    cut(tmp_path / "cut.wav", 0.5)
    sf.write(tmp_path / "cut.flac", noise(40000), 16000)
    cut(tmp_path / "cut.flac", 0.5)
    sf.write(tmp_path / "nothing.wav", np.zeros(0), 16000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "short.wav").write_bytes(b"RIFF" + struct.pack("<I", 4) + b"WAVE")
    sf.write(tmp_path / "holed.ogg", noise(160000), 16000)
    holed = bytearray((tmp_path / "holed.ogg").read_bytes())
    holed[len(holed) // 2] ^= 1
    (tmp_path / "holed.ogg").write_bytes(holed)
    noisy_wav(tmp_path / "slow.wav", at24=("<I", 1))
    for name in (
        "holed.ogg",
        "slow.wav",
        "cut.wav",
        "cut.flac",
        "nothing.wav",
        "empty.wav",
        "short.wav",
        "none.wav",
    ):
        data = tf.data.Dataset.from_tensors(str(tmp_path / name)).map(
            in_graph.read_audio_in_graph
        )
        with pytest.raises(tf.errors.OpError) as caught:
            list(data)
        assert not isinstance(caught.value, tf.errors.OutOfRangeError)
        if name != "cut.flac":
            assert name in str(caught.value)


def test_graph_falls_back_without_tensorflow_io(tmp_path, no_tensorflow_io):
    path = str(tmp_path / "a.wav")
    sf.write(path, noise(44100, 2), 44100)
    found = tf.function(in_graph.read_audio_in_graph)(tf.constant(path))
    # resampled by soxr now, so equal at another rate too
    np.testing.assert_array_equal(found.numpy(), reading.read_audio(path))
