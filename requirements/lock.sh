#!/usr/bin/env bash
# Writes the constraints of both ends anew, each for all Pythons; needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND=requirements/lock.sh

lock() {
  rm -f "$1"
  uv pip compile --quiet --universal --python-version=3.10 --no-annotate \
    --extra=test "${@:2}" --output-file="$1" pyproject.toml
}

lock requirements/tf216.txt --extra=io
# the last NumPy, SciPy and librosa that Python 3.11 has, on later ones too
lock requirements/tf221.txt --upgrade-package='tensorflow~=2.21.0' \
  --upgrade-package='numpy<2.5' --upgrade-package='scipy<1.18' \
  --upgrade-package='librosa<1'
