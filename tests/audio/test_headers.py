"""Headers that say something twice, and not alike."""

from __future__ import annotations

import struct

import pytest
import soundfile as sf
from sounds import noise

from tfweak.audio import reading
from tfweak.errors import InputError


@pytest.mark.parametrize(
    "name, more, place, kind, value, message",
    [
        ("a.wav", {}, 24, "<I", 16004, "16004 samples of 2 bytes .* 32000 bytes"),
        ("a.wav", {}, 28, "<I", 1, "16000 samples of 2 bytes a second, but 1"),
        ("a.wav", {}, 22, "<H", 2, "announces 2 channels of 16 bits in 2 bytes"),
        ("a.wav", {}, 32, "<H", 34, "announces 1 channels of 16 bits in 34 bytes"),
        ("a.wav", {"subtype": "FLOAT"}, 24, "<I", 17000, "17000 samples of 4 bytes"),
        ("a.wav", {"format": "WAVEX"}, 22, "<H", 65, "65 channels of 16 bits in 2"),
        ("a.w64", {"format": "W64"}, 66, "<H", 66, "66 channels of 16 bits in 2"),
        ("a.aiff", {}, 20, ">H", 17, "announces 4000 samples .* length of 235"),
        ("a.aiff", {}, 22, ">I", 3999, "announces 3999 samples .* length of 4000"),
        ("a.flac", {}, 18, ">H", 0x02E8, "11904 Hz, 1 .* its sound has 16000 Hz"),
    ],
)
def test_what_contradicts_itself(tmp_path, name, more, place, kind, value, message):
    path = tmp_path / name
    sf.write(path, noise(4000), 16000, **more)
    assert len(reading.read_audio(path)) == 4000
    contents = bytearray(path.read_bytes())
    struct.pack_into(kind, contents, place, value)
    path.write_bytes(contents)
    with pytest.raises(InputError, match=f"{name}: the file's header is .*{message}"):
        reading.read_audio(path)


def test_w64_with_more_than_it_announces(tmp_path):
    path = tmp_path / "a.w64"
    sf.write(path, noise(4000), 16000, format="W64")
    contents = path.read_bytes()
    path.write_bytes(contents[:2000] + bytes(20) + contents[2000:])
    with pytest.raises(InputError, match="announces 4000 samples and holds 4010"):
        reading.read_audio(path)


def test_rf64_with_a_little_less_than_it_announces(tmp_path):
    path = tmp_path / "a.rf64"
    sf.write(path, noise(4000), 16000, format="RF64")
    assert len(reading.read_audio(path)) == 4000
    path.write_bytes(path.read_bytes()[:-18])
    with pytest.raises(InputError, match="announces 4000 samples and holds 3991"):
        reading.read_audio(path)


def test_flac_with_tags_and_other_rates(tmp_path):
    for rate, subtype in ((16000, "PCM_S8"), (44100, "PCM_24"), (12345, "PCM_16")):
        path = tmp_path / "a.flac"
        with sf.SoundFile(path, "w", rate, 2, subtype) as file:
            file.title = "a title" * 100
            file.write(noise(4000, 2))
        assert len(reading.read_audio(path, rate)) == 4000


def test_no_format_contradicts_itself_as_it_is_written(tmp_path):
    count = 0
    for form in sf.available_formats():
        for subtype in sf.available_subtypes(form):
            for channels in (1, 2):
                path = tmp_path / f"{form}-{subtype}-{channels}.{form.lower()}"
                try:
                    sf.write(
                        path, noise(3000, channels), 8000, format=form, subtype=subtype
                    )
                except sf.LibsndfileError:  # not every format has all of these
                    continue
                if form not in ("RAW", "SD2"):
                    count += len(reading.read_audio(path)) > 0
    assert count > 100
