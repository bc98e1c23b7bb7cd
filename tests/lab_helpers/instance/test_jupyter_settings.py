"""JupyterLab's question about news is answered for the learner, unless they have answered it."""

import json
from pathlib import Path

import pytest

from lab_helpers.instance.jupyter import write_settings

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
