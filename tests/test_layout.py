"""The shape of the project: one-way imports, a light import, clean tools."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("tfweak", "data_prep", "models")
# package -> what its files must not import
FORBIDDEN = {
    "tfweak": ("tfweak.models", "tfweak.data_prep"),
    "data_prep": ("tfweak.models",),
    "models": ("tfweak.data_prep",),
}
BINARIES = {"train", "evaluate", "predict", "export", "quickstart", "fitting"}


def imports_of(path):
    """Absolute names of all modules that a file imports, inner ones too."""
    package = [*path.relative_to(ROOT).parts[:-1]]
    if package[0] != "tfweak":
        package = ["tfweak", *package]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    for path in files(package):
        for name in imports_of(path):
            for forbidden in FORBIDDEN[package]:
                assert not (name + ".").startswith(forbidden + "."), (path, name)


def test_architectures_import_no_binary():
    for path in files("models/architectures"):
        names = {name.rsplit(".", 1)[-1] for name in imports_of(path)}
        assert not names & BINARIES, path


def test_importing_tfweak_is_light():
    code = (
        "import sys, tfweak; heavy = {'tensorflow', 'tensorflow_hub', 'tensorflow_io',"
        " 'apache_beam', 'matplotlib', 'keras'} & set(sys.modules); print(heavy)\n"
        "from tfweak import WeakModel, open_data\n"
        "heavy = {'tensorflow_hub', 'tensorflow_io', 'apache_beam'} & set(sys.modules)"
        "; print(heavy)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["set()", "set()"]


def test_every_public_name_is_there():
    import tfweak

    for name in tfweak.__all__:
        assert getattr(tfweak, name).__doc__, name
    assert set(tfweak.__all__) <= set(dir(tfweak))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tfweak.nonsense


def test_no_file_is_too_long():
    for package in (*PACKAGES, "tests"):
        for path in files(package):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= (700 if package == "tests" else 450), (path, lines)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
        ["mypy", f"--cache-dir={os.devnull}", "tfweak", "data_prep", "models"],
    ],
)
def test_tools_are_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
