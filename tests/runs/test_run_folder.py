"""What a run folder says of how it came about."""

import subprocess
import sys
import textwrap

import pytest
from made import CLASSES

from tfweak.models.runs import run_folder


def test_a_run_names_the_versions_that_it_went_on_with(tmp_path):
    document = {"model": {}, "training": {}, "data": {}, "versions": {"keras": "3.6"}}
    run_folder.start_or_resume(tmp_path / "run", document, CLASSES, resume=True)
    run_folder.start_or_resume(tmp_path / "run", document, CLASSES, resume=True)
    assert run_folder.read_config(tmp_path / "run") == document
    newer = {**document, "versions": {"keras": "3.15"}}
    run_folder.start_or_resume(tmp_path / "run", newer, CLASSES, resume=True)
    found = run_folder.read_config(tmp_path / "run")
    assert found == {**document, "resumed_with": {"keras": "3.15"}}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_resume_point_on_a_full_disk_is_named_once(tmp_path):
    code = textwrap.dedent(
        """
        import pathlib, resource, sys
        import numpy as np
        from tfweak.models.runs.resume_point import ResumePoint
        point = ResumePoint(pathlib.Path(sys.argv[1]))
        point.save({"network": [np.ones(300)]}, {"epoch": 1})
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        try:
            point.save({"network": [np.ones(3000)]}, {"epoch": 2})
        except OSError as error:
            print(error)
        print((pathlib.Path(sys.argv[1]) / "last" / "current").read_text())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=tmp_path,  # not the checkout, whose tfweak/ is no package
        capture_output=True,
        text=True,
    )
    told, current = done.stdout.splitlines()
    assert "File too large" in told
    assert current == "epoch-1"
    assert "Traceback" not in done.stderr
