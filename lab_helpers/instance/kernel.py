"""The workshop's kernel: IPython's, which loads what its notebook imports while the learner still reads.

Nothing is defined in the notebook's namespace: a notebook that lacks an import fails as it does elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp


def notebook_of(environment: Mapping[str, str], directory: Path) -> Path | None:
    """Return the notebook that Jupyter Server started the kernel for (JPY_SESSION_NAME), if it says so."""
    name = environment.get("JPY_SESSION_NAME")
    found = directory / Path(name).name if name else None
    return found if found is not None and found.is_file() else None


def _load(notebook: Path) -> None:
    from lab_helpers.preload import load, needed_modules  # noqa: PLC0415 (not before the kernel answers)

    with contextlib.suppress(Exception):  # a notebook that cannot be read still has a kernel
        load(needed_modules(notebook))


def main() -> None:
    """Run the kernel; the arguments are ipykernel_launcher's."""
    app = IPKernelApp.instance()
    app.initialize()
    if notebook := notebook_of(os.environ, Path.cwd()):
        threading.Thread(target=_load, args=(notebook,), name="preload", daemon=True).start()
    app.start()


if __name__ == "__main__":
    main()
