"""Kills commands at random moments, starts them again, and compares what they leave.

    .venv/bin/python tests/kills/run.py --kills=200 --seed=1 --jobs=2 --out=FOLDER

Each life of a command is ended one to three times, most often by SIGKILL, also by
SIGTERM and Ctrl-C: half of the times at a random second, half before (or a few
milliseconds after) the n-th file that it opens to write, renames or removes. Now and
then there is no room for one of its files instead. At last it runs to its end, and
what it leaves must be what an undisturbed run left: records and tables byte for byte,
weights and curves value for value, no file more and none less. A life that fails keeps
its folder, in FOLDER/lives; all is drawn from the seed and the number of the life. The
same command goes on where it was killed itself.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

# before anything is imported that would start threads: forks are sound without
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import commands
import killing

from tfweak.files import atomic

# how often each is drawn
SHARES = {
    "prepare": 10,
    "prepare-2-workers": 5,
    "predict": 5,
    "predict-per-file": 4,
    "export": 1,
    "evaluate": 1,
    "train": 3,
    "experiment": 2,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="lives side by side")
    parser.add_argument("--commands", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        help="folder to work in and to go on in; by kills and seed if not given",
    )
    given = parser.parse_args()
    temporary = pathlib.Path(tempfile.gettempdir())
    out = given.out or temporary / f"tfweak-kills-{given.kills}-{given.seed}"
    suite = Suite(out.resolve(), given.seed, given.kills, given.commands)
    suite.prepare()
    began = time.monotonic()
    slots = []
    for slot in range(given.jobs):
        pid = os.fork()
        if not pid:
            killing.end_with_parent()
            suite.live(slot, given.jobs)
            os._exit(0)
        slots.append(pid)
    crashed = sum(os.waitpid(pid, 0)[1] != 0 for pid in slots)
    return suite.report(time.monotonic() - began) or crashed


class Suite:
    """Lives of commands in a folder.

    FOLDER/data/          what they read
    FOLDER/whole/         what undisturbed runs left, and whole.json: how long they took
    FOLDER/lives/         the lives that go on, and those that failed
    FOLDER/results.jsonl  a line for each life that has ended
    """

    def __init__(
        self, out: pathlib.Path, seed: int, kills: int, names: list[str]
    ) -> None:
        self._out, self._seed, self._kills, self._names = out, seed, kills, names
        self._results = out / "results.jsonl"
        self._whole: dict[str, killing.Ended] = {}

    def prepare(self) -> None:
        """Data and undisturbed runs, where they are not there yet."""
        self._out.mkdir(parents=True, exist_ok=True)
        data = self._out / "data"
        if not data.exists():
            part = self._out / "data.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            ended = killing.run(
                lambda: commands.make_data(part / "data") or 0, self._out
            )
            assert ended.status == 0, f"no data, see {self._out / 'log.txt'}"
            (part / "data").rename(data)
            part.rmdir()
        for name in self._names:
            command = commands.COMMANDS[name]
            folder = self._out / "whole" / name
            known = folder / "whole.json"
            if not known.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                ended = self._run(command, folder)
                assert ended.status == command.status, (name, ended, folder)
                atomic.write_text(known, json.dumps(vars(ended)))
            self._whole[name] = killing.Ended(**json.loads(known.read_text()))
            print(f"{name}: undisturbed {self._whole[name]}", flush=True)

    def _run(
        self,
        command: commands.Command,
        folder: pathlib.Path,
        trouble: killing.Trouble | None = None,
    ) -> killing.Ended:
        body = functools.partial(command.main, list(command.arguments))
        return killing.run(body, folder, trouble)

    def results(self) -> list[dict]:
        """Of the lives that have ended; a line that a kill cut off is none."""
        if not self._results.exists():
            return []
        lines = self._results.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def live(self, slot: int, slots: int) -> None:
        """Every life of a slot that has not ended, until there are kills enough."""
        done = {result["life"] for result in self.results()}
        number = slot
        while sum(result["kills"] for result in self.results()) < self._kills:
            if number not in done:
                result = self._life(number)
                with open(self._results, "ab", buffering=0) as file:
                    file.write(json.dumps(result).encode() + b"\n")
                told = "; ".join(result["troubles"])
                found = result["failure"] or "the same"
                print(f"{number}: {result['command']}: {told}: {found}", flush=True)
            number += slots

    def _life(self, number: int) -> dict:
        rng = random.Random(f"{self._seed}/{number}")
        shares = [SHARES[name] for name in self._names]
        is_first = number < len(shares)  # each of them early, then by their shares
        (name,) = rng.choices(self._names, shares)
        name = self._names[number] if is_first else name
        command, whole = commands.COMMANDS[name], self._whole[name]
        expected = self._out / "whole" / name / "out"
        sizes = [p.stat().st_size for p in expected.rglob("*") if p.is_file()]
        folder = self._out / "lives" / f"{number:04d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        troubles, failure = [], ""
        try:
            for count in range(rng.randint(1, 3) + is_first):
                if rng.random() < 0.2 or is_first and not count:
                    trouble = killing.Trouble.draw_full(rng, sizes)
                else:
                    trouble = killing.Trouble.draw_signal(
                        rng, whole.seconds, whole.changes
                    )
                told = os.path.getsize(folder / "log.txt") if count else 0
                before = _half_written(folder)
                ended = self._run(command, folder, trouble)
                if ended.status == command.status:  # it was quicker
                    break
                troubles.append(f"{trouble}: {ended.status}")
                left = _half_written(folder) - before
                _check(trouble, ended, left, (folder / "log.txt").read_bytes()[told:])
            ended = self._run(command, folder)
            assert ended.status == command.status, f"ended with {ended.status}"
            failure = _difference(
                commands.content(expected), commands.content(folder / "out")
            )
        except AssertionError as error:
            failure = f"{'; '.join(troubles[-1:])}: {error}"
        if not failure:
            shutil.rmtree(folder)
        kills = sum(not said.startswith("full") for said in troubles)
        return {
            "life": number,
            "command": name,
            "kills": kills,
            "troubles": troubles,
            "failure": failure,
        }

    def report(self, seconds: float) -> int:
        """Prints the counts by command; returns how many lives failed."""
        counts: dict[str, collections.Counter[str]] = {}
        for result in self.results():
            found = counts.setdefault(result["command"], collections.Counter())
            found["lives"] += 1
            found["kills"] += result["kills"]
            found["failed"] += bool(result["failure"])
            found.update(trouble.split()[0] for trouble in result["troubles"])
        total = sum(counts.values(), collections.Counter())
        columns = ("lives", "kills", "SIGKILL", "SIGTERM", "SIGINT", "full", "failed")
        print(f"| command | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for name, found in [*sorted(counts.items()), ("all", total)]:
            print(f"| {name} | {' | '.join(str(found[c]) for c in columns)} |")
        print(f"{seconds:.0f} s; failures keep their folders in {self._out / 'lives'}")
        return total["failed"]


def _half_written(folder: pathlib.Path) -> set[pathlib.Path]:
    return {path for path in folder.rglob("*") if ".tmp" in path.name}


def _check(
    trouble: killing.Trouble, ended: killing.Ended, left: set[pathlib.Path], told: bytes
) -> None:
    """A signal ends a command; Ctrl-C and a full disk with a word and no traceback."""
    if trouble.name == "full":
        assert ended.status == 1, f"ended with {ended.status}"
        message = told.rpartition(b"error: ")[2]
        assert re.match(rb".*\bout\b", message), f"no path in {message!r}"
        assert not left, f"left {left}"
    else:
        expected = 130 if trouble.signal == signal.SIGINT else -trouble.signal
        assert ended.status == expected, f"ended with {ended.status}"
    if trouble.signal in (0, signal.SIGINT):
        assert b"Traceback" not in told, "a traceback"


def _difference(expected: dict, found: dict) -> str:
    """What two folders differ in."""
    missing, more = sorted(expected.keys() - found), sorted(found.keys() - expected)
    other = [name for name in expected if name in found]
    other = [name for name in other if expected[name] != found[name]]
    parts = (("missing", missing), ("too many", more), ("different", other))
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)


if __name__ == "__main__":
    sys.exit(main())
