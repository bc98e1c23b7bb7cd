"""The workshop's kernel: IPython's, which loads what its notebook imports while the learner still reads.

Nothing is defined in the notebook's namespace: a notebook that lacks an import fails as it does elsewhere,
and then the kernel says what a learner can do.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from ipykernel.kernelapp import IPKernelApp
from IPython.core.interactiveshell import InteractiveShell


def notebook_of(environment: Mapping[str, str], directory: Path) -> Path | None:
    """Return the notebook that Jupyter Server started the kernel for (JPY_SESSION_NAME), if it says so."""
    name = environment.get("JPY_SESSION_NAME")
    found = directory / Path(name).name if name else None
    return found if found is not None and found.is_file() else None


def _load(notebook: Path) -> None:
    from lab_helpers.preload import load, needed_modules  # noqa: PLC0415 (not before the kernel answers)

    with contextlib.suppress(Exception):  # a notebook that cannot be read still has a kernel
        load(needed_modules(notebook))


def explain_missing_names(shell: InteractiveShell) -> None:
    """Let a NameError of a cell end with what to do: mostly, the kernel was restarted or a cell left out."""

    def show(
        shell: InteractiveShell,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        last = trace
        while last.tb_next:
            last = last.tb_next
        # Not in a library, and not a local variable without a value yet: no cell above would help.
        if last.tb_frame.f_globals is shell.user_ns and not isinstance(error, UnboundLocalError):
            error.add_note(
                "What to do: if a cell above defines it, that cell has not run since the kernel started. "
                "Choose Run, Run All Above Selected Cell in the menu, then run this cell again."
            )
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((NameError,), show)


def main() -> None:
    """Run the kernel; the arguments are ipykernel_launcher's."""
    app = IPKernelApp.instance()
    app.initialize()
    explain_missing_names(app.shell)
    if notebook := notebook_of(os.environ, Path.cwd()):
        threading.Thread(target=_load, args=(notebook,), name="preload", daemon=True).start()
    app.start()


if __name__ == "__main__":
    main()
