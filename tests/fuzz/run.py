"""Feeds many damaged inputs to the installed package; see docs/robustness.md.

python tests/fuzz/run.py --inputs=10000 --seed=1 --jobs=2 --out=FILE.json
python tests/fuzz/run.py --replay=FILE.findings/NAME

FILE.json            the counts
FILE.findings/NAME/  each input that was neither read rightly nor named, and replay.txt
FILE.work/           undamaged files, and what was done: a killed run goes on from there
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import frame  # noqa: E402
import tqdm  # noqa: E402


def main():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--inputs", type=int, default=10000)
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--jobs", type=int, default=os.cpu_count())
    flags.add_argument("--seconds", type=float, default=120.0, help="of one input")
    flags.add_argument("--megabytes", type=int, default=2048, help="the same")
    flags.add_argument("--out", type=pathlib.Path, default=pathlib.Path("fuzz.json"))
    flags.add_argument("--only", help="some of the targets, separated by commas")
    flags.add_argument("--targets", type=pathlib.Path, default=HERE / "targets")
    flags.add_argument("--replay", type=pathlib.Path)
    asked = flags.parse_args()
    frame.most_bytes = asked.megabytes << 20
    targets = frame.load(asked.targets)
    if asked.only:
        targets = {name: targets[name] for name in asked.only.split(",")}
    if asked.replay:
        return replay(asked.replay.resolve(), targets)
    return fuzz(asked, targets)


def fuzz(asked, targets):
    out = asked.out.resolve()
    work, findings = out.with_suffix(".work"), out.with_suffix(".findings")
    work.mkdir(parents=True, exist_ok=True)
    journal = work / f"seed-{asked.seed}.jsonl"
    frame.make(targets, work / "made")
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    results = [json.loads(line) for line in lines]
    done = {frame.Case(**result["case"]) for result in results}
    todo = [c for c in frame.cases(targets, asked.inputs) if c not in done]
    began = time.monotonic()
    with open(journal, "a+b") as file:
        file.truncate(sum(len(line) + 1 for line in lines))
        bar = tqdm.tqdm(
            total=len(todo) + len(done),
            initial=len(done),
            unit="input",
            mininterval=0.1 if sys.stderr.isatty() else 20,
        )
        for result in frame.run(
            targets,
            todo,
            work / "made",
            work / "inputs",
            asked.seed,
            asked.jobs,
            asked.seconds,
        ):
            if result.outcome in frame.BAD:
                keep(result, work, findings, asked)
                bar.write(
                    f"{result.case.name}: {result.outcome}, {result.way}:"
                    f" {result.detail.strip().splitlines()[-1:]}"
                )
            results.append(dataclasses.asdict(result))
            file.write(json.dumps(results[-1]).encode() + b"\n")
            file.flush()
            bar.update()
        bar.close()
    shutil.rmtree(work / "inputs", ignore_errors=True)
    counts = collections.defaultdict(collections.Counter)
    for result in results:
        counts[result["case"]["target"]][result["outcome"]] += 1
    document = {
        "inputs": len(results),
        "seed": asked.seed,
        "seconds": round(time.monotonic() - began),
        "outcomes": {name: dict(sorted(c.items())) for name, c in counts.items()},
    }
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document["outcomes"], indent=1))
    bad = sum(result["outcome"] in frame.BAD for result in results)
    print(f"{len(results)} inputs, {bad} findings" + (f": {findings}" if bad else ""))
    return 1 if bad else 0


def keep(result, work, findings, asked):
    """Moves an input to the findings, with what was found and how to see it again."""
    folder = findings / result.case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inputs = work / "inputs"
    shutil.move(inputs / result.case.name, folder / result.case.name)
    damage = json.loads((inputs / f"{result.case.name}.json").read_text())
    (inputs / f"{result.case.name}.json").unlink()
    document = {
        "target": result.case.target,
        "made": str(work / "made"),
        "damage": damage,
    }
    (folder / "finding.json").write_text(json.dumps(document, indent=1))
    (folder / "replay.txt").write_text(
        f"{sys.executable} {pathlib.Path(__file__).resolve()}"
        f" --targets={asked.targets.resolve()} --replay={folder}\n\n"
        f"{result.outcome} after {result.seconds} s, {result.way}\n\n{result.detail}\n"
    )


def replay(folder, targets):
    """Reads a finding again, in this process."""
    document = json.loads((folder / "finding.json").read_text())
    name = document["target"]
    damage = frame.Damage(**document["damage"])
    outcome, detail = frame.judge(
        targets[name],
        pathlib.Path(document["made"], name),
        folder / folder.name,
        damage,
    )
    print(f"{damage.way}\n{outcome}\n{detail}")
    return 0 if outcome in frame.GOOD else 1


if __name__ == "__main__":
    sys.exit(main())
