"""What all commands share: a console, timed steps, one-line errors."""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.status import Status
from rich.text import Text

from lab_helpers.display import duration

FAILED, USAGE, INTERRUPTED = 1, 2, 130
LOUD_SECONDS = 2.0


def console(stderr: bool = False) -> Console:
    """Return the console of a command: colors on a terminal, plain text in a file."""
    return Console(stderr=stderr, highlight=False)


@contextlib.contextmanager
def readable_errors(*expected: type[Exception]) -> Iterator[None]:
    """Turn exceptions that tell the user what to do into a message and an exit status.

    `expected` are the command's own. Any other exception is a bug and keeps its traceback.
    """
    from lab_helpers.names import InvalidNameError

    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted. Run the same command again to continue.", INTERRUPTED)
    except InvalidNameError as error:
        fail(str(error), USAGE)
    except expected as error:
        fail(str(error), FAILED)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        fail(f"Disk full: {error}. Free some space and run the same command again; nothing is lost.", FAILED)


def fail(message: str, status: int) -> None:
    """Print an error message on standard error and exit with `status`."""
    console(stderr=True).print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    raise typer.Exit(status)


def make_folder(option: str, path: Path) -> None:
    """Create the folder that an option names, with its parents; exit with a usage error if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        fail(f"{option} {path} cannot be created: {error.strerror}", USAGE)


def confirm(question: str, instead: str = "--yes") -> None:
    """Ask a question, and exit unless the answer is yes; `instead` says which options make it unnecessary."""
    if not sys.stdin.isatty():
        fail(f"cannot ask for confirmation without a terminal: give {instead}", USAGE)
    if not typer.confirm(question):
        raise typer.Exit(FAILED)


YES_OR_DRY_RUN = "--yes, or --dry-run to only list"


def pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Return the values of a repeatable `Name=value` option; exit with a usage error if one is malformed."""
    split = [one.partition("=") for one in given or ()]
    if wrong := [name for name, equals, _ in split if not equals]:
        fail(f"{option} {wrong[0]!r} has no value: write it as Name=value", USAGE)
    return {name: value for name, _, value in split}


class Steps:
    """Named steps of a command: a spinner while each runs, its duration when it ends."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.seconds: dict[str, float] = {}
        self._status: Status | None = None
        self._title, self._start = "", 0.0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time one step; the time is kept even if the step fails."""
        self._title, self._start = title, time.monotonic()
        self._status = self.screen.status(Text(f"{title} …"))
        with self._status:
            ok = False
            try:
                yield
                ok = True
            finally:
                self._status = None
                self.done(title, time.monotonic() - self._start, ok)

    def done(self, title: str, seconds: float, ok: bool = True) -> None:
        """Record and show the duration of a finished step."""
        self.seconds[title] = seconds
        mark = Text("✓ ", style="green") if ok else Text("✗ ", style="red")
        self.screen.print(mark + Text(title) + Text(f"  {duration(seconds)}", style="dim"))

    def report(self, line: str) -> None:
        """Show what the running step is doing: in its spinner, or as a line if there is no terminal."""
        if self.screen.is_terminal and self._status is not None:
            self._status.update(Text(f"{self._title}: {line}", no_wrap=True, overflow="ellipsis"))
        else:
            self.screen.print(Text(f"  {line}", style="dim"), soft_wrap=True)


class LabLines:
    """One progress line per lab: updated in place on a terminal, else printed as it happens."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._lines: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=screen, refresh_per_second=8, transient=True)

    def __enter__(self) -> LabLines:
        """Start the display."""
        if self._screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the display."""
        self._live.stop()

    def say(self, lab: str, text: str) -> None:
        """Show what is being done for a lab; can be called from any thread."""
        with self._lock:
            self._lines[lab] = text
            if self._screen.is_terminal:
                shown = list(self._lines.items())[-(self._screen.height - 2) :]
                width = max(len(name) for name, _ in shown)
                self._live.update(Text("\n".join(f"{name:{width}}  {line}" for name, line in shown)))
            else:
                self._screen.print(Text(f"  {lab}: {text}", style="dim"), soft_wrap=True)
