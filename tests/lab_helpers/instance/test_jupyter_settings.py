"""JupyterLab opens as learners need it, unless they have decided otherwise."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from jupyterlab_server.config import get_federated_extensions
from jupyterlab_server.workspaces_handler import WorkspacesManager
from nbformat.sign import NotebookNotary

from lab_helpers.instance.jupyter import (
    WIDGETS,
    keep_signatures,
    lend_widgets,
    workspaces_directory,
    write_settings,
    write_workspace,
)

NEWS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"


@pytest.mark.parametrize(
    ("variable", "directory"),
    [
        ("HOME", ".jupyter/lab/user-settings"),
        ("JUPYTER_CONFIG_DIR", "lab/user-settings"),
        ("JUPYTERLAB_SETTINGS_DIR", "."),
    ],
)
def test_news_are_not_asked_for(
    variable: str, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    write_settings({variable: str(tmp_path)})
    assert json.loads((tmp_path / directory / NEWS).read_text()) == {"fetchNews": "false"}


def test_an_answer_of_the_learner_stays(tmp_path: Path) -> None:
    path = tmp_path / NEWS
    path.parent.mkdir(parents=True)
    path.write_text('{"fetchNews": "true"}')
    write_settings({"JUPYTERLAB_SETTINGS_DIR": str(tmp_path)})
    assert path.read_text() == '{"fetchNews": "true"}'


def test_jupyterlab_opens_with_the_first_notebook(tmp_path: Path) -> None:
    """As its own manager of workspaces reads it."""
    environment = {"JUPYTER_CONFIG_DIR": str(tmp_path)}
    write_workspace(environment, "notebooks/00_welcome.ipynb")
    manager = WorkspacesManager(str(workspaces_directory(environment)))
    [found] = manager.list_workspaces()
    assert found["metadata"]["id"] == "default"
    layout = manager.load("default")["data"]
    current = layout["layout-restorer:data"]["main"]["current"]
    assert layout[current]["data"]["path"] == "notebooks/00_welcome.ipynb"


def test_a_layout_of_the_learner_stays(tmp_path: Path) -> None:
    environment = {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path)}
    manager = WorkspacesManager(str(tmp_path))
    manager.save("default", '{"data": {}, "metadata": {"id": "default"}}')
    write_workspace(environment, "notebooks/00_welcome.ipynb")
    assert manager.load("default")["data"] == {}


def test_jupyterlab_finds_the_extension_for_widgets_of_the_kernels_environment(tmp_path: Path) -> None:
    """As JupyterLab itself looks for extensions: its own environment may have none."""
    made = {"JUPYTER_DATA_DIR": str(tmp_path / "data")}
    for _ in range(2):  # at every start of the instance
        lend_widgets(made, Path(sys.prefix))
    found = get_federated_extensions([str(tmp_path / "data" / "labextensions")])

    assert found[WIDGETS]["version"].startswith("5.")
    installed = json.loads(
        (Path(sys.prefix) / "share/jupyter/labextensions" / WIDGETS / "package.json").read_text()
    )
    assert found[WIDGETS]["version"] == installed["version"]


def test_a_notebook_that_was_run_here_is_trusted_after_the_next_start_of_the_instance(tmp_path: Path) -> None:
    """As Jupyter's own notary says, which shows a report page and buttons only of a trusted notebook."""
    notebook = nbformat.v4.new_notebook()

    def started(number: int) -> NotebookNotary:
        data = tmp_path / f"home-{number}"
        keep_signatures({"JUPYTER_DATA_DIR": str(data)}, tmp_path / "kept")
        return NotebookNotary(data_dir=str(data))

    started(1).sign(notebook)
    assert started(2).check_signature(notebook)
    assert not NotebookNotary(data_dir=str(tmp_path)).check_signature(notebook)
