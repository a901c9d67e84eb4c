"""Ogg files whose pages are damaged, missing or more than one recording's."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from tfweak.audio import ogg, reading
from tfweak.errors import InputError


@pytest.fixture(scope="module", params=["VORBIS", "OPUS"])
def contents(request, tmp_path_factory):
    """Ten seconds of noise in many pages."""
    path = tmp_path_factory.mktemp("ogg") / "a.ogg"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 480000)
    sf.write(path, samples, 48000, format="OGG", subtype=request.param)
    return path.read_bytes()


def pages(contents):
    """The places at which pages begin; noise may hold the magic by chance, not here."""
    found, at = [], contents.find(b"OggS")
    while at >= 0:
        found.append(at)
        at = contents.find(b"OggS", at + 1)
    return found


def with_pages(contents, chosen):
    edges = [*pages(contents), len(contents)]
    return b"".join(contents[edges[i] : edges[i + 1]] for i in chosen)


def damage(tmp_path, contents):
    path = tmp_path / "b.ogg"
    path.write_bytes(contents)
    found = ogg.damage(path)
    if found:  # and it is what reading says
        with pytest.raises(InputError, match="b.ogg: "):
            reading.read_audio(path)
    else:
        reading.read_audio(path)
    return found


def test_whole_files_have_none(tmp_path, contents):
    assert damage(tmp_path, contents) == ""
    # tags of another kind at the end, which players ignore
    assert damage(tmp_path, contents + b"TAG" + bytes(125)) == ""


def test_the_checksum_is_that_of_the_format(contents):
    # as the encoder wrote it, in each page
    edges = [*pages(contents), len(contents)]
    for start, end in zip(edges, edges[1:]):
        page = contents[start:end]
        assert ogg.checksum(page) == int.from_bytes(page[22:26], "little")


def test_each_flipped_bit_shows(tmp_path, contents):
    # the identification header ends at the second page
    for place in np.linspace(pages(contents)[2], len(contents) - 1, 40).astype(int):
        flipped = bytearray(contents)
        flipped[place] ^= 4
        assert "damaged" in damage(tmp_path, bytes(flipped)), place


def test_pages_that_are_missing_show(tmp_path, contents):
    count = len(pages(contents))
    assert count > 6
    gone = with_pages(contents, [i for i in range(count) if i != count // 2])
    assert "missing" in damage(tmp_path, gone)
    # cut within a page
    assert "cut short" in damage(tmp_path, contents[: pages(contents)[-1] - 10])


def test_a_second_recording_after_the_first_is_not_lost_silently(tmp_path, contents):
    assert "several recordings" in damage(tmp_path, contents * 2)


def test_real_clips_have_none(shared_data):
    folder = shared_data / "esc10"
    paths = reading.find_audio(folder)
    assert len(paths) == 320
    assert [path for path in paths if ogg.damage(path)] == []
