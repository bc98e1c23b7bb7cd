"""The notebook that needs no account runs from first to last cell (nbval)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab_helpers.exercises import cells
from tests.checkout import ROOT
from tests.notebooks import sources

pytestmark = pytest.mark.slow


def test_welcome_runs_without_an_account() -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--nbval-lax", "--nbval-current-env", "notebooks/00_welcome.ipynb"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    code_cells = len(cells(sources.NOTEBOOKS[0], "code"))
    assert f"{code_cells} passed" in result.stdout
