"""Where Jupyter keeps its files on a notebook instance, and the workshop's kernel there.

Contract: Jupyter documentation, "Common Directories and File Locations"; jupyter_client documentation,
"Making kernels for Jupyter". jupyter_core knows the same places, but is not in the small environment of the
workshop's own programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def data_directory(environment: Mapping[str, str]) -> Path:
    """Return the user's directory for Jupyter's data."""
    if given := environment.get("JUPYTER_DATA_DIR"):
        return Path(given).expanduser()
    return Path(environment.get("XDG_DATA_HOME") or "~/.local/share", "jupyter").expanduser()


def runtime_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory in which running servers record their addresses."""
    given = environment.get("JUPYTER_RUNTIME_DIR")
    return Path(given).expanduser() if given else data_directory(environment) / "runtime"


def write_kernel(environment: Mapping[str, str], python: Path, home: Path) -> None:
    """Write the kernel "MLOps workshop", as `python -m ipykernel install --user` would.

    That command takes a second to start. The user's home directory is new at every start of the instance.
    """
    kernel = data_directory(environment) / "kernels" / "mlops-workshop"
    kernel.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [
            *(str(python), "-Xfrozen_modules=off"),
            *("-m", "ipykernel_launcher", "-f", "{connection_file}"),
        ],
        "display_name": "MLOps workshop",
        "language": "python",
        "metadata": {"debugger": True},
        "env": {"WORKSHOP_HOME": str(home)},
    }
    (kernel / "kernel.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
