"""What all commands share: a console, steps with their times, errors in one line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

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
    """Turn the exceptions that tell a person what to do into a message and an exit status.

    `expected` are those of the command itself. Everything else is a bug and keeps its traceback.
    """
    from lab_helpers.names import InvalidNameError

    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted. The same command goes on from here.", INTERRUPTED)
    except InvalidNameError as error:
        fail(str(error), USAGE)
    except expected as error:
        fail(str(error), FAILED)
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        fail(f"Disk full: {error}. Free some space and run the same command again; nothing is lost.", FAILED)


def fail(message: str, status: int) -> None:
    """Print a message in red on standard error and end with `status`."""
    console(stderr=True).print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    raise typer.Exit(status)


def pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Return what a repeatable option gives as Name=value; ends the command when something else is given."""
    split = [one.partition("=") for one in given or ()]
    if wrong := [name for name, equals, _ in split if not equals]:
        fail(f"{option} {wrong[0]}: write it as Name=value", USAGE)
    return {name: value for name, _, value in split}


class Steps:
    """Named parts of a command, each with a spinner while it runs and its time afterwards."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.seconds: dict[str, float] = {}
        self._status: Status | None = None
        self._title, self._start = "", 0.0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time one part; its time is kept also when it fails."""
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
        """Keep and show the time of a part that has ended."""
        self.seconds[title] = seconds
        mark = Text("✓ ", style="green") if ok else Text("✗ ", style="red")
        self.screen.print(mark + Text(title) + Text(f"  {duration(seconds)}", style="dim"))

    def report(self, line: str) -> None:
        """Say what the running part is doing: in its spinner, or as a line where there is no terminal."""
        if self.screen.is_terminal and self._status is not None:
            self._status.update(Text(f"{self._title}: {line}", no_wrap=True, overflow="ellipsis"))
        else:
            self.screen.print(Text(f"  {line}", style="dim"), soft_wrap=True)


class LabLines:
    """One line per lab that says what is being done for it: in place on a terminal, else as it happens."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._lines: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=screen, refresh_per_second=8, transient=True)

    def __enter__(self) -> LabLines:
        """Begin to show."""
        if self._screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the screen as it was."""
        self._live.stop()

    def say(self, lab: str, text: str) -> None:
        """Show what is being done for a lab; may be called from any thread."""
        with self._lock:
            self._lines[lab] = text
            if self._screen.is_terminal:
                shown = list(self._lines.items())[-(self._screen.height - 2) :]
                width = max(len(name) for name, _ in shown)
                self._live.update(Text("\n".join(f"{name:{width}}  {line}" for name, line in shown)))
            else:
                self._screen.print(Text(f"  {lab}: {text}", style="dim"), soft_wrap=True)
