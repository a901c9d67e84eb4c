"""Flags, help and exit statuses that every command shares."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time

import pytest
from absl import flags

from tfweak.cli import console
from tfweak.errors import InputError

FLAGS = flags.FlagValues()
COUNT = flags.DEFINE_integer("count", 3, "how many", flag_values=FLAGS)


def call(arguments, body=lambda rest: None, **more):
    return console.run(FLAGS, "Does it.", body, arguments, program="thing", **more)


def test_flags_are_reset_at_each_call():
    seen = []
    assert call(["--count=5"], lambda rest: seen.append(COUNT.value)) == 0
    assert call([], lambda rest: seen.append(COUNT.value)) == 0
    assert seen == [5, 3]


def test_flagfile(tmp_path):
    path = tmp_path / "flags.txt"
    path.write_text("--count=7\n")
    seen = []
    assert call([f"--flagfile={path}"], lambda rest: seen.append(COUNT.value)) == 0
    assert seen == [7]


def test_help_names_flags_and_defaults(capsys):
    assert call(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: thing [flags]\n\nDoes it.")
    assert "--count: how many (default: '3')" in text


def test_more_help_is_asked_for_when_the_flags_are_shown(capsys):
    def more_help():
        assert "--count: how many" in capsys.readouterr().out
        return "things:\n  one"

    assert call(["--help"], more_help=more_help) == 0
    assert capsys.readouterr().out == "\nthings:\n  one\n"


def test_versions(capsys):
    assert call(["--version"]) == 0
    names = ("tfweak", "tensorflow", "keras")
    lines = [f"{name} {importlib.metadata.version(name)}" for name in names]
    assert capsys.readouterr().out.splitlines() == lines


def test_versions_where_one_is_not_there(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert console.versions().splitlines()[1:] == [
        "tensorflow is not installed",
        "keras is not installed",
    ]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "body",
    ["print('one')", "print('one', flush=True)", "run(lambda _: print('inner')) and 1"],
)
def test_output_that_nobody_reads_ends_the_command(unbuffered, body):
    code = f"""
from absl import flags
from tfweak.cli import console
import sys
def run(body):
    return console.run(flags.FlagValues(), "", body, [], program="thing")
sys.exit(run(lambda _: {body}))
"""
    command = [sys.executable, "-c", code]
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(
            command, stdout=nobody, stderr=subprocess.PIPE, env=environment
        )
    # as a shell says it of `yes | head -1`: 128 and the signal's 13
    assert done.returncode == 141 and done.stderr == b""


def test_an_interrupt_that_a_library_makes_an_error_of_is_one(capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def body(_):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except BaseException as error:
            raise InputError("not a usable run") from error

    try:
        assert console.run(flags.FlagValues(), "", body, [], program="thing") == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.startswith("\nthing: interrupted")


def test_a_pipe_to_somebody_else_is_a_bug():
    code = """
from absl import flags
from tfweak.cli import console
def body(_):
    raise BrokenPipeError("another")
console.run(flags.FlagValues(), "", body, [], program="thing")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BrokenPipeError: another" in done.stderr


@pytest.mark.parametrize(
    "error, status, message",
    [
        (InputError("bad file"), 1, "thing: error: bad file"),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (KeyboardInterrupt(), 130, "the same command goes on from here"),
    ],
)
def test_errors_become_messages(capsys, error, status, message):
    def body(rest):
        raise error

    assert call([], body) == status
    text = capsys.readouterr().err
    assert message in text and "Traceback" not in text


@pytest.mark.parametrize("argument", ["--count=5", "--help", "--version"])
def test_an_early_interrupt_is_no_traceback(capsys, monkeypatch, argument):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "_print_anything", interrupted)
    assert call([argument]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_bug_is_not_hidden():
    def body(rest):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call([], body)


def test_positional_arguments_only_where_they_mean_something(capsys):
    assert call(["file"]) == 2
    assert "'file'" in capsys.readouterr().err
    assert call(["file"], lambda rest: len(rest), positional="FILE") == 1


def test_output_files_are_checked_before_the_work(tmp_path):
    made = console.output_file("out", str(tmp_path / "a" / "b.json"))
    assert made.parent.is_dir() and not made.exists()
    with pytest.raises(InputError, match="--out=.*is a folder"):
        console.output_file("out", str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--out"):
        console.output_file("out", str(tmp_path / "file" / "x.json"))


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "utf-8"},
    ],
)
def test_whatever_a_file_is_called_is_printed(environment):
    code = """
from absl import flags
from tfweak.cli import console
import os, sys
def body(_):
    for out in (sys.stdout, sys.stderr):
        print("K\\u00fche", os.fsdecode(b"\\xff.wav"), file=out)
sys.exit(console.run(flags.FlagValues(), "", body, [], program="thing"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    text = "K\u00fche".encode() if "utf-8" in environment.values() else b"K\\xfche"
    assert done.stdout == done.stderr == text + b" \xff.wav\n"


@pytest.mark.parametrize("command", ["prepare", "predict", "export"])
def test_help_without_docstrings(command):
    room = "data_prep" if command == "prepare" else "models"
    module = f"tfweak.{room}.commands.{command}"
    done = subprocess.run(
        [sys.executable, "-P", "-OO", "-m", module, "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--trusted_graphs" in done.stdout
