"""The steps of the quickstart: each prints the command that it runs."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
from typing import Any

from tfweak.errors import InputError
from tfweak.typing import Tensors

from . import evaluate, export, predict
from . import train as train_command

WIDTH = 0.125
BATCH_SIZE = 16
SYSTEMS = {
    "no attention": ("average", "none"),
    "unsupervised attention": ("attention", "none"),
    "self-supervision": ("attention", "self"),
}
SERVED = "self-supervision"
PICTURES = 3


def folder(system: str) -> str:
    """Of the run of one of `SYSTEMS`."""
    return system.replace(" ", "-")


def _echo(program: str, arguments: list[str]) -> None:
    print(f"$ {program} {shlex.join(arguments)}", flush=True)


def _call(program: str, binary: Any, arguments: list[str]) -> None:
    """Runs another command in this process, as a shell would."""
    _echo(program, arguments)
    if binary.main(arguments):
        raise InputError(f"{program} failed; its message stands above")


def make_scenes(out: pathlib.Path, clips: int, seed: int, *more: str) -> None:
    """Makes soundscapes, in a process of its own: models do not import data_prep."""
    arguments = [
        "--dataset=soundscapes",
        f"--num_clips={clips}",
        f"--seed={seed}",
        # few clips are written before a second process has started
        *(["--workers=1"] if clips <= 60 else []),
        *more,
    ]
    _echo("tfweak-prepare", [*arguments, f"--out={out}"])
    command = [sys.executable, "-m", "tfweak.data_prep.commands.prepare", *arguments]
    command += [f"--out={out.resolve()}"]
    # -m looks into the current folder first, which may be a checkout
    if subprocess.run(command, check=False, cwd=out.parent).returncode:
        raise InputError("tfweak-prepare failed; its message stands above")


def train(out: pathlib.Path, name: str, epochs: int, seed: int) -> None:
    """Trains one of `SYSTEMS`."""
    print(f"-- {name}")
    pooling, supervision = SYSTEMS[name]
    _call(
        "tfweak-train",
        train_command,
        [
            f"--data={out / 'train'}",
            f"--valid_data={out / 'valid'}",
            "--model=attention_fcn",
            f"--set=pooling={pooling},width={WIDTH},batch_norm=true",
            f"--supervision={supervision}",
            f"--epochs={epochs}",
            f"--batch_size={BATCH_SIZE}",
            "--average_weights=0.98",
            f"--seed={seed}",
            f"--out={out / folder(name)}",
        ],
    )


def measure(out: pathlib.Path, name: str) -> Tensors:
    """The metrics of a trained system on the test scenes."""
    path = out / folder(name) / "metrics.json"
    _call(
        "tfweak-evaluate",
        evaluate,
        [f"--run={out / folder(name)}", f"--data={out / 'test'}", f"--out={path}"],
    )
    return json.loads(path.read_text(encoding="utf-8"))


def table(rows: dict[str, Tensors]) -> str:
    """What `measure` found, a line for each system."""
    lines = ["", f"{'':27}{'mAP':>8}{'segment F1':>12}{'(macro)':>9}{'event F1':>10}"]
    for name, row in rows.items():
        segments, events = (
            row["localisation"][kind] for kind in ("segment_based", "event_based")
        )
        line = f"{name:27}"
        for value, width in (
            (row["mAP"], 8),
            (segments["micro_f1"], 12),
            (segments["macro_f1"], 9),
            (events["micro_f1"], 10),
        ):
            # nothing is to be found where no class occurs
            line += f"{'-' if value is None else format(value, '.3f'):>{width}}"
        lines.append(line)
    return "\n".join(lines)


def draw(out: pathlib.Path) -> int:
    """Draws trainings and attention; returns how many pictures."""
    from tfweak.plots import clip, curves, kit

    from ..runs import run_folder, scoring

    pictures = out / "pictures"
    pictures.mkdir(exist_ok=True)
    count = 0
    for name in SYSTEMS:
        run = run_folder.load(out / folder(name))
        history = run_folder.read_history(run.folder / "history.csv")
        columns = {key: [row[key] for row in history] for key in history[0]}
        columns.pop("epoch")
        path = pictures / kit.file_name(f"{folder(name)}-training")
        kit.save(curves.plot_history(columns), path)
        count += 1
        if SYSTEMS[name][0] == "average":
            continue
        data = scoring.open_for(run, [out / "test"])
        x, y, outputs = next(scoring.answers(run, data, PICTURES))
        for i in range(PICTURES):
            clip_id = y["clip_id"][i].numpy().decode()
            figure = clip.plot_clip(
                x["features"][i].numpy(),
                run.payload.parameters["hop_seconds"],
                run.architecture.grid,
                run.classes.names,
                outputs["segment_probs"][i],
                outputs["attention"][i],
                y["events"][i],
                title=f"{clip_id}, {name}",
            )
            path = pictures / kit.file_name(f"{clip_id}-{folder(name)}")
            kit.save(figure, path)
            count += 1
    return count


def serve(out: pathlib.Path) -> str:
    """Exports a system and asks the SavedModel about a clip."""
    import soundfile
    import tensorflow as tf

    from tfweak import serving
    from tfweak.data import records

    info = records.DatasetInfo.read(out / "audio")
    shard = records.shards(out / "audio")[0]
    serialized = next(iter(tf.data.TFRecordDataset(shard))).numpy()
    clip = records.parse_clip(serialized, info.payload)
    wav = out / "example.wav"
    soundfile.write(wav, clip.payload, info.payload.parameters["sample_rate_hz"])
    run = out / folder(SERVED)
    _call("tfweak-export", export, [f"--run={run}", f"--out={out / 'saved_model'}"])
    _call(
        "tfweak-predict", predict, [f"--run={run}", str(wav), f"--out={out}/events.tsv"]
    )
    classes, decoding = serving.read_assets(out / "saved_model")
    served = tf.saved_model.load(str(out / "saved_model"))
    waveform = tf.constant(clip.payload[None] / 32768, tf.float32)
    probs = served.signatures["serving_default"](waveform=waveform)["clip_probs"][0]
    heard = [
        f"{classes.names[i]} {probs[i]:.2f}"
        for i in sorted(range(len(classes)), key=lambda i: -probs[i])
        if probs[i] >= decoding.clip_thresholds[i]
    ]
    truth = [classes.names[label] for label in clip.labels]
    return (
        f"\nThe SavedModel hears in {wav}: {', '.join(heard) or 'nothing'}."
        f" In it are: {', '.join(truth) or 'none of the classes'}."
    )
