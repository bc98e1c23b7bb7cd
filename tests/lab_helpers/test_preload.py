"""What a notebook imports is loaded before it asks for it, and nothing else changes for it."""

import json
import sys
from pathlib import Path

import pytest

from lab_helpers.instance.kernel import notebook_of
from lab_helpers.preload import load, needed_modules


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    sources = [
        "from preloaded_here import thing\nimport absent_here",
        "%%writefile app.py\nimport written",
        "from lab_helpers import plots",
    ]
    path = tmp_path / "06_look_back.ipynb"
    cells = [{"cell_type": "code", "source": [source]} for source in sources]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "import prose"}, *cells]}))
    return path


def test_imports_are_read_from_the_code_cells_and_plots_bring_what_draws(notebook: Path) -> None:
    names = needed_modules(notebook)
    assert names[:3] == ["preloaded_here", "preloaded_here.thing", "absent_here"]
    assert "matplotlib.pyplot" in names
    assert not {"written", "prose"} & set(names)


def test_what_is_there_is_loaded_and_what_is_missing_is_left_to_the_notebook(
    notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (notebook.parent / "preloaded_here.py").write_text("thing = 1\n")
    monkeypatch.syspath_prepend(notebook.parent)
    try:
        load(needed_modules(notebook)[:3])
        assert "preloaded_here" in sys.modules
        assert "absent_here" not in sys.modules
    finally:
        sys.modules.pop("preloaded_here", None)


def test_a_kernel_knows_its_notebook_from_jupyter_server(notebook: Path) -> None:
    folder = notebook.parent
    assert notebook_of({"JPY_SESSION_NAME": str(notebook)}, folder) == notebook
    assert notebook_of({"JPY_SESSION_NAME": f"notebooks/{notebook.name}"}, folder) == notebook
    assert notebook_of({"JPY_SESSION_NAME": "console-1-6e51"}, folder) is None
    assert notebook_of({}, folder) is None
