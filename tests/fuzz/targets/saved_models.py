"""SavedModels of trunks: damaged graphs, variables and fingerprints."""

from __future__ import annotations

import functools
import shutil

import mutations
import numpy as np
import tensorflow as tf
from frame import Damage, Wrong

from tfweak.extractor import create_extractor

SHARE = 0.5
FILES = (
    "saved_model.pb",
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "fingerprint.pb",
)


class Trunk(tf.Module):
    """Windows of 400 samples to 3 values each."""

    def __init__(self, seed):
        super().__init__()
        values = np.random.default_rng(seed).normal(size=(400, 3))
        self.kernel = tf.Variable(values.astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 400], tf.float32)])
    def embed(self, windows):
        return {"embedding": tf.tanh(windows @ self.kernel)}


def make(folder):
    for name, seed in (("trunk", 0), ("other", 1)):
        trunk = Trunk(seed)
        tf.saved_model.save(trunk, str(folder / name), {"serving_default": trunk.embed})


def damage(made, folder, rng):
    target = shutil.copytree(made / "trunk", folder / "trunk")
    name = FILES[int(rng.integers(len(FILES)))]
    path, way = target / name, "remove"
    if rng.random() < 0.05:
        path.unlink()
    else:
        other = (made / "other" / name).read_bytes()
        found, way = mutations.damaged(path.read_bytes(), rng, other)
        path.write_bytes(found)
    return Damage(f"{way} of {name}", ("/trunk",))


def _read(folder):
    extractor = create_extractor(f"savedmodel:{folder}")
    waveform = np.random.default_rng(2).uniform(-1, 1, 2000).astype(np.float32)
    return extractor.payload, extractor.embed(waveform)


@functools.lru_cache(None)
def _original(made):
    return _read(made / "trunk")


def check(made, folder):
    payload, rows = _read(folder / "trunk")
    wanted_payload, wanted = _original(made)
    if payload != wanted_payload:
        return "known to be another"
    if not np.array_equal(rows, wanted):
        raise Wrong("other embeddings, and the same payload")
    return "as before"
