"""The shape of the project: one-way imports, a light import, clean tools."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest

import tfweak

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = f"--config-file={ROOT / 'pyproject.toml'}"
INSTALLED = pathlib.Path(tfweak.__file__).parent
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# From the ground up. A room imports itself and what lies on lines above its own.
FLOORS = """
tfweak tfweak.errors tfweak.typing
tfweak.files
tfweak.labels tfweak.payload tfweak.registry
tfweak.processes tfweak.progress tfweak.settings
tfweak.pool
tfweak.extractor
tfweak.audio
tfweak.extractors
tfweak.data
tfweak.evaluation tfweak.plots tfweak.cli
tfweak.decoding
tfweak.serving
tfweak.learning
tfweak.data_prep tfweak.data_prep.options
tfweak.data_prep.dataset
tfweak.data_prep.inputs tfweak.data_prep.scenes
tfweak.data_prep.datasets
tfweak.data_prep.shards
tfweak.data_prep.prepared
tfweak.data_prep.writer
tfweak.data_prep.commands
tfweak.models tfweak.models.architecture
tfweak.models.networks
tfweak.models.architectures
tfweak.models.streaming
tfweak.models.runs
tfweak.models.training
tfweak.models.experiments.table
tfweak.models.experiments.tables
tfweak.models.experiments
tfweak.models.commands
tfweak.__main__
"""
FLOOR = {
    room: number
    for number, line in enumerate(FLOORS.strip().splitlines())
    for room in line.split()
}
MOST_FILES = 12
# one file for each system
UNLIMITED = {"tfweak.models.architectures", "tfweak.data_prep.datasets"}


@functools.cache
def modules():
    """Name -> file of every installed module."""
    found = {}
    for path in sorted(INSTALLED.rglob("*.py")):
        parts = path.relative_to(INSTALLED.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports_of(name):
    """The modules of tfweak that a module imports, wherever in it, resolved."""
    path = modules()[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in modules() else base)
    ours = {module for module in found if module.split(".")[0] == "tfweak"}
    assert ours <= set(modules()), (name, ours - set(modules()))
    return ours


def room_of(name):
    """The longest room of `FLOORS` that a module lies in."""
    while name not in FLOOR:
        name = name.rpartition(".")[0]
    return name


def test_every_module_has_a_room():
    assert len(modules()) > 100
    for name in modules():
        room = room_of(name)
        # nothing hides in the packages themselves, which are on the ground
        assert name == room or room not in ("tfweak", "tfweak.models"), name


@pytest.mark.parametrize("name", modules())
def test_imports_run_down(name):
    room = room_of(name)
    for other in imports_of(name):
        above = room_of(other)
        assert room == above or FLOOR[above] < FLOOR[room], f"{name} imports {other}"
        packages = {n.split(".")[1] for n in (name + ".", other + ".")}
        assert not packages >= {"models", "data_prep"}, f"{name} imports {other}"


def test_no_modules_import_each_other_in_a_circle():
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for other in imports_of(name) - {name}:
            visit(other)
        path.pop()
        done.add(name)

    for name in modules():
        visit(name)


def test_imports_inside_a_package_are_relative():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                inside = ("tfweak.models", "tfweak.data_prep")
                own = next(
                    (p for p in inside if (name + ".").startswith(p + ".")), None
                )
                to = f"{node.module}."
                assert not own or not to.startswith(own + "."), (name, node.module)
                assert own or not to.startswith("tfweak."), (name, node.module)


def test_no_room_is_crowded():
    rooms: dict[str, int] = {}
    for name, path in modules().items():
        if path.name not in ("__init__.py", "__main__.py"):
            room = name.rpartition(".")[0]
            rooms[room] = rooms.get(room, 0) + 1
    for room, count in rooms.items():
        assert count <= MOST_FILES or room in UNLIMITED, (room, count)
    for folder in [ROOT / "tests", *(ROOT / "tests").rglob("*/")]:
        assert len(list(folder.glob("*.py"))) <= MOST_FILES, folder


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


def test_loading_tensorflow_says_nothing_but_errors():
    code = (
        "import tfweak; tfweak.WeakModel; import tensorflow as tf;"
        " tf.get_logger().error('an error'); tf.reshape(tf.zeros(3), [2])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        capture_output=True,
        text=True,
    )
    assert found.returncode and not found.stdout
    # what TensorFlow 2.21 says of CUDA heeds no level
    heedless = re.compile("WARNING: All log messages before absl|I0000 .*cudart_stub")
    said = [line for line in found.stderr.splitlines() if not heedless.match(line)]
    first, second, *_, last = said
    assert first == "ERROR:tensorflow:an error"
    assert second.startswith("Traceback") and "InvalidArgumentError" in last


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="left as it is on other CPUs"
)
@pytest.mark.parametrize("given, kernels", [({}, True), ({ONEDNN: "0"}, False)])
def test_onednn_computes_unless_it_is_switched_off(given, kernels):
    code = (
        "import tfweak; from tensorflow.python.util import _pywrap_util_port as port;"
        " print(port.IsMklEnabled())"
    )
    others = {k: v for k, v in os.environ.items() if k != ONEDNN}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**others, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(kernels)]


def test_a_checkout_that_hides_the_installed_package_says_so():
    code = "import tfweak"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode
    assert ".venv/bin/pytest" in found.stderr.splitlines()[-1]


def test_every_public_name_is_there():
    for name in tfweak.__all__:
        assert getattr(tfweak, name).__doc__, name
    assert set(tfweak.__all__) <= set(dir(tfweak))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tfweak.nonsense


def test_commands_are_short():
    entries = importlib.metadata.entry_points(group="console_scripts")
    ours = [entry for entry in entries if entry.name.startswith("tfweak-")]
    assert len(ours) == 7
    for entry in ours:
        path = modules()[entry.value.partition(":")[0]]
        assert path.parent.name == "commands"
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 100, path


def test_no_file_is_too_long():
    for path in [*modules().values(), *(ROOT / "tests").rglob("*.py")]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= (450 if INSTALLED in path.parents else 700), (path, lines)


@pytest.mark.parametrize(
    "command, folder",
    [
        (["ruff", "check", "--no-cache", "."], ROOT),
        (["ruff", "format", "--no-cache", "--check", "."], ROOT),
        # on what is installed, where all modules have the names that users know
        (["mypy", CONFIG, f"--cache-dir={os.devnull}", "-p", "tfweak"], None),
    ],
)
def test_tools_are_clean(command, folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder or tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_a_wrong_call_across_the_packages_is_seen(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(
        "from tfweak.models.runs import run_folder as r\nr.load(1, nonsense=4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert '"load" has incompatible type "int"' in done.stdout
    assert 'Unexpected keyword argument "nonsense"' in done.stdout


def test_no_two_public_things_of_the_packages_share_a_name():
    """As far as `data_prep` goes; one thing may well be imported in many places."""
    places: dict[str, set[str]] = {}
    for name, path in modules().items():
        room = name.split(".")[1:]
        if room[:1] not in (["data_prep"], ["models"]) or "commands" in room:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                if not node.name.startswith("_"):
                    places.setdefault(node.name, set()).add(name)
    for name, found in places.items():
        ours = any(module.startswith("tfweak.data_prep") for module in found)
        assert not ours or len(found) == 1, (name, found)
