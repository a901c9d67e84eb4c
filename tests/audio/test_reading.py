"""Reading audio: every promise of `read_audio`, and the same inside a graph."""

import io
import os
import struct
import sys
import threading
import types

import numpy as np
import pytest
import soundfile as sf
import tensorflow as tf
from conftest import SHARED

from tfweak.audio import reading
from tfweak.errors import InputError


def noise(num_samples, channels=None, seed=0):
    shape = num_samples if channels is None else (num_samples, channels)
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape)


def cut(path, share):
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * share)])


def tone_level_db(waveform):
    middle = waveform[2000:-2000].astype(np.float64)
    return 10 * np.log10(2 * np.mean(middle**2))


# --- read_audio -----------------------------------------------------------------------


def test_wav_at_the_wanted_rate_is_exact(tmp_path):
    samples = np.array([0, 1, -32768, 32767, 16384], np.int16)
    sf.write(tmp_path / "a.wav", samples, 16000)
    found = reading.read_audio(tmp_path / "a.wav")
    assert found.dtype == np.float32
    # int16 to float is a division by 32768
    np.testing.assert_array_equal(
        found, np.array([0, 1 / 32768, -1, 32767 / 32768, 0.5], np.float32)
    )


def test_channels_are_averaged(tmp_path):
    samples = np.array([[0.5, -0.25, 0.125], [0.25, 0.25, 0.25]])
    sf.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    np.testing.assert_allclose(
        reading.read_audio(tmp_path / "a.wav"), [0.125, 0.25], rtol=1e-7
    )


