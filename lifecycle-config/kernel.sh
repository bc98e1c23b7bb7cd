#!/bin/bash
# The Jupyter kernel "MLOps workshop", with a Python environment on the volume, so that it survives stop and start.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

find_uv
packages "$WORKSHOP_HOME/workshop/requirements.txt"
environment "$STATE/venv" "$WORKSHOP_HOME/workshop"

# Writes what `python -m ipykernel install --user` would, without the second that it takes to start. It goes under
# the home directory, which is new at every start.
"$STATE/venv/bin/python" - "$WORKSHOP_HOME" <<'PYTHON'
import json
import os
import sys
from pathlib import Path

home = sys.argv[1]
data = os.environ.get("JUPYTER_DATA_DIR") or Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share", "jupyter")
kernel = Path(data).expanduser() / "kernels" / "mlops-workshop"
kernel.mkdir(parents=True, exist_ok=True)
spec = {
    "argv": [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "MLOps workshop",
    "language": "python",
    "metadata": {"debugger": True},
    "env": {"WORKSHOP_HOME": home},
}
(kernel / "kernel.json").write_text(json.dumps(spec, indent=1))
PYTHON
