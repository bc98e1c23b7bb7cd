"""What a notebook imports, loaded before its first cell runs.

An import is what a learner's first click would wait for: pandas and matplotlib take most of a second each
from bytecode, and several without. `python -m lab_helpers.preload NOTEBOOK…` loads once what the notebooks
import, so that the bytecode and matplotlib's list of fonts are on disk.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

_DRAWS = {"lab_helpers.plots": ("matplotlib.pyplot", "matplotlib_inline.backend_inline")}
"""Modules that draw load matplotlib only when they do."""


def imported_modules(notebook: Path) -> list[str]:
    """Return the modules that the code cells import, in order; cells with magics are skipped."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found: dict[str, None] = {}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        try:
            statements = ast.parse("".join(cell["source"])).body
        except SyntaxError:
            continue
        for statement in statements:
            if isinstance(statement, ast.Import):
                found |= dict.fromkeys(alias.name for alias in statement.names)
            elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                found |= {statement.module: None}
                found |= dict.fromkeys(f"{statement.module}.{alias.name}" for alias in statement.names)
    return list(found)


def needed_modules(notebook: Path) -> list[str]:
    """Return what a notebook imports, and what the imported modules load when they are used."""
    names = imported_modules(notebook)
    return names + [name for module in names for name in _DRAWS.get(module, ())]


def load(names: Iterable[str]) -> None:
    """Import modules; a name that is not a module, or that cannot be imported, is the notebook's concern."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def main(notebooks: Iterable[str]) -> None:
    """Load what the notebooks import; a file that is not a notebook is none of its business."""
    for notebook in notebooks:
        with contextlib.suppress(Exception):
            load(needed_modules(Path(notebook)))


if __name__ == "__main__":
    main(sys.argv[1:])
