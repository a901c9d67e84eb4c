"""The AudioSet head that travels with the package."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import soundfile
from conftest import SHARED
from made import make_embeddings

from tfweak.data import records
from tfweak.data.sources import open_data
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.extractors.vggish import network as vggish_network
from tfweak.extractors.vggish import pca as vggish_pca
from tfweak.labels import ClassList
from tfweak.models.commands import evaluate, predict, train
from tfweak.models.runs import packaged, run_folder, scoring, seen_clips
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training import trainer

NAME = "audioset"
FOLDER = packaged.resolve(NAME)


@pytest.fixture(scope="module")
def run():
    return run_folder.load(NAME, "float32")


def test_it_is_small_and_described(run):
    assert NAME in packaged.names()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 14_000_000
    assert len(run.classes) == 527 and run.classes.mids[0] == "/m/09x0r"
    assert run.payload == RELEASED_EMBEDDINGS
    card = (FOLDER / "MODEL_CARD.md").read_text()
    digest = hashlib.sha256((FOLDER / "model.keras").read_bytes()).hexdigest()
    assert digest in card
    for heading in ("Data", "Licence", "Figures", "How it was made", "Not known"):
        assert f"## {heading}" in card
    # nothing of the machine that trained it
    assert run.config["training"]["data"] == ["bal_train"]


def test_it_is_scored_on_released_embeddings(run, shared_data):
    clips = open_data([shared_data / "audioset" / "eval"], run.classes)
    found = scoring.evaluate(run, clips)
    card = (FOLDER / "MODEL_CARD.md").read_text()
    (printed,) = re.findall(r"\| mAP \| ([\d.]+) \|", card)
    assert found["num_clips"] == 10_185
    assert 100 * found["mAP"] == pytest.approx(float(printed), abs=0.1)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data ({SHARED})")
def test_clips_that_it_has_seen_are_refused(tmp_path, capsys):
    seen = seen_clips.read(NAME)
    assert len(seen["train"] | seen["valid"]) == 22_160
    data = SHARED / "data" / "audioset" / "bal_train"
    arguments = [f"--run={NAME}", f"--data={data}", f"--out={tmp_path / 'x.json'}"]
    assert evaluate.main(arguments) == 1
    assert "22160 of its 22160 clips are known to the run" in capsys.readouterr().err


@pytest.fixture
def published(tmp_path, monkeypatch, vggish_saved):
    """TFHUB_CACHE_DIR with VGGish's stand-in and PCA parameters."""
    cache = tmp_path / "cache"
    cache.mkdir()
    handle = vggish_network.HANDLE.encode()
    (cache / hashlib.sha1(handle).hexdigest()).symlink_to(vggish_saved)
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((128, 128)))[0] / 4
    np.savez(
        cache / vggish_pca.PCA_NAME, pca_eigen_vectors=vectors, pca_means=np.zeros(128)
    )
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache))


def test_it_answers_for_recordings_without_any_flag(
    published, run, tmp_path, monkeypatch, capsys
):
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    noise = 0.3 * np.random.default_rng(1).standard_normal(4 * 44100)
    soundfile.write(recordings / "a.wav", noise.clip(-1, 1), 44100)
    soundfile.write(recordings / "b.flac", 0.1 * noise[:20000], 16000)
    monkeypatch.chdir(tmp_path)
    assert predict.main([f"--run={NAME}", "recordings/", "--tags=3"]) == 0
    out = tmp_path / "events.tsv"
    printed = capsys.readouterr().out
    assert "do not exactly reproduce the released ones" in printed
    lines = out.with_suffix(".tags.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == ["a.wav"] * 3 + ["b.flac"] * 3
    assert {line.split("\t")[1] for line in lines} <= set(run.classes.names)


def test_without_network_and_cache_it_says_what_to_fetch(tmp_path, monkeypatch, capsys):
    def offline(handle):
        raise OSError("no network")

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr("tensorflow_hub.resolve", offline)
    monkeypatch.setattr("tfweak.extractors._hub._ATTEMPTS", 1)

    def no_download(url, timeout):
        raise OSError("no network")

    monkeypatch.setattr(vggish_pca.urllib.request, "urlopen", no_download)
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    arguments = [f"--run={NAME}", str(tmp_path / "a.wav")]
    assert predict.main(arguments) == 1
    assert f"{vggish_pca.PUBLISHED}: cannot be had" in capsys.readouterr().err
    np.savez(tmp_path / "p.npz", pca_eigen_vectors=np.eye(128), pca_means=np.zeros(128))
    assert predict.main([*arguments, f"--pca={tmp_path / 'p.npz'}"]) == 1
    message = capsys.readouterr().err
    assert f"{vggish_network.HANDLE}: cannot be loaded" in message
    assert "To go on offline, download the model" in message


def test_ones_own_classes_start_from_it(run, tmp_path):
    data = make_embeddings(tmp_path / "data", 30)
    names = ("Siren", "my drill", "Speech")
    info = records.DatasetInfo.read(data)
    records.DatasetInfo(
        info.name, info.payload, ClassList(names), info.num_clips, True
    ).write(data)
    arguments = [f"--data={data}", f"--init=run:{NAME}", "--epochs=1"]
    arguments += ["--learning_rate=0", "--precision=float32", "--average_weights=0"]
    assert train.main([*arguments, f"--out={tmp_path / 'run'}"]) == 0
    made = run_folder.load(tmp_path / "run", "float32")
    for layer in ("L7-1", "L7-3"):
        np.testing.assert_array_equal(
            made.network.get_layer(layer).kernel, run.network.get_layer(layer).kernel
        )
    own = made.network.get_layer("L8-a").kernel.numpy()
    theirs = run.network.get_layer("L8-a").kernel.numpy()
    for i, name in enumerate(names):
        same = name in run.classes
        j = run.classes.index(name) if same else 0
        assert np.array_equal(own[:, i], theirs[:, j]) is same
    config = TrainConfig(
        data=[str(data)],
        out=str(tmp_path / "other"),
        init=f"run:{NAME}",
        model_settings={"hidden_units": 8},
    )
    with pytest.raises(InputError, match="its layers are not this model's"):
        trainer.train(config)
