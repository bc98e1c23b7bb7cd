#!/bin/bash
# The Jupyter kernel "MLOps workshop": its own Python environment on the volume, so that it survives stop and start.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

venv="$STATE/venv"
find_uv
if ! "$venv/bin/python" -c "" 2>/dev/null; then
    rm -rf "$venv"
    make_environment "$venv"
fi
install_requirements "$venv" "$WORKSHOP_HOME/workshop/requirements.txt"

# What `python -m ipykernel install --user` writes, without the second that it takes to start. Under the home
# directory, which is new at every start.
"$venv/bin/python" - "$WORKSHOP_HOME" <<'PYTHON'
import json
import os
import sys
import sysconfig
from pathlib import Path

home = sys.argv[1]
(Path(sysconfig.get_path("purelib")) / "mlops_workshop.pth").write_text(f"{home}/workshop\n")
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
