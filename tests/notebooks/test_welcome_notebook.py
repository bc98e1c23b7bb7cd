"""The notebook that needs no account, run by nbval against the record: its answers, not only that it ends.

nbval executes what it compares, so `tests/e2e/recorded` compares the notebooks that need minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output

from lab_helpers.exercises import cells
from tests.checkout import ROOT
from tests.e2e import recorded
from tests.notebooks import sources

pytestmark = pytest.mark.slow

CONFTEST = '''
def pytest_collectstart(collector):
    """Compare what is recorded: text (nbval documentation, "Skipping specific output types")."""
    collector.skip_compare = (*getattr(collector, "skip_compare", ()), "text/html")
'''


def outputs(kinds: dict[str, list[recorded.Block]]) -> list[NotebookNode]:
    """Return what is recorded of a cell as the outputs of a notebook."""
    return [
        new_output("stream", name=kind, text="\n".join(block) + "\n")
        if kind in ("stdout", "stderr")
        else new_output("display_data", data={kind: "\n".join(block)})
        for kind, blocks in kinds.items()
        for block in blocks
    ]


def validate(folder: Path, changed: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
    """Run nbval over notebook 00, with the record as its outputs and one text replaced in its source."""
    (shipped,) = (one for one in sources.NOTEBOOKS if one.stem == "00_welcome")
    notebook = nbformat.read(shipped, as_version=4)
    record = recorded.of(shipped.stem)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.source = cell.source.replace(*changed) if changed[0] else cell.source
        cell.outputs, cell.execution_count = outputs(record.get(cell.id, {})), 1
    shutil.copytree(shipped.parent / "data", folder / "data", dirs_exist_ok=True)
    (folder / "conftest.py").write_text(CONFTEST)
    nbformat.write(notebook, folder / shipped.name)
    return subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:schemathesis",
                "--color=no",
            ),
            *(
                "--nbval",
                "--nbval-current-env",
                "--nbval-sanitize-with",
                str(recorded.SANITIZE),
                shipped.name,
            ),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_welcome_answers_what_is_recorded_without_an_account(tmp_path: Path) -> None:
    result = validate(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    code_cells = len(cells(sources.NOTEBOOKS[0], "code"))
    assert f"{code_cells} passed" in result.stdout
