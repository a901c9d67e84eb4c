"""Run folders that are broken: one message that names the file, and no traceback."""

from __future__ import annotations

import gzip
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from made import make_embeddings

from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.models.runs import checkpoints, resume_point, run_folder, seen_clips
from tfweak.models.training import trainer


def config(data, out, epochs):
    return trainer.TrainConfig(
        data=(str(data),),
        out=str(out),
        model_settings={"hidden_units": 8},
        batch_size=16,
        precision="float32",
        valid_fraction=0.3,
        epochs=epochs,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_embeddings(tmp_path_factory.mktemp("data") / "x", 40)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    trainer.train(config(data, out, 1))
    return out


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.parametrize("name", ["config.json", "decoding.json", "classes.csv"])
@pytest.mark.parametrize(
    "contents", [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b'{"model": 3}']
)
def test_documents(run, name, contents):
    (run / name).write_bytes(contents)
    with pytest.raises(InputError, match=name):
        run_folder.load(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("thresholds", d["thresholds"][:-1]),
        lambda d: d["thresholds"].__setitem__(0, float("nan")),
        lambda d: d["thresholds"].__setitem__(0, "high"),
        lambda d: d.__setitem__("clip_thresholds", None),
        lambda d: d.__setitem__("decoder", "median_filter"),
        lambda d: d.__setitem__("scores", ["segment"]),
        lambda d: d.__setitem__("clip_power", float("inf")),
    ],
)
def test_thresholds(run, change):
    path = run / "decoding.json"
    document = json.loads(path.read_text())
    del document["checksum"]
    change(document["decodings"]["segment"])
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="decoding.json: broken"):
        run_folder.load(run)


def test_a_class_list_of_another_length(run):
    path = run / "classes.csv"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(InputError, match="classes.csv: . classes, the model has"):
        run_folder.load(run)


@pytest.mark.parametrize("contents", [b"", b"junk", b"PK\3\4" + bytes(100)])
def test_weights(run, contents):
    (run / "model.keras").write_bytes(contents)
    with pytest.raises(InputError, match="not a usable run"):
        run_folder.load(run)


@pytest.mark.parametrize("place", [0, 10, 20, -9, -1])
def test_a_list_of_clips_with_a_wrong_byte(run, place):
    path = run / seen_clips.FILE_NAME
    contents = bytearray(gzip.compress(b"train\ta\n" * 50 + bytes(range(256))))
    contents[place] ^= 0xFF
    path.write_bytes(contents)
    with pytest.raises(InputError, match=seen_clips.FILE_NAME):
        seen_clips.read(run)


def resumed(data, run):
    """What going on says."""
    with pytest.raises(InputError) as caught:
        trainer.train(config(data, run, 2))
    return str(caught.value)


@pytest.mark.parametrize(
    "contents", [b"", b"epoch-9", b"../../etc", b"epoch-1\n", b"\xff"]
)
def test_a_pointer_to_no_resume_point(data, run, contents):
    (run / "last" / "current").write_bytes(contents)
    assert "last: the resume point is broken" in resumed(data, run)


@pytest.mark.parametrize(
    "state",
    [
        "",
        "[]",
        "{}",
        '{"epoch": "1", "history": [], "best": {}}',
        '{"epoch": -1, "history": [], "best": {}}',
        '{"epoch": 1, "history": 3, "best": {}}',
        '{"epoch": 1, "history": [{"loss": "a"}], "best": {}}',
        '{"epoch": 1, "history": [], "best": null}',
    ],
)
def test_a_broken_state(data, run, state):
    (run / "last" / "epoch-1" / "state.json").write_text(state)
    assert "last: the resume point is broken" in resumed(data, run)


