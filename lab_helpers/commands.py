"""How a command of this program is typed, for messages that name one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def typed(command: str) -> str:
    """Return a command (`fleet up roster.csv`) as it can be typed in a new shell in this directory.

    `python` is often another Python than the one that has the requirements, or none. The package itself is
    found in the directory.
    """
    own, found = Path(sys.executable), shutil.which("python")
    if found is not None and Path(found).absolute() == own:
        return f"python -m lab_helpers {command}"
    here = Path.cwd()
    return f"{own.relative_to(here) if own.is_relative_to(here) else own} -m lab_helpers {command}"
