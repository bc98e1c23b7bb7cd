"""`python -m lab_helpers`, before anything is installed."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def test_a_python_without_the_requirements_says_which_python_to_use_instead_of_a_traceback() -> None:
    command = [sys.executable, "-S", "-m", "lab_helpers", "cost"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "source .venv/bin/activate" in done.stderr
    assert "pip install -r requirements.txt" in done.stderr
    assert "Traceback" not in done.stderr