def test_broken_arrays(data, run):
    paths = sorted((run / "last" / "epoch-1").glob("*.npz"))
    assert paths
    whole = paths[0].read_bytes()
    for contents in (b"", b"junk", whole[: len(whole) // 2]):
        paths[0].write_bytes(contents)
        assert "last: the resume point is broken" in resumed(data, run)
    paths[0].write_bytes(whole)
    with np.load(paths[0]) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    np.savez(paths[0], *(np.zeros(np.shape(a) + (2,)) for a in arrays))
    assert "last: does not fit this model" in resumed(data, run)


def test_weights_with_a_wrong_bit(run):
    path = run / "model.keras"
    contents = bytearray(path.read_bytes())
    for place in np.linspace(40, len(contents) - 100, 40).astype(int):
        changed = bytearray(contents)
        changed[place] ^= 4
        path.write_bytes(changed)
        try:
            network = run_folder.load(run).network
        except InputError as error:
            assert "model.keras: broken" in str(error)
            continue
        path.write_bytes(contents)  # in a date, or an extra field
        for one, other in zip(
            network.get_weights(), run_folder.load(run).network.get_weights()
        ):
            np.testing.assert_array_equal(one, other)


def test_documents_with_a_wrong_number(run):
    for name in ("config.json", "decoding.json"):
        path = run / name
        whole = path.read_text()
        changed = whole.replace("0.9", "0.8", 1).replace("0.5", "0.6", 1)
        assert changed != whole
        path.write_text(changed)
        with pytest.raises(InputError, match=f"{name}: broken .*damaged"):
            run_folder.load(run)
        path.write_text(whole)


def test_a_class_list_of_other_names(run):
    path = run / "classes.csv"
    path.write_text(path.read_text().replace("dog", "fog"))
    with pytest.raises(InputError, match="classes.csv: is not the list that the run"):
        run_folder.load(run)


@pytest.mark.parametrize("setting", [1 << 70, float("inf"), "many", None, -1])
def test_settings_that_no_network_has(run, setting):
    path = run / "config.json"
    document = json.loads(path.read_text())
    del document["checksum"]
    document["model"]["config"]["hidden_units"] = setting
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="not a usable run"):
        run_folder.load(run)


@pytest.mark.parametrize(
    "contents",
    [b"", b"\xff", b"epoch,loss\n1,0.5\n", b"val_mAP\nhigh\n", b"val_mAP\n1,2,3\n"],
)
def test_a_broken_history(run, contents):
    (run / "history.csv").write_bytes(contents)
    with pytest.raises(InputError, match="history.csv: cannot be read"):
        run_folder.read_history(run / "history.csv")


def test_a_training_that_was_killed_at_its_very_beginning_begins_anew(tmp_path):
    for left in ("classes.csv", "config.json.7.tmp"):
        (tmp_path / left).touch()
    classes = ClassList(("dog",))
    assert run_folder.start_or_resume(tmp_path, {}, classes, True) is None
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"classes.csv", "config.json"}
    assert ClassList.read_csv(tmp_path / "classes.csv") == classes


def test_curves_that_cannot_be_written_are_named(finished, tmp_path):
    keeper = checkpoints.Keeper(tmp_path, run_folder.load(finished), None, 1)

    class Full:
        def as_default(self, step):
            raise tf.errors.ResourceExhaustedError(None, None, "no space left")

    keeper._curves = Full()
    with pytest.raises(InputError, match="tensorboard: cannot be written .no space"):
        keeper.on_epoch_end(0, {"loss": 1.0, "val_mAP": -2.0})


def test_a_resume_point_with_a_wrong_bit(run):
    paths = sorted((run / "last" / "epoch-1").glob("*.npz"))
    whole = paths[0].read_bytes()
    begin = whole.index(b"'descr'")  # of the first array, which numpy would evaluate
    for place in range(begin, begin + 60, 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        paths[0].write_bytes(changed)
        with pytest.raises(InputError, match="last: the resume point is broken"):
            resume_point.ResumePoint(run).load()


def test_what_a_kill_left_of_an_earlier_epoch_goes(run):
    last = run / "last"
    shutil.copytree(last / "epoch-1", last / "epoch-0")
    assert resume_point.ResumePoint(run).load() is not None
    assert sorted(path.name for path in last.iterdir()) == ["current", "epoch-1"]


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_kill_left_of_a_resume_point_goes(tmp_path, begun):
    point = resume_point.ResumePoint(tmp_path)
    state = {"epoch": 1, "best": {}, "history": []}
    if begun:
        point.save({}, state)
    (tmp_path / "last" / "epoch-2").mkdir(parents=True)
    (tmp_path / "last" / "current.17.tmp").write_text("epo")
    if begun:
        assert point.load() is not None
    else:  # it was killed before there was any
        assert point.load() is None
        point.save({}, state)
    names = {path.name for path in (tmp_path / "last").iterdir()}
    assert names == {"current", "epoch-1"}
