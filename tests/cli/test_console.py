"""Flags, help and exit statuses that every command shares."""

from __future__ import annotations

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
