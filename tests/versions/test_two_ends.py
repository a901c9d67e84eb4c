"""What one TensorFlow writes is read by another; other_end.sh says how to run it."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

EXCHANGE = pathlib.Path(__file__).with_name("exchange.py")
OTHER = os.environ.get("TFWEAK_OTHER_PYTHON")


def call(python, what, folder):
    done = subprocess.run(
        [python, str(EXCHANGE), what, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return np.load(folder / f"{what}.npz")


@pytest.mark.slow
@pytest.mark.skipif(not OTHER, reason="TFWEAK_OTHER_PYTHON names no second environment")
@pytest.mark.parametrize(
    "writer, reader", [(sys.executable, OTHER), (OTHER, sys.executable)]
)
def test_each_end_reads_what_the_other_wrote(tmp_path, writer, reader):
    written, read = call(writer, "write", tmp_path), call(reader, "read", tmp_path)
    assert sorted(written) == sorted(read)
    for name in written:
        if name.startswith(("data", "optimizer")):
            np.testing.assert_array_equal(read[name], written[name], err_msg=name)
        else:
            np.testing.assert_allclose(
                read[name], written[name], atol=1e-5, err_msg=name
            )
