"""Errors that a learner can act on: a notebook shows their message, and no traceback."""

from __future__ import annotations

import sys
import traceback


class Explained:
    """An exception whose message says what happened and what to do next.

    IPython asks an exception for its lines by `_render_traceback_` (`InteractiveShell.showtraceback`). The
    message comes first and stands alone, because the lines of code between a cell and the package say
    nothing to a learner. In mode Verbose (`%tb Verbose`, `%xmode Verbose`), the full traceback follows.
    Outside IPython, and in papermill's own exception, nothing changes.
    """

    on_request: tuple[str, ...] = ("", "(%tb Verbose, in a new cell, shows where in the code.)")
    """How to see the traceback, below the message."""

    def _render_traceback_(self) -> list[str]:
        lines = (str(self) or type(self).__name__).splitlines()
        # Bold is as readable on JupyterLab's pink as in a terminal; red would not be.
        shown = [f"\x1b[1m{lines[0]}\x1b[0m", *lines[1:]]
        if _verbose():
            return [*shown, "", *_traceback(self)]
        return [*shown, *self.on_request]


class WorkshopError(Explained, Exception):
    """Something that the workshop's own code found wrong; every error of this package derives from it."""


class Interrupted(Explained, KeyboardInterrupt):
    """The learner has interrupted a cell; what it started goes on or has ended, as the message says."""

    on_request = ()


def _verbose() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and str(shell.InteractiveTB.mode) == "Verbose"


def _traceback(error: object) -> list[str]:
    assert isinstance(error, BaseException)  # noqa: S101 (for the type checker: this class is mixed in)
    return "".join(traceback.format_exception(error)).splitlines()
