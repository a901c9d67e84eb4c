"""The one command that has the others below it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from tfweak.__main__ import COMMANDS, main

USAGE = "usage: tfweak COMMAND"


def test_every_command_is_below_it():
    entries = {
        entry.name: entry.value
        for entry in importlib.metadata.distribution("tfweak").entry_points
    }
    assert entries.pop("tfweak") == "tfweak.__main__:main"
    assert entries == {
        f"tfweak-{name}": f"tfweak.{module}:main" for name, module in COMMANDS.items()
    }


def test_help_has_a_line_for_each(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(USAGE) and max(map(len, text.splitlines())) <= 88
    assert "  evaluate    Measures a run on labelled data.\n" in text
    assert all(f"\n  {name} " in text for name in COMMANDS)


def test_a_command_gets_the_arguments_that_follow(capsys):
    assert main(["evaluate", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: tfweak-evaluate [flags]")
    assert main(["evaluate", "--nonsense"]) == 2
    assert capsys.readouterr().err.startswith("tfweak-evaluate: ")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["trian"], "there is no command 'trian'"),
        (["--data=x"], "there is no command '--data=x'"),
        ([], "a command is needed"),
    ],
)
def test_what_is_no_command_gets_the_list(arguments, message, capsys):
    assert main(arguments) == 2
    text = capsys.readouterr()
    assert text.err.startswith(f"tfweak: {message}\n\n{USAGE}") and not text.out
    assert "\n  train " in text.err


def test_it_is_started_by_name_and_as_a_module():
    found = [
        subprocess.run(
            [sys.executable, "-m", "tfweak", *more, "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for more in ([], ["train"])
    ]
    version = importlib.metadata.version("tfweak")
    assert found[0] == found[1] and found[0].startswith(f"tfweak {version}\n")
