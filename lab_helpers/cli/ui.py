"""What all commands share: a console, steps with their times, errors in one line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from lab_helpers.display import duration

FAILED, USAGE, INTERRUPTED = 1, 2, 130
LOUD_SECONDS = 2.0


def console(stderr: bool = False) -> Console:
    """Return the console of a command: colours on a terminal, plain text in a file."""
    return Console(stderr=stderr, highlight=False)


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the exceptions that tell a person what to do into a message and an exit status.

    Everything else is a mistake of ours and keeps its traceback.
    """
    from lab_helpers.engine.errors import EngineError
    from lab_helpers.local_account.daemon import DaemonError
    from lab_helpers.names import InvalidNameError

    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted. The same command goes on from here.", INTERRUPTED)
    except InvalidNameError as error:
        fail(str(error), USAGE)
    except (EngineError, DaemonError) as error:
        fail(str(error), FAILED)
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        fail(f"Disk full: {error}. Free some space and run the same command again; nothing is lost.", FAILED)


def fail(message: str, status: int) -> None:
    """Print a message in red on standard error and end with `status`."""
    console(stderr=True).print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    raise typer.Exit(status)


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
