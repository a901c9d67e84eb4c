"""SavedModels that do more than compute are refused before they are loaded."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError
from tfweak.extractor import create_extractor
from tfweak.extractors import _graphs, _hub


class Trunk(tf.Module):
    """(N,) -> (1, 4), and what an attacker adds, when it is called or loaded."""

    def __init__(self, called=None, loaded=None):
        super().__init__()
        self.weights = tf.Variable(np.eye(4, dtype=np.float32))
        self.called = called
        if loaded is not None:
            # an initialiser of a table runs when it is loaded
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(["a"], loaded), tf.constant("")
            )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        if self.called is not None:
            self.called()
        return tf.reshape(waveform[:4], [1, 4]) @ self.weights


def save(folder, **added):
    module = Trunk(**added)
    tf.saved_model.save(module, str(folder), signatures=module.__call__)
    return str(folder)


@pytest.fixture(autouse=True)
def nothing_trusted(monkeypatch):
    monkeypatch.setenv("TFWEAK_TRUSTED_GRAPHS", "")


ADDED = {
    "WriteFile": lambda path: tf.io.write_file(path, "mine"),
    "ReadFile": lambda path: tf.io.read_file(path),
    "MatchingFiles": lambda path: tf.io.matching_files(path),
    "EagerPyFunc": lambda path: tf.py_function(lambda: 1.0, [], tf.float32),
    "PyFunc": lambda path: tf.numpy_function(lambda: 1.0, [], tf.float32),
    "PrintV2": lambda path: tf.print("mine", output_stream=f"file://{path}"),
    "SaveV2": lambda path: tf.raw_ops.SaveV2(
        prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([1])]
    ),
    "TextLineDataset": lambda path: tf.data.TextLineDataset(path).reduce(
        "", lambda a, b: b
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_operations_beside_computing_are_refused_before_loading(
    tmp_path, monkeypatch, name
):
    target = str(tmp_path / "target")
    place = save(tmp_path / "trunk", called=lambda: ADDED[name](target))

    def load(_):
        raise AssertionError("was loaded")

    with monkeypatch.context() as patched:
        patched.setattr("tensorflow_hub.load", load)
        with pytest.raises(InputError, match=f"has the operation {name} .*{place}$"):
            _hub.load_hub(place)
    _graphs.trust([place])
    assert _hub.load_hub(place) is not None


def test_a_trunk_that_computes_is_loaded(tmp_path):
    module = _hub.load_hub(save(tmp_path / "trunk"))
    np.testing.assert_array_equal(module(tf.range(5.0)), [[0, 1, 2, 3]])
    # with a table, and what is printed
    place = save(tmp_path / "more", called=lambda: tf.print("a"), loaded=["b"])
    assert _hub.load_hub(place) is not None


def test_every_extractor_of_a_saved_model_is_behind_it(tmp_path):
    place = save(tmp_path / "trunk", called=lambda: ADDED["ReadFile"]("/etc/hostname"))
    for name in ("yamnet", "perch"):
        with pytest.raises(InputError, match="ReadFile"):
            _ = create_extractor(f"{name}:{place}").payload
    with pytest.raises(InputError, match="ReadFile"):
        _ = create_extractor(f"vggish:hub:{place}").payload
    with pytest.raises(InputError, match="ReadFile"):
        _ = create_extractor(f"savedmodel:{place}", {"window_seconds": "1"}).payload


@pytest.mark.parametrize("contents", [None, b"", b"\xff" * 100, b"text"])
def test_broken_graphs_are_named(tmp_path, contents):
    folder = tmp_path / "trunk"
    folder.mkdir()
    if contents is not None:
        (folder / "saved_model.pb").write_bytes(contents)
    with pytest.raises(InputError, match=f"{folder}: "):
        _hub.load_hub(str(folder))


def test_a_flag_of_each_command_trusts():
    values = flags.FlagValues()
    given = ["--trusted_graphs=one,two"]
    assert console.run(values, "", lambda _: 0, given, program="x") == 0
    with pytest.raises(InputError, match="no saved_model.pb"):
        _graphs.require_harmless(pathlib.Path("/nowhere"), "three")
    _graphs.require_harmless(pathlib.Path("/nowhere"), "two")
