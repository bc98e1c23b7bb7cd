#!/bin/bash
# Makes the Python environment of the Jupyter kernel, on the volume, so that it survives stop and start.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

find_uv
packages "$STATE/package/requirements.txt"
environment "$STATE/venv" "$STATE/package"

# Loading once what the notebooks import leaves its bytecode, and matplotlib's list of fonts: the learner's first
# cell would wait for them.
ln -sfn "$PACKAGES/matplotlib" "$STATE/venv/matplotlib"
if [ ! -e "$PACKAGES/matplotlib/loaded" ]; then
    mkdir -p "$PACKAGES/matplotlib"
    if MPLCONFIGDIR="$STATE/venv/matplotlib" \
        "$STATE/venv/bin/python" -m lab_helpers.preload "$STATE/package"/notebooks/*.ipynb; then
        touch "$PACKAGES/matplotlib/loaded"
    fi
fi
