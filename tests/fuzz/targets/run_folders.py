"""Run folders: files that are missing, damaged or of another run; resume points."""

from __future__ import annotations

import functools
import json
import shutil

import made as stand_ins
import mutations
import numpy as np
from frame import Damage, Wrong

from tfweak import serving
from tfweak.files import documents
from tfweak.models.architecture import create
from tfweak.models.runs import resume_point, run, run_folder, seen_clips
from tfweak.models.training import trainer
from tfweak.payload import Payload

SHARE = 1
FILES = (
    *("config.json", "classes.csv", "model.keras", "decoding.json", "history.csv"),
    *("clips.txt.gz", "last/current", "last/epoch-1/state.json"),
    *("last/epoch-1/network.npz", "last/epoch-1/optimizer.npz"),
)
EXPORTED = ("saved_model/assets/decoding.json", "saved_model/assets/classes.csv")


def make(folder):
    data = stand_ins.make_embeddings(folder / "data", 40)
    config = trainer.TrainConfig(
        data=(str(data),),
        out=str(folder / "run"),
        model_settings={"hidden_units": 8, "hidden_layers": 1, "feature_units": 8},
        batch_size=32,
        precision="float32",
        valid_fraction=0.3,
        epochs=1,
    )
    trainer.train(config)
    shutil.rmtree(folder / "run" / "tensorboard")
    loaded = run.load(folder / "run", "float32")
    # what is read of an export, without the time that making all of it takes
    assets = folder / "run" / "saved_model" / "assets"
    assets.mkdir(parents=True)
    loaded.classes.write_csv(assets / "classes.csv")
    documents.write(
        assets / "decoding.json", loaded.decodings["segment"].to_dict(), indent=None
    )
    other = create("embedding_attention", 3, hidden_units=6, hidden_layers=1)
    stand_ins.write_run(folder / "other", other, loaded.payload)
    np.savez(folder / "answer.npz", **_answer(loaded))


def _answer(loaded):
    """What a run makes of the same rows."""
    rows = np.random.default_rng(1).integers(0, 255, (6, 128)).astype(np.float32)
    outputs = loaded.network({"features": rows[None], "num_frames": np.array([6])})
    return {name: np.asarray(outputs[name]) for name in ("clip_probs", "segment_probs")}


def damage(made, folder, rng):
    target = shutil.copytree(made / "run", folder / "run")
    names = FILES + EXPORTED
    name = names[int(rng.integers(len(names)))]
    path = target / name
    way = str(rng.choice(["damage"] * 12 + ["remove", "folder", "swap", "other"]))
    wanted = {path.name, f"/{name.split('/')[0]}"} - {f"/{path.name}"}
    if name == "config.json":  # of another network than its weights
        wanted.add("model.keras")
    if way == "remove":
        path.unlink()
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "swap":
        other = target / names[int(rng.integers(len(names)))]
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)
        wanted |= {other.name, f"/{other.relative_to(target).parts[0]}"}
    elif way == "other":
        path.write_bytes(_of_another(made, name))
    else:
        contents = path.read_bytes()
        if name.endswith(".json") and rng.random() < 0.7:
            # what is edited by hand may be another network
            found, way = mutations.damaged_document(
                json.loads(contents), rng, may_unseal=name != "config.json"
            )
        else:
            found, way = mutations.damaged(contents, rng, _of_another(made, name))
        path.write_bytes(found)
    return Damage(f"{way} of {name}", tuple(wanted))


def _of_another(made, name):
    """The file of that name of another run, or one of its others."""
    path = made / "other" / name
    return (path if path.exists() else made / "other" / "model.keras").read_bytes()


@functools.lru_cache(None)
def _original(made):
    with np.load(made / "answer.npz") as stored:
        return {name: stored[name] for name in stored.files}


def check(made, folder):
    """Predicting, going on with the training, what it has seen, and the export."""
    target = folder / "run"
    changed = (
        {
            name
            for name in FILES + EXPORTED
            if (target / name).read_bytes() != (made / "run" / name).read_bytes()
        }
        if all((target / name).is_file() for name in FILES + EXPORTED)
        else None
    )
    loaded = run.load(target, "float32")
    scores = _answer(loaded)
    for name, values in _original(made).items():
        if scores[name].shape != values.shape or not np.array_equal(
            scores[name], values
        ):
            raise Wrong(f"other {name} than before: {changed}")
    if not isinstance(loaded.payload, Payload) or loaded.payload.row_size != 128:
        raise Wrong(f"{loaded.payload}")
    loaded.decodings["segment"].decode_scores(
        scores["segment_probs"][0].astype(np.float32), loaded.architecture.grid, 6.0
    )
    loaded.summary()
    run_folder.tried_decodings(target)
    found = seen_clips.read(target)
    if found != seen_clips.read(made / "run"):
        raise Wrong("other clips were seen")
    _check_resume(made, target)
    classes, decoding = serving.read_assets(target / "saved_model")
    if len(classes) != len(decoding.thresholds):
        raise Wrong(f"an export of {len(classes)} classes")
    return f"as before; changed: {sorted(changed or ())}"


def _check_resume(made, target):
    document = json.loads((made / "run" / "config.json").read_text())
    classes = run_folder.ClassList.read_csv(made / "run" / "classes.csv")
    point = run_folder.start_or_resume(target, document, classes, True)
    expected = resume_point.ResumePoint(made / "run").load()
    if point is None:
        raise Wrong("begun anew, though there was a resume point")
    for name, values in expected[0].items():
        own = point[0].get(name, [])
        if len(own) != len(values):
            continue  # restoring says so
        for one, other in zip(own, values):
            if one.shape == other.shape and not np.array_equal(one, other):
                raise Wrong(f"{name} is another than was stored")
