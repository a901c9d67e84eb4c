"""Shows the whole way in a few minutes, on sounds that it makes itself.

  tfweak-quickstart --out=DIR

Makes soundscapes with known times, trains a small model three times (no attention,
unsupervised attention, self-supervised attention) from tags alone, compares *which*
(mAP) and *when* (segment F1), draws pictures, exports a SavedModel and asks it about
one clip. Every step prints the command that does the same by hand.
"""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
import time
from typing import Any

from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError
from tfweak.typing import Tensors

_FLAGS = flags.FlagValues()

_OUT = flags.DEFINE_string(
    "out", "quickstart", "folder for everything that is made", flag_values=_FLAGS
)
_CLIPS = flags.DEFINE_integer(
    "clips", 400, "soundscapes of 10 s to train on", lower_bound=40, flag_values=_FLAGS
)
_EPOCHS = flags.DEFINE_integer(
    "epochs", 10, "passes over them for each model", lower_bound=1, flag_values=_FLAGS
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "of the sounds and of the training", lower_bound=0, flag_values=_FLAGS
)

# chosen on validation clips; the paper's own form is the default of tfweak-train
TARGET = "activation"
WEIGHT = 0.01
WIDTH = 0.125
BATCH_SIZE = 16
SYSTEMS = {
    "no attention": ("average", "none"),
    "unsupervised attention": ("attention", "none"),
    "self-supervised attention": ("attention", "self"),
}
SERVED = "self-supervised attention"
PICTURES = 3


def main(argv: list[str] | None = None) -> int:
    return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-quickstart")


def _main(_: list[str]) -> None:
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of one model traced after another
    started = time.monotonic()
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    _title("1 of 5: soundscapes, with tags for training and exact times for measuring")
    sizes = {
        "train": _CLIPS.value,
        "valid": _CLIPS.value // 8,
        "test": _CLIPS.value // 4,
    }
    for i, (part, clips) in enumerate(sizes.items()):
        _prepare(out / part, clips, 10 * _SEED.value + i)
    _prepare(out / "audio", 4, 10 * _SEED.value + 2, "--features=waveform")

    _title("2 of 5: three models, trained from the tags alone")
    for name, (pooling, supervision) in SYSTEMS.items():
        _train(out, name, pooling, supervision)

    _title("3 of 5: which and when, on soundscapes that nobody trained on")
    rows = {name: _measure(out, name) for name in SYSTEMS}

    _title("4 of 5: pictures")
    pictures = _draw(out)

    _title("5 of 5: a SavedModel, and what it says of a clip")
    answer = _serve(out)

    print(_table(rows))
    print(answer)
    print(
        f"\nIn {out}: train, valid, test (records); {', '.join(map(_folder, SYSTEMS))}"
        f" (runs); {pictures} pictures in pictures; saved_model; metrics.json."
        f"\nDone in {time.monotonic() - started:.0f} s. More epochs and a greater width"
        " help; tfweak-train --help says how."
    )


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _folder(system: str) -> str:
    return system.replace(" ", "-")


def _echo(program: str, arguments: list[str]) -> None:
    print(f"$ {program} {shlex.join(arguments)}", flush=True)


def _call(program: str, binary: Any, arguments: list[str]) -> None:
    """Runs another command in this process, as a shell would."""
    _echo(program, arguments)
    if binary.main(arguments):
        raise InputError(f"{program} failed; its message stands above")


def _prepare(out: pathlib.Path, clips: int, seed: int, *more: str) -> None:
    # a process of its own: records are where data_prep and models meet
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


def _train(out: pathlib.Path, name: str, pooling: str, supervision: str) -> None:
    from . import train

    print(f"-- {name}")
    how = [f"--supervision={supervision}"]
    if supervision != "none":
        how += [f"--attention_target={TARGET}", f"--attention_weight={WEIGHT}"]
    _call(
        "tfweak-train",
        train,
        [
            f"--data={out / 'train'}",
            f"--valid_data={out / 'valid'}",
            "--model=attention_fcn",
            f"--set=pooling={pooling},width={WIDTH},batch_norm=true",
            *how,
            f"--epochs={_EPOCHS.value}",
            f"--batch_size={BATCH_SIZE}",
            "--average_weights=0.98",
            f"--seed={_SEED.value}",
            f"--out={out / _folder(name)}",
        ],
    )


def _measure(out: pathlib.Path, name: str) -> Tensors:
    from . import evaluate

    path = out / _folder(name) / "metrics.json"
    _call(
        "tfweak-evaluate",
        evaluate,
        [f"--run={out / _folder(name)}", f"--data={out / 'test'}", f"--out={path}"],
    )
    return json.loads(path.read_text(encoding="utf-8"))


def _table(rows: dict[str, Tensors]) -> str:
    lines = ["", f"{'':27}{'mAP':>8}{'segment F1':>12}{'(macro)':>9}{'event F1':>10}"]
    for name, row in rows.items():
        found = row["localisation"]
        lines.append(
            f"{name:27}{row['mAP']:8.3f}{found['segment_based']['micro_f1']:12.3f}"
            f"{found['segment_based']['macro_f1']:9.3f}"
            f"{found['event_based']['micro_f1']:10.3f}"
        )
    return "\n".join(lines)


def _draw(out: pathlib.Path) -> int:
    from tfweak.plots import clip, curves, kit

    from ..runs import run_folder, scoring

    pictures = out / "pictures"
    pictures.mkdir(exist_ok=True)
    count = 0
    for name in SYSTEMS:
        run = run_folder.load(out / _folder(name))
        history = run_folder.read_history(run.folder / "history.csv")
        columns = {key: [row[key] for row in history] for key in history[0]}
        columns.pop("epoch")
        path = pictures / kit.file_name(f"{_folder(name)}-training")
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
            path = pictures / kit.file_name(f"{clip_id}-{_folder(name)}")
            kit.save(figure, path)
            count += 1
    return count


def _serve(out: pathlib.Path) -> str:
    import soundfile
    import tensorflow as tf

    from tfweak import serving
    from tfweak.data import records

    from . import export, predict

    info = records.DatasetInfo.read(out / "audio")
    shard = records.shards(out / "audio")[0]
    serialized = next(iter(tf.data.TFRecordDataset(shard))).numpy()
    clip = records.parse_clip(serialized, info.payload)
    wav = out / "example.wav"
    soundfile.write(wav, clip.payload, info.payload.parameters["sample_rate_hz"])
    run = out / _folder(SERVED)
    _call("tfweak-export", export, [f"--run={run}", f"--out={out / 'saved_model'}"])
    _call(
        "tfweak-predict", predict, [f"--run={run}", str(wav), f"--out={out}/events.tsv"]
    )
    classes, thresholds = serving.read_assets(out / "saved_model")
    served = tf.saved_model.load(str(out / "saved_model"))
    waveform = tf.constant(clip.payload[None] / 32768, tf.float32)
    probs = served.signatures["serving_default"](waveform=waveform)["clip_probs"][0]
    heard = [
        f"{classes.names[i]} {probs[i]:.2f}"
        for i in sorted(range(len(classes)), key=lambda i: -probs[i])
        if probs[i] >= thresholds["clip"][i]
    ]
    truth = [classes.names[label] for label in clip.labels]
    return (
        f"\nThe SavedModel hears in {wav}: {', '.join(heard) or 'nothing'}."
        f" In it are: {', '.join(truth) or 'none of the classes'}."
    )


if __name__ == "__main__":
    sys.exit(main())
