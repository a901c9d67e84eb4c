"""Documents beside data and results: descriptions, class lists, plans, journals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil

import mutations
import numpy as np
import soundfile as sf
from frame import Damage, Wrong

from tfweak.data import records, sources
from tfweak.data_prep import writer
from tfweak.data_prep.options import Options
from tfweak.evaluation.metrics import METRICS
from tfweak.labels import ClassList
from tfweak.models.commands import journal
from tfweak.models.experiments import runner
from tfweak.models.experiments.results import Results
from tfweak.models.experiments.spec import Experiment
from tfweak.models.experiments.trials import Trial, _line
from tfweak.models.runs import run_folder
from tfweak.models.runs.config import TrainConfig

SHARE = 11.5
CALL = {"run": "r", "tags": 5, "files": "abc"}
ENTRIES = [
    journal.Entry(f"{i}.wav", "", 1.5, [(0, 0.25, 0.75, 0.5)], [(1, 0.5, True)])
    for i in range(6)
]
RESULT = {
    "metrics": {"EER": 0.25, "mAP": 0.5, "classes": {"dog": {"EER": 0.5}}},
    "history": [[{"loss": 1.0, "val_mAP": 0.25}, {"loss": 0.5, "val_mAP": 0.5}]],
    "valid_mAP": [0.5],
    "mean_valid_mAP": 0.5,
    "parameters": 12,
    "seconds": 1.5,
}
HISTORY = [
    {"epoch": 1, "loss": 0.5, "val_mAP": 0.25},
    {"epoch": 2, "loss": 0.25, "val_mAP": 0.5},
]


def make(folder):
    rng = np.random.default_rng(0)
    source = folder / "source"
    source.mkdir()
    for i in range(4):
        sf.write(source / f"{i}.wav", rng.uniform(-0.5, 0.5, 1600), 16000)
    (source / "tags.csv").write_text(
        "filename,labels\n0.wav,a\n1.wav,b\n2.wav,c\n3.wav,a\n9.wav,a\n"
    )
    _prepare(source, folder / "data")
    # as a killed preparation leaves it
    (folder / "data").rename(folder / "finished")
    write, records.DatasetInfo.write = records.DatasetInfo.write, _killed
    try:
        _prepare(source, folder / "data")
    except KeyboardInterrupt:
        (folder / "data").rename(folder / "unfinished")
    finally:
        records.DatasetInfo.write = write
    ClassList(("dog", "cat, big", "Möwe"), ("/m/1", "/m/2", "/m/3")).write_csv(
        folder / "classes.csv"
    )
    run_folder.write_history(folder / "history.csv", HISTORY)
    (folder / "result.json").write_text(json.dumps(RESULT))
    (folder / "experiment").mkdir()
    runner._claim(_experiment(folder / "experiment"))
    with journal.Journal(folder / "x.tsv", CALL, True) as made:
        for entry in ENTRIES:
            made.add([entry])
        made.count = 1


def _killed(self, folder):
    raise KeyboardInterrupt


def _prepare(source, out):
    options = Options(source=source, tags=source / "tags.csv", features="waveform")
    return writer.prepare("folder", out, options, workers=1, clips_per_shard=2)


def _experiment(folder):
    return Experiment(
        table="self_supervision", out=str(folder), train_data=("a",), test_data=("b",)
    )


FILES = {
    "finished": ("dataset_info.json", "manifest.csv"),
    "unfinished": ("_progress/plan.json", "_progress/00000.json"),
    "x.tsv.partial": ("call.json", "journal.jsonl"),
    "experiment": ("experiment.json",),
    "": ("classes.csv", "history.csv", "result.json"),
}


def damage(made, folder, rng):
    places = [(inside, name) for inside, names in FILES.items() for name in names]
    shares = np.array([1 if "finished" in inside else 4 for inside, _ in places])
    inside, name = places[int(rng.choice(len(places), p=shares / shares.sum()))]
    if inside in ("finished", "unfinished"):
        shutil.copytree(made / "source", folder / "source", copy_function=shutil.copy2)
    if inside:
        shutil.copytree(made / inside, folder / inside)
    path = folder / inside / name
    contents = (made / inside / name).read_bytes()
    if name.endswith((".json", ".jsonl")) and rng.random() < 0.7:
        lines = [contents]
        if contents.count(b"\t"):  # of documents, each with its checksum
            lines = contents.splitlines(True)
        at = int(rng.integers(len(lines)))
        document = json.loads(lines[at].split(b"\t")[0])
        lines[at], way = mutations.damaged_document(document, rng)
        found = b"".join(lines)
    else:
        other = (made / "classes.csv").read_bytes()
        found, way = mutations.damaged(contents, rng, other)
    path.write_bytes(found)
    return Damage(
        f"{way} in {name}", (path.name, f"/{inside}" if inside else path.name)
    )


def check(made, folder):
    if (folder / "source").is_dir():
        out = next(
            p for p in (folder / "finished", folder / "unfinished") if p.is_dir()
        )
        return _check_prepared(made, folder, out)
    if (folder / "x.tsv.partial").is_dir():
        return _check_journal(folder)
    if (folder / "experiment").is_dir():
        runner._claim(_experiment(folder / "experiment"))
        settings = json.loads((folder / "experiment/experiment.json").read_text())
        return "the settings agree" if settings["settings"] else "none"
    (path,) = folder.iterdir()
    return {
        "classes.csv": _check_classes,
        "history.csv": _check_history,
        "result.json": _check_result,
    }[path.name](made, path)


def _sums(folder):
    names = sorted(folder.glob("*.tfrecord"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def _check_prepared(made, folder, out):
    """Going on with a preparation, and opening the data."""
    opened = None
    if out.name == "finished":
        opened = sources.open_data([out])
        info = records.DatasetInfo.read(out)
        if len(opened) != 4 or info.payload.row_size != 1:
            raise Wrong(f"{len(opened)} clips of rows of {info.payload.row_size}")
        original = records.DatasetInfo.read(made / "finished")
        if "checksum" not in json.loads((out / records.INFO_NAME).read_text()):
            original = info  # edited by hand
        for name in ("payload", "shards"):
            if getattr(info, name) != getattr(original, name):
                if name == "payload" or info.shards is not None:
                    raise Wrong(f"another {name}: {getattr(info, name)}")
        if type(info.has_strong) is not bool or not isinstance(info.name, str):
            raise Wrong(f"{info.has_strong!r}, {info.name!r}")
        dataclasses.asdict(info)
        opened.fingerprint()
    # another folder of sources is another source: its tables are known by checksum
    (result,) = _prepare(folder / "source", out)
    if _sums(out) != _sums(made / "finished"):
        raise Wrong("other shards")
    if result.num_clips != 4 or result.num_shards != 2:
        raise Wrong(f"{result}")
    if not all(isinstance(n, int) for n in result.left_out.values()):
        raise Wrong(f"{result.left_out}")
    result.summary()
    if out.name == "finished":
        return "as it was"
    if (out / "manifest.csv").read_bytes() != (
        made / "finished/manifest.csv"
    ).read_bytes():
        raise Wrong("another manifest")
    if len(sources.open_data([out])) != 4:
        raise Wrong("other data")
    return "gone on with"


def _check_journal(folder):
    """What a killed call had found is gone on with where it is whole."""
    with journal.Journal(folder / "x.tsv", CALL, True) as made:
        found = list(made)
        made.count = 1
    if found != [_as_read(entry) for entry in ENTRIES[: len(found)]]:
        raise Wrong(f"other entries: {found}")
    return f"{len(found)} entries"


def _as_read(entry):
    return journal.Entry(*json.loads(json.dumps(dataclasses.astuple(entry))))


def _check_classes(made, path):
    found = ClassList.read_csv(path)
    again = path.with_name("again.csv")
    found.write_csv(again)
    if ClassList.read_csv(again) != found:
        raise Wrong("not the same once written")
    original = ClassList.read_csv(made / "classes.csv")
    text = path.read_bytes().decode("utf-8-sig")
    for mid, name in zip(original.mids, original.names):
        line = next(
            line
            for line in (made / "classes.csv").read_text().splitlines()
            if mid in line
        )
        if line in text.splitlines() and text.count(mid) == 1:
            if name not in found or found.index(name) != original.index(name):
                raise Wrong(f"{name} is lost")
    return "what is not damaged is as it was"


def _check_history(made, path):
    rows = run_folder.read_history(path)
    if not rows:
        raise Wrong("no rows")
    for row in rows:
        if not all(isinstance(k, str) and isinstance(v, float) for k, v in row.items()):
            raise Wrong(f"{row}")
    if path.read_bytes() == (made / path.name).read_bytes() and rows != HISTORY:
        raise Wrong(f"{rows}")
    return "rows of numbers"


def _check_result(made, path):
    trial = Trial(str(path.parent), TrainConfig(data=("data",), out=""))
    _line(trial)
    results = Results({"a": {"b": [trial]}})
    for name in ("EER", "mAP", "validation mAP", "validation mAP, last epoch"):
        metric = METRICS.get(name)
        for values in results.values(metric).get("a", {}).values():
            if not all(v is None or isinstance(v, (int, float)) for v in values):
                raise Wrong(f"{name}: {values}")
        results.by_class(metric, "b")
    results.curves("loss")
    return "as the file says"
