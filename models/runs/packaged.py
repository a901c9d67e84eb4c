"""Runs to pass on: small folders, and those that travel with the package.

A run to pass on holds what predicting, evaluating and going on from it need, with
weights in half precision, and `model.sha256`, which is checked when it is read:

config.json, classes.csv, decoding.json, clips.txt.gz, history.csv   as in any run
model.keras      with float16 weights; computing is as precise as it ever was
model.sha256     of model.keras
"""

from __future__ import annotations

import hashlib
import io
import pathlib
import shutil
import zipfile

import h5py
import numpy as np

from tfweak.errors import InputError
from tfweak.files import atomic
from tfweak.typing import StrPath

FOLDER = pathlib.Path(__file__).parents[1] / "pretrained"
MODEL, CHECKSUM = "model.keras", "model.sha256"
_COPIED = (
    "config.json",
    "classes.csv",
    "decoding.json",
    "clips.txt.gz",
    "history.csv",
)
_WEIGHTS = "model.weights.h5"


def names() -> list[str]:
    """The runs that travel with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/config.json"))


def resolve(run: StrPath) -> pathlib.Path:
    """The folder of a run, which may be the name of one that travels with the package.

    A folder of that name with a run in it comes first.

    Raises:
      InputError: it holds what is not a file.
    """
    folder = pathlib.Path(run)
    if not (folder / "config.json").exists() and str(run) in names():
        folder = FOLDER / str(run)
    atomic.require_files(folder)
    return folder


def write(run: StrPath, out: StrPath) -> pathlib.Path:
    """Writes a run to pass on.

    Args:
      run: folder of a finished run.
      out: folder to write, which must not exist or be empty.

    Raises:
      InputError: something of the run is missing, or the folder holds something.
    """
    run, out = pathlib.Path(run), pathlib.Path(out)
    for name in (*_COPIED, MODEL):
        if not (run / name).exists():
            raise InputError(f"{run}: no {name}; a run that has finished is needed")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty; choose another folder")
    model = _in_halves((run / MODEL).read_bytes())
    with atomic.replaced_folder(out) as folder:
        for name in _COPIED:
            shutil.copyfile(run / name, folder / name)
        (folder / MODEL).write_bytes(model)
        checksum = hashlib.sha256(model).hexdigest()
        (folder / CHECKSUM).write_text(f"{checksum}\n")
    return out


def check(folder: pathlib.Path) -> None:
    """Refuses a run to pass on whose weights are not those that it was written with.

    Raises:
      InputError: when the checksum is of something else.
    """
    path = folder / CHECKSUM
    if not path.exists():
        return
    found = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    if found != path.read_text(encoding="ascii").strip():
        raise InputError(
            f"{folder / MODEL}: is damaged (its checksum is not the one in {CHECKSUM});"
            " get the folder again"
        )


def _in_halves(archive: bytes) -> bytes:
    """A .keras file with float16 weights; the model's configuration stays as it is."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in sorted(source.namelist()):
            contents = source.read(name)
            if name == _WEIGHTS:
                contents = _weights_in_halves(contents)
            # a fixed date: the same run gives the same bytes
            target.writestr(
                zipfile.ZipInfo(name), contents, compress_type=zipfile.ZIP_DEFLATED
            )
    return out.getvalue()


def _weights_in_halves(contents: bytes) -> bytes:
    out = io.BytesIO()
    with (
        h5py.File(io.BytesIO(contents), "r") as source,
        # a group that keeps the order of its items keeps its time, too
        h5py.File(out, "w") as target,
    ):

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                if values.dtype == np.float32:
                    values = values.astype(np.float16)
                made = target.create_dataset(name, data=values)
            else:
                made = target.require_group(name)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        source.visititems(copy)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    return out.getvalue()
