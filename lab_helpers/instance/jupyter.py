"""Where Jupyter keeps its files on a notebook instance, and the workshop's kernel there.

Contract: Jupyter documentation, "Common Directories and File Locations"; jupyter_client documentation,
"Making kernels for Jupyter". jupyter_core knows the same places, but is not in the small environment of the
workshop's own programs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

FIRST = "00_welcome.ipynb"
"""The notebook with which JupyterLab opens."""


def data_directory(environment: Mapping[str, str]) -> Path:
    """Return the user's directory for Jupyter's data."""
    if given := environment.get("JUPYTER_DATA_DIR"):
        return Path(given).expanduser()
    return Path(environment.get("XDG_DATA_HOME") or "~/.local/share", "jupyter").expanduser()


def runtime_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory in which running servers record their addresses."""
    given = environment.get("JUPYTER_RUNTIME_DIR")
    return Path(given).expanduser() if given else data_directory(environment) / "runtime"


def settings_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's JupyterLab settings (JupyterLab documentation, "Advanced Usage")."""
    if given := environment.get("JUPYTERLAB_SETTINGS_DIR"):
        return Path(given)
    return Path(environment.get("JUPYTER_CONFIG_DIR") or "~/.jupyter").expanduser() / "lab" / "user-settings"


def write_settings(environment: Mapping[str, str]) -> None:
    """Answer "never" for the learner when JupyterLab asks whether it may fetch news.

    JupyterLab reads settings when a page loads, so it need not be restarted.
    """
    settings = settings_directory(environment) / "@jupyterlab" / "apputils-extension"
    path = settings / "notification.jupyterlab-settings"
    if not path.exists():
        settings.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"fetchNews": "false"}), encoding="utf-8")


def keep_signatures(environment: Mapping[str, str], kept: Path) -> None:
    """Keep in a directory what Jupyter knows about the notebooks that the learner has run here.

    Jupyter signs the outputs of such a notebook, and shows of others no frame, style or widget (nbformat,
    `NotebookNotary`). Key and signatures are in the home directory, which is new at every start. What a
    server has written there before this stays.
    """
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = data_directory(environment)
    data.mkdir(parents=True, exist_ok=True)
    for name in ("notebook_secret", "nbsignatures.db"):
        with contextlib.suppress(FileExistsError):
            (data / name).symlink_to(kept / name)


WIDGETS = "@jupyter-widgets/jupyterlab-manager"
"""The extension with which JupyterLab shows widgets, such as the buttons of a decision."""


def lend_widgets(environment: Mapping[str, str], python_environment: Path) -> None:
    """Let JupyterLab show widgets with the extension that the kernel's environment has.

    JupyterLab runs in another environment, whose packages are not the workshop's: AWS does not say that they
    include it. It also looks in the user's directory for data ("Extension Developer Guide", Prebuilt
    Extensions), whenever a page loads.
    """
    link = data_directory(environment) / "labextensions" / WIDGETS
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # of an earlier start, or the learner's
        link.symlink_to(python_environment / "share" / "jupyter" / "labextensions" / WIDGETS)


def workspaces_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's layouts of JupyterLab (its documentation, "Workspaces")."""
    if given := environment.get("JUPYTERLAB_WORKSPACES_DIR"):
        return Path(given)
    return Path(environment.get("JUPYTER_CONFIG_DIR") or "~/.jupyter").expanduser() / "lab" / "workspaces"


def write_workspace(environment: Mapping[str, str], notebook: str) -> None:
    """Let JupyterLab open with a notebook, whose path begins at its root, beside the list of files.

    It is what `jupyter lab workspaces import` would write. A layout that JupyterLab has saved since stays: it
    is the learner's.
    """
    path = workspaces_directory(environment) / "default-37a8.jupyterlab-workspace"  # a digest of "default"
    if path.exists():
        return
    widget = f"notebook:{notebook}"
    tabs = {"type": "tab-area", "currentIndex": 0, "widgets": [widget]}
    layout = {
        "data": {
            "layout-restorer:data": {
                "main": {"dock": tabs, "current": widget},
                # An area that a layout does not name is closed.
                "left": {"collapsed": False, "visible": True, "current": "filebrowser"},
            },
            widget: {"data": {"path": notebook, "factory": "Notebook"}},
        },
        "metadata": {"id": "default"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(layout), encoding="utf-8")


def write_kernel(environment: Mapping[str, str], python: Path, home: Path) -> None:
    """Write the kernel "MLOps workshop", as `python -m ipykernel install --user` would.

    That command takes a second to start. The user's home directory is new at every start of the instance.
    """
    kernel = data_directory(environment) / "kernels" / "mlops-workshop"
    kernel.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [
            # -P: no file of the learner's, such as random.py, is taken for a library's module.
            *(str(python), "-P", "-Xfrozen_modules=off"),
            *("-m", "lab_helpers.instance.kernel", "-f", "{connection_file}"),
        ],
        "display_name": "MLOps workshop",
        "language": "python",
        "metadata": {"debugger": True},
        # Matplotlib's list of fonts takes seconds to make: it must last longer than the home directory.
        "env": {"WORKSHOP_HOME": str(home), "MPLCONFIGDIR": str(home / ".workshop" / "venv" / "matplotlib")},
    }
    (kernel / "kernel.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
