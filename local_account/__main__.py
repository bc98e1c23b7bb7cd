"""Serve a local account in the foreground: ``python -m local_account --state DIR``."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from local_account.foundation.config import DEFAULT_PORTS, AccountConfig, OlderStateError, PortInUseError
from local_account.foundation.libraries import leave_out

_M_ARENA_MAX = -8  # malloc.h
_TRIM_SECONDS = 60.0


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status (2: the account could not start)."""
    parser = argparse.ArgumentParser(prog="python -m local_account", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory for all of the account's state")
    for name in DEFAULT_PORTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="0 picks a free port")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    ports = {name: value for name in DEFAULT_PORTS if (value := getattr(arguments, name)) is not None}
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _share_arenas()
    leave_out(os.environ.get("DOCKER_HOST", ""))
    gc.disable()  # what is loaded now stays; looking for garbage in it costs half a second of 1.8 s CPU time
    from local_account.server import LocalAccount
    from local_account.warm_up import warm_up

    def load_the_rest() -> None:
        try:
            warm_up(account.account)
        finally:
            gc.collect()
            gc.freeze()
            gc.enable()

    def give_back() -> None:
        account.trim()
        _return_memory()

    try:
        account = LocalAccount(AccountConfig.load(arguments.state, ports))
        account.start()
    except (PortInUseError, OlderStateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(account.ready_line(), flush=True)
    account.account.tasks.spawn("warm-up", load_the_rest)
    account.account.tasks.every(_TRIM_SECONDS, "memory", give_back)
    while not stop.wait(1.0):
        pass  # a signal delivered to another thread does not interrupt a wait without a timeout
    account.stop()
    return 0


def _share_arenas() -> None:
    """Limit glibc's malloc to two arenas: with one for each thread, what ended threads held is not reused."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _return_memory() -> None:
    """Give the system what was freed, after a start or a room of deployments some 10 MB; takes 2 ms."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    sys.exit(main())