@pytest.mark.parametrize(
    "name",
    ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au", "a.caf", "a.w64", "a.rf64"],
)
def test_formats(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    sf.write(tmp_path / name, tone, 16000, format=name[2:].upper())
    found = reading.read_audio(tmp_path / name)
    assert found.shape == (16000,)
    tolerance = 0.02 if name[2:] in ("ogg", "mp3") else 1e-4  # lossy, or 16 bits
    assert np.abs(found - tone)[1000:-1000].max() < tolerance


def test_opus(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    sf.write(tmp_path / "a.opus", tone, 48000, format="OGG", subtype="OPUS")
    assert abs(len(reading.read_audio(tmp_path / "a.opus")) - 16000) <= 1


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_resampling_keeps_time_level_and_band(tmp_path, rate):
    time = np.arange(rate) / rate
    sf.write(
        tmp_path / "tone.wav",
        0.5 * np.sin(2 * np.pi * 3000 * time),
        rate,
        subtype="FLOAT",
    )
    found = reading.read_audio(tmp_path / "tone.wav")
    # without delay the result is the same sine sampled at the new instants
    expected = 0.5 * np.sin(2 * np.pi * 3000 * np.arange(16000) / 16000)
    assert len(found) == 16000
    assert np.abs(found - expected)[1000:-1000].max() < 2e-3


def test_resampling_passes_7_khz_and_stops_9_khz(tmp_path):
    time = np.arange(44100) / 44100
    levels = {}
    for hertz in (7000, 9000):
        sf.write(
            tmp_path / "tone.wav",
            np.sin(2 * np.pi * hertz * time),
            44100,
            subtype="FLOAT",
        )
        levels[hertz] = tone_level_db(reading.read_audio(tmp_path / "tone.wav"))
    assert levels[7000] == pytest.approx(-0.006, abs=0.003)  # as the docstring says
    assert levels[9000] < -100


def test_another_rate_may_be_wanted(tmp_path):
    sf.write(tmp_path / "a.wav", noise(44100), 44100)
    assert reading.read_audio(tmp_path / "a.wav", 22050).shape == (22050,)


def test_flac_of_unannounced_length_is_read_whole(tmp_path):
    path = tmp_path / "piped.flac"
    sf.write(path, noise(40000), 16000)
    whole = reading.read_audio(path)
    contents = bytearray(path.read_bytes())
    contents[21] &= 0xF0  # the 36 bits of STREAMINFO's total samples: unknown
    contents[22:26] = bytes(4)
    path.write_bytes(contents)
    np.testing.assert_array_equal(reading.read_audio(path), whole)


def test_wav_of_unannounced_length_is_read_whole(tmp_path):
    path = tmp_path / "piped.wav"
    sf.write(path, noise(4000), 16000)
    contents = bytearray(path.read_bytes())
    contents[4:8] = contents[40:44] = b"\xff" * 4
    path.write_bytes(contents)
    assert reading.read_audio(path).shape == (4000,)


def test_mp3_of_varying_rate_without_length_header_is_read_whole(tmp_path):
    path = tmp_path / "a.mp3"
    quiet_then_loud = np.concatenate([np.zeros(48000), noise(80000)])
    sf.write(
        path, quiet_then_loud, 16000, bitrate_mode="VARIABLE", compression_level=0.5
    )
    contents = path.read_bytes()
    assert b"Xing" in contents[:300]
    path.write_bytes(contents[contents.index(contents[:2], 4) :])  # drop that frame
    assert len(reading.read_audio(path)) >= 128000


@pytest.mark.parametrize(
    "name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au"]
)
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
def test_files_cut_short_are_refused(tmp_path, name, share):
    path = tmp_path / name
    sf.write(path, noise(96000, 2), 44100)
    reading.read_audio(path)
    cut(path, share)
    with pytest.raises(InputError, match=name):
        reading.read_audio(path)


def test_other_broken_files_are_refused_by_name(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not audio at all, but a note to oneself")
    sf.write(tmp_path / "nothing.wav", np.zeros(0), 16000)
    sf.write(tmp_path / "nothing44.wav", np.zeros(0), 44100)
    for value, name in ((np.nan, "nan.wav"), (np.inf, "inf.wav")):
        sf.write(tmp_path / name, np.array([0.0, value, 0.0]), 44100, subtype="FLOAT")
    expected = {
        "missing.wav": "no such audio file",
        "empty.wav": "cannot be read",
        "text.wav": "cannot be read",
        "nothing.wav": "no samples",
        "nothing44.wav": "no samples",
        "nan.wav": "NaN",
        "inf.wav": "NaN",
    }
    for name, message in expected.items():
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            reading.read_audio(tmp_path / name)
    with pytest.raises(InputError, match="no such audio file"):
        reading.read_audio(tmp_path)  # a folder


def test_esc10_clips_read_whole():
    folder = SHARED / "data" / "esc10"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/esc10")
    paths = reading.find_audio(folder)
    assert len(paths) == 320
    for path in paths[::40]:
        assert len(reading.read_audio(path)) == round(sf.info(path).duration * 16000)


# --- finding files, int16, lengths ----------------------------------------------------


def test_find_audio(tmp_path):
    for name in ("b.wav", "a/z.FLAC", "a/y.txt", "-x.ogg", ".hidden.wav", ".git/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    assert [str(p.relative_to(tmp_path)) for p in reading.find_audio(tmp_path)] == [
        "-x.ogg",
        os.path.join("a", "z.FLAC"),
        "b.wav",
    ]
    with pytest.raises(InputError, match="nowhere"):
        reading.find_audio(tmp_path / "nowhere")


def test_int16_round_trip_and_clipping():
    every = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(reading.to_int16(every / np.float32(32768)), every)
    # 0.50001 * 32768 = 16384.3; 1.6 / 32768 rounds to 2; full scale clips
    np.testing.assert_array_equal(
        reading.to_int16(np.array([0.50001, 1.6 / 32768, 1.0, 3.0, -1.0, -3.0])),
        [16384, 2, 32767, 32767, -32768, -32768],
    )


def test_pad_or_cut():
    values = np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(reading.pad_or_cut(values, 5), [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(reading.pad_or_cut(values, 2), [1, 2])
    assert reading.pad_or_cut(values, 5).dtype == np.float32


# --- inside a graph -------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_graph():
    return tf.function(
        reading.read_audio_in_graph, input_signature=[tf.TensorSpec([], tf.string)]
    )


@pytest.fixture(params=["not installed", "library does not load"])
def no_tensorflow_io(request, monkeypatch):
    """As with Python 3.12, or with TensorFlow 2.17, where each of its ops raises."""

    def encode_wav(*_):
        raise NotImplementedError("unable to open file: libtensorflow_io.so")

    broken = types.SimpleNamespace(audio=types.SimpleNamespace(encode_wav=encode_wav))
    monkeypatch.setitem(
        sys.modules,
        "tensorflow_io",
        None if request.param == "not installed" else broken,
    )
    reading._tensorflow_io.cache_clear()
    yield
    reading._tensorflow_io.cache_clear()


def native():
    if reading._tensorflow_io() is None:
        pytest.skip("TensorFlow I/O's library does not load here")


KINDS = [
    ("a.wav", "PCM_16", 1),
    ("a.wav", "PCM_24", 2),
    ("a.flac", "PCM_16", 3),
    ("a.flac", "PCM_24", 4),
    ("a.ogg", "VORBIS", 5),
    # TensorFlow I/O reads these wrongly, not at all, or ends the process
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
def test_graph_reads_the_same(tmp_path, in_graph, name, subtype, kind):
    path = str(tmp_path / name)
    sf.write(path, noise(20000, 2), 16000, subtype=subtype)
    found_kind, rate = reading._sniff(tf.io.read_file(path))
    assert int(found_kind) == kind
    if kind:
        assert int(rate) == 16000
    tolerance = 1e-6 if subtype == "VORBIS" else 0  # two builds of libvorbis
    np.testing.assert_allclose(
        in_graph(path).numpy(), reading.read_audio(path), rtol=0, atol=tolerance
    )


def test_tensorflow_io_is_used_where_it_loads():
    # the pinned combination; on it a fall-back would go unnoticed
    if not tf.__version__.startswith("2.16.") or sys.version_info >= (3, 12):
        pytest.skip("TensorFlow I/O 0.37.1 loads with TensorFlow 2.16 only")
    assert reading._tensorflow_io() is not None


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_graph_sniffs_rates(tmp_path, name, rate):
    sf.write(tmp_path / name, noise(2000), rate)
    found = reading._sniff(tf.io.read_file(str(tmp_path / name)))[1]
    assert int(found) == rate


def test_graph_resampler_is_as_documented(tmp_path, in_graph):
    native()
    path = str(tmp_path / "a.wav")
    time = np.arange(44100) / 44100
    sf.write(path, np.exp(-0.5 * ((time - 0.5) / 0.002) ** 2), 44100, subtype="PCM_16")
    ours, theirs = reading.read_audio(path), in_graph(path).numpy()
    assert len(theirs) == 16000
    assert np.argmax(np.correlate(theirs, ours, "full")) - 15999 == 32
    for hertz, level, tolerance in ((7000, -0.41, 0.02), (7500, -11, 0.1)):
        sf.write(path, 0.9 * np.sin(2 * np.pi * hertz * time), 44100, subtype="PCM_16")
        found = tone_level_db(in_graph(path).numpy()) - 20 * np.log10(0.9)
        assert found == pytest.approx(level, abs=tolerance)


def test_graph_works_in_a_parallel_pipeline(tmp_path):
    paths = []
    for i, name in enumerate(["a.wav", "b.flac", "c.mp3", "d.wav"]):
        paths.append(str(tmp_path / name))
        sf.write(paths[-1], noise(1000 * (i + 1), seed=i), 16000)
    data = tf.data.Dataset.from_tensor_slices(paths).map(
        reading.read_audio_in_graph, num_parallel_calls=2
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
    for name in (
        "cut.wav",
        "cut.flac",
        "nothing.wav",
        "empty.wav",
        "short.wav",
        "none.wav",
    ):
        data = tf.data.Dataset.from_tensors(str(tmp_path / name)).map(
            reading.read_audio_in_graph
        )
        with pytest.raises(tf.errors.OpError) as caught:
            list(data)
        assert not isinstance(caught.value, tf.errors.OutOfRangeError)
        if name != "cut.flac":
            assert name in str(caught.value)


def test_graph_falls_back_without_tensorflow_io(tmp_path, no_tensorflow_io):
    path = str(tmp_path / "a.wav")
    sf.write(path, noise(44100, 2), 44100)
    found = tf.function(reading.read_audio_in_graph)(tf.constant(path))
    # resampled by soxr now, so equal at another rate too
    np.testing.assert_array_equal(found.numpy(), reading.read_audio(path))


# --- in blocks, and from what cannot be read twice ------------------------------------


@pytest.mark.parametrize(
    "name, rate, channels",
    [
        ("a.wav", 16000, 1),
        ("a.flac", 48000, 2),
        ("a.flac", 44100, 1),
        ("a.mp3", 44100, 2),
        ("a.ogg", 22050, 1),
        ("a.opus", 48000, 1),
    ],
)
def test_blocks_are_the_whole(tmp_path, monkeypatch, name, rate, channels):
    path = tmp_path / name
    opus = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    sf.write(path, noise(3 * rate + 777, channels), rate, **opus)
    samples = sf.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    whole = reading.resample(samples, rate, 16000)  # in one piece
    np.testing.assert_array_equal(reading.read_audio(path), whole)
    for size in (1000, 20000):
        monkeypatch.setattr(reading, "_BLOCK_FRAMES", size)
        blocks = list(reading.audio_blocks(path))
        assert len(blocks) > 1 and all(0 < len(b) <= 3 * size for b in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_what_shows_at_the_end_is_raised_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_FRAMES", 4000)
    path = tmp_path / "a.wav"
    sf.write(path, noise(40000), 16000)
    cut(path, 0.5)
    blocks = reading.audio_blocks(path)
    # half of 80,044 bytes are 40,022: a header of 44 and 19,989 samples
    for expected in (4000, 4000, 4000, 4000, 3989):
        assert len(next(blocks)) == expected
    with pytest.raises(InputError, match="a.wav: the file is cut short"):
        next(blocks)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_pipe_is_read_as_its_file(tmp_path, name):
    path, pipe = tmp_path / name, tmp_path / "pipe"
    sf.write(path, noise(50000), 44100)
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    feeder.start()
    found = reading.read_audio(pipe)  # a second opening would wait for ever
    feeder.join(timeout=30)
    np.testing.assert_array_equal(found, reading.read_audio(path))


def test_standard_input_and_one_of_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    sf.write(path, noise(4000), 16000)
    for contents, message in (
        (path.read_bytes(), None),
        (b"", "-: nothing came from it"),
        (b"no audio", "-: cannot be read as audio"),
    ):
        stdin = types.SimpleNamespace(buffer=io.BytesIO(contents))
        monkeypatch.setattr(sys, "stdin", stdin)
        if message is None:
            assert len(reading.read_audio("-")) == 4000
        else:
            with pytest.raises(InputError, match=message):
                reading.read_audio("-")
