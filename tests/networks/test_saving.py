"""Keras's files of our models load in processes that imported nothing of ours."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import tfweak
from tfweak.errors import InputError

PACKAGE = pathlib.Path(tfweak.__file__).parent
REGISTERED = re.compile(
    r"^@keras\.saving\.register_keras_serializable\(package=\"tfweak\"\)\n"
    r"(?:class|def) (\w+)",
    re.MULTILINE,
)
FEATURES = {
    "features": np.random.default_rng(0).normal(size=(2, 120, 128)).astype("float32"),
    "num_frames": np.array([120, 70], np.int32),
}
# how a process may come to know the classes
WAYS = {
    "keras first": "import keras, tfweak; load = keras.saving.load_model",
    "a class touched": (
        "import tfweak; tfweak.WeakModel; import keras; load = keras.saving.load_model"
    ),
    "ours alone": "import tfweak; load = tfweak.load_model",
}
ASK = """
import json, sys
{way}
import numpy as np
x = dict(np.load({features!r}))
found = [load(path).predict_on_batch(x)["clip_probs"].tolist() for path in {paths}]
import keras
known = [keras.saving.get_registered_object("tfweak>" + name) for name in {names}]
print(json.dumps([found, [thing is not None for thing in known]]))
"""


def registered():
    """Names of all that is registered, in the text of the installed package."""
    found, mentioned = [], 0
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found += REGISTERED.findall(text)
        mentioned += text.count("@keras.saving.register_keras_serializable")
    assert len(found) == mentioned  # in the one form that is found
    return sorted(found)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network as in a run's folder, and a `WeakModel`; with what they answer."""
    folder = tmp_path_factory.mktemp("saved")
    network = tfweak.create("tlweak", 3, width=0.05).build()
    network.save(folder / "model.keras")
    model = tfweak.WeakModel(network)
    model.compile(optimizer="adam")
    model.save(folder / "weak.keras")
    np.savez(folder / "features.npz", **FEATURES)
    return folder, np.asarray(network.predict_on_batch(FEATURES)["clip_probs"])


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_fresh_process_loads_every_class(saved, way):
    folder, expected = saved
    names = registered()
    assert {"WeakModel", "FrontEndLayer", "SequenceMask", "LastOneHalf"} <= set(names)
    code = ASK.format(
        way=WAYS[way],
        features=str(folder / "features.npz"),
        paths=[str(folder / name) for name in ("model.keras", "weak.keras")],
        names=names,
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, known = json.loads(done.stdout.splitlines()[-1])
    assert dict(zip(names, known)) == dict.fromkeys(names, True)
    for probs in found:
        np.testing.assert_allclose(probs, expected, atol=1e-6)


def test_a_loaded_model_can_be_trained_on(saved):
    model = tfweak.load_model(saved[0] / "weak.keras")
    assert isinstance(model, tfweak.WeakModel)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    model.train_on_batch(FEATURES, {"weak": np.ones((2, 3), np.float32)})


def test_what_is_no_model_is_refused(saved):
    for path in (saved[0], saved[0] / "nothing.keras"):
        with pytest.raises(InputError, match="no such file.*model.keras"):
            tfweak.load_model(path)
