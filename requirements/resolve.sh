#!/usr/bin/env bash
# Shows that there are Linux wheels of all that tfweak needs, for each Python at each end;
# needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."

resolve() {
  echo "Python $1, requirements/$2.txt ${*:3}"
  uv pip compile --quiet --no-header --no-annotate --only-binary=:all: \
    --python-version="$1" --python-platform=x86_64-manylinux_2_28 \
    --constraint="requirements/$2.txt" "${@:3}" pyproject.toml
}

for python in 3.10 3.11 3.12; do
  resolve "$python" tf216 --extra=io
done
for python in 3.10 3.11 3.12 3.13; do
  resolve "$python" tf221
done
