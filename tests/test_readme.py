"""What the README shows is run as it stands."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from made import make_tones, tone

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    _, _, rest = README.read_text(encoding="utf-8").partition(
        "<!-- python -->\n```python\n"
    )
    code, end, _ = rest.partition("\n```\n")
    assert end
    make_tones(tmp_path / "data", 40)
    make_tones(tmp_path / "test_data", 8, seed=1)
    (tmp_path / "recordings").mkdir()
    waveform, _ = tone(1, np.random.default_rng(2))
    soundfile.write(tmp_path / "recordings" / "street.wav", waveform, 16000)
    code += "\nassert len(answers) == 1 and not unusable, (answers, unusable)"
    code += "\nassert clip_probs.shape == (1, 2), clip_probs"
    code += "\nassert model.optimizer.iterations > 5"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    made = {path.name for path in tmp_path.iterdir()}
    assert made >= {"run", "saved_model", "best.keras", "model.keras"}
    # the summary, the events, the metric
    assert "attention_fcn" in done.stdout and "best epoch" in done.stdout
