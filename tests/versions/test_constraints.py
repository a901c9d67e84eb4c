"""The constraints are whole, and the README's commands install by them."""

import importlib.metadata
import pathlib
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pinned(end):
    """Name -> version, for this Python."""
    lines = (ROOT / "requirements" / f"{end}.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in found
        if one.marker is None or one.marker.evaluate()
    }


def required(name, extras, found):
    """All that a package requires, and what that requires, as it is installed."""
    for line in importlib.metadata.requires(name) or []:
        one = Requirement(line)
        wanted = [
            one.marker is None or one.marker.evaluate({"extra": e}) for e in extras
        ]
        if any(wanted):
            found.setdefault(canonicalize_name(one.name), []).append(one.specifier)
            if len(found[canonicalize_name(one.name)]) == 1:
                required(one.name, {"", *one.extras}, found)
    return found


@pytest.mark.parametrize(
    "end, extras", [("tf216", {"io", "test"}), ("tf221", {"test"})]
)
def test_constraints_pin_all_that_is_required(end, extras):
    pins = pinned(end)
    if importlib.metadata.version("tensorflow") != pins["tensorflow"]:
        pytest.skip(f"this is not the environment of {end}")
    found = required("tfweak", ["", *extras], {})
    assert len(found) > 80
    for name, specifiers in found.items():
        for specifier in specifiers:
            assert pins[name] in specifier, (name, pins[name], specifier)


def test_commands_of_the_readme_install_by_the_constraints():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"python3 -m venv .*", text)
    assert len(commands) == 2
    for command in commands:
        extras = "io,test" if "pytest" in command else "io"
        assert f'install ".[{extras}]" -c requirements/tf216.txt &&' in command
