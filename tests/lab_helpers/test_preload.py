"""What a notebook imports is loaded before it asks for it, and nothing else changes for it."""

import json
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from lab_helpers.instance.kernel import explain_missing_names, notebook_of
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


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("flowers.head()", True),
        ("def plot():\n    return flowers\n\nplot()", True),
        ("def plot():\n    flowers.head()\n    flowers = 1\n\nplot()", False),
        ("import json\njson.loads('{', object_hook=None)", False),
        ("from lab_of_others import broken\nbroken()", False),
    ],
)
def test_a_name_that_no_cell_has_defined_yet_comes_with_what_to_do(
    cell: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab_of_others.py").write_text("def broken():\n    return missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    shell = InteractiveShell()
    explain_missing_names(shell)

    assert not shell.run_cell(cell).success

    said = capsys.readouterr().out
    assert "Error" in said
    assert ("Run All Above Selected Cell" in said) is told
