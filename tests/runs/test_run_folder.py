"""What a run folder says of how it came about."""

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
