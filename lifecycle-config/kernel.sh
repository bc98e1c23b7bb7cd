#!/bin/bash
# Makes the Python environment of the Jupyter kernel, on the volume, so that it survives stop and start.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

find_uv
packages "$WORKSHOP_HOME/workshop/requirements.txt"
environment "$STATE/venv" "$WORKSHOP_HOME/workshop"
