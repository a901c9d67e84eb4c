#!/usr/bin/env bash
# Runs the suite with the newest TensorFlow, and then what the two ends read of each
# other. CI runs the other end alone, for this takes an hour or two.
#
#   tests/versions/other_end.sh [PYTHON of an environment of the 2.16 end]
set -euo pipefail
cd "$(dirname "$0")/../.."
first=$(realpath --no-symlinks "${1:-.venv/bin/python}")
python3 -m venv .venv-tf221
.venv-tf221/bin/pip install ".[test]" -c requirements/tf221.txt
TFWEAK_OTHER_PYTHON="$first" .venv-tf221/bin/pytest
