"""Reading audio: every promise of `read_audio`, and the same inside a graph."""

import io
import os
import sys
import threading
import tracemalloc
import types

import numpy as np
import pytest
import soundfile as sf
from sounds import cut, noise, noisy_wav, tone_level_db

from tfweak.audio import reading
from tfweak.errors import InputError

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


def test_gsm_is_read_though_it_cannot_be_sought_in(tmp_path):
    path = tmp_path / "a.wav"
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    sf.write(path, tone, 8000, subtype="GSM610")
    found = reading.read_audio(path, 8000)
    assert len(found) == 8320  # whole blocks of 320
    assert np.corrcoef(found[1000:8000], tone[1000:8000])[0, 1] > 0.9


def test_a_flac_that_announces_2_to_the_36_samples_takes_no_memory(tmp_path):
    path = tmp_path / "a.flac"
    sf.write(path, noise(40000), 16000)
    contents = bytearray(path.read_bytes())
    contents[21] |= 0x0F
    contents[22:26] = b"\xff" * 4
    path.write_bytes(contents)
    with pytest.raises(InputError, match="a.flac.*68719476735 samples and gave 40000"):
        reading.read_audio(path)


@pytest.mark.parametrize("rate", [1, 99])
def test_rates_of_nothing_audible_are_refused(tmp_path, rate):
    path = noisy_wav(tmp_path / "a.wav", at24=("<I", rate))
    with pytest.raises(InputError, match=f"a.wav: announces {rate} samples a second"):
        reading.read_audio(path)
    noisy_wav(path, 160, at24=("<I", 100), at28=("<I", 200))  # 1.6 s
    assert len(reading.read_audio(path)) == 25600


def test_memory_does_not_grow_with_channels_or_with_a_lower_rate(tmp_path):
    many = tmp_path / "many.wav"
    sf.write(many, noise(300, 1024), 16000)
    slow = noisy_wav(tmp_path / "slow.wav", 40000, at24=("<I", 100), at28=("<I", 200))
    # in each, 16 MB would be a block of 4 M values
    for path in (many, slow):
        largest = max(len(block) for block in reading.audio_blocks(path))
        assert largest <= 2 * reading._BLOCK_FRAMES
    tracemalloc.start()
    try:
        list(reading.audio_blocks(many))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_limit_of_length_is_kept_before_all_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_FRAMES", 8000)
    path = noisy_wav(tmp_path / "a.wav", 48000)
    assert len(reading.read_audio(path, max_seconds=3)) == 48000
    with pytest.raises(InputError, match="a.wav: is longer than 2.9 s.*max_clip_sec"):
        reading.read_audio(path, max_seconds=2.9)


@pytest.mark.parametrize("name", ["junk.au", "junk.snd", "junk.vox", "junk.raw"])
def test_no_format_is_guessed_by_the_name(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(InputError, match=f"{name}: cannot be read as audio"):
        reading.read_audio(tmp_path / name)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("odd"), TypeError("a")])
def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch, error):
    path = noisy_wav(tmp_path / "a.wav")

    def read(*_, **__):
        raise error

    monkeypatch.setattr(sf.SoundFile, "read", read)
    expected = str(error) or "MemoryError"
    with pytest.raises(InputError, match=rf"a.wav: cannot be read.*\({expected}\)"):
        reading.read_audio(path)


@pytest.mark.parametrize("name", ["a.rf64", "a.w64"])
def test_long_kinds_of_wav_cut_short_are_refused(tmp_path, name):
    path = tmp_path / name
    sf.write(path, noise(40000), 16000, format=name[2:].upper())
    assert len(reading.read_audio(path)) == 40000
    cut(path, 0.9)
    with pytest.raises(InputError, match=f"{name}: the file is cut short"):
        reading.read_audio(path)


def test_what_is_damaged_is_kept_where_somebody_notes_it(tmp_path):
    path = tmp_path / "a.w64"
    sf.write(path, noise(40000), 16000, format="W64")
    whole = reading.read_audio(path)
    notes = []
    np.testing.assert_array_equal(reading.read_audio(path, note=notes.append), whole)
    assert notes == []
    cut(path, 0.5)
    found = reading.read_audio(path, note=notes.append)
    np.testing.assert_array_equal(found, whole[: len(found)])
    assert 19000 < len(found) < 20001 and len(notes) == 1 and "cut short" in notes[0]


def test_esc10_clips_read_whole(shared_data):
    folder = shared_data / "esc10"
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


def test_what_cannot_be_found_is_not_overlooked(tmp_path, monkeypatch):
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    os.mkfifo(tmp_path / "pipe.wav")  # which nobody writes to
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def scan(path):
        if os.fspath(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert reading.find_audio(tmp_path) == [closed, tmp_path / "gone.wav"]
    with pytest.raises(InputError, match="gone.wav: .*the link leads nowhere"):
        reading.read_audio(tmp_path / "gone.wav")
    with pytest.raises(InputError, match="closed: no such audio file that can be read"):
        reading.read_audio(closed)


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


def test_a_name_that_is_not_text_is_read(tmp_path):
    sf.write(tmp_path / "a.wav", np.full(100, 0.5), 16000)
    path = (tmp_path / "a.wav").rename(tmp_path / os.fsdecode(b"\xff.wav"))
    assert len(reading.read_audio(path)) == 100
    path.write_bytes(b"no audio")
    with pytest.raises(InputError, match=r"\.wav: cannot be read as audio \(Format"):
        reading.read_audio(path)
