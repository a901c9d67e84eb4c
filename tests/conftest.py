"""What several test modules need: the shared data, and small data sets made once."""

from __future__ import annotations

import fcntl
import logging
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Workers share the cores out among them; what they start inherits that.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    _workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for _library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP"):
        _threads = max(1, (os.cpu_count() or 1) // _workers)
        os.environ.setdefault(f"{_library}_THREADS", str(_threads))

import pytest

# before TensorFlow, whose kernels it chooses: those of every command
import tfweak  # noqa: F401

if TYPE_CHECKING:
    from made import VggishStandIn

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that none is left to a single worker."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def made_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[pathlib.Path], None]], pathlib.Path]:
    """Makes a folder by name, once for all workers: by the first that asks."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def get(name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = root / name
            if not folder.exists():
                make(root / f"{name}.part")
                os.rename(root / f"{name}.part", folder)
        return folder

    return get


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests and the processes they start run outside of the checkout.

    There the package is the installed one, and nothing is written into the checkout.
    """
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


@pytest.fixture
def logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    """What the library logs for its users."""
    monkeypatch.setattr(logging.getLogger("tfweak"), "propagate", True)
    caplog.set_level(logging.INFO, "tfweak")
    return caplog


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data, where the machine has it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not on this machine ({folder})")
    return folder


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    from made import make_embeddings

    return make_embeddings(tmp_path_factory.mktemp("data") / "embeddings")


@pytest.fixture(scope="session")
def vggish_stand_in() -> VggishStandIn:
    from made import VggishStandIn

    return VggishStandIn()


@pytest.fixture(scope="session")
def vggish_saved(
    vggish_stand_in: VggishStandIn, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A local SavedModel, as a hub's."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("hub") / "vggish"
    tf.saved_model.save(vggish_stand_in, str(folder))
    return folder


@pytest.fixture(scope="session")
def vggish_checkpoint(
    vggish_stand_in: VggishStandIn, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    from made import write_vggish_checkpoint

    path = tmp_path_factory.mktemp("ckpt") / "vggish_model.ckpt"
    write_vggish_checkpoint(path, vggish_stand_in.named_arrays(), version=1)
    return path
