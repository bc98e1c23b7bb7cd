"""A local account that runs in the background, as `make up` starts it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_account.foundation.daemon import Daemon, ports_from

ENGINE = "unix:///nowhere.sock"
"""Tests that need a URL, not an engine, give this one."""


@contextmanager
def background_account(state: Path) -> Iterator[Daemon]:
    """Start an account on free ports; stop it at the end."""
    daemon = Daemon(state)
    daemon.start(ENGINE, os.environ, ports_from(0))
    try:
        yield daemon
    finally:
        daemon.stop()
