"""A local account that starts in a fraction of the time: a process that has imported everything forks it.

For tests that start one again and again. Each start is a process of its own, with nothing of the one before
but the state on disk. `python -m tests.local_account.preloaded_account MODULE` reads a line with the
arguments of each start, and writes the account's ready line and, once it has ended, another one.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.local_account.account_process import PORTS, READY_SECONDS, AccountProcess


class PreloadedAccount(AccountProcess):
    """An account of its own mother process, which `close` ends."""

    def __init__(self, state: Path, module: str = "local_account") -> None:
        super().__init__(state, ("-m", __name__, module))
        self._mother: subprocess.Popen[str] | None = None
        self._handle = -1
        """Of the running account, whatever process gets its id later."""

    def start(self) -> Self:
        if self._mother is None:
            log = (self.state.parent / f"{self.state.name}.log").open("a")
            self._mother = subprocess.Popen(
                [sys.executable, *self.program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._mother.stdin is not None
        self._mother.stdin.write(json.dumps(["--state", str(self.state), *PORTS]) + "\n")
        self._mother.stdin.flush()
        self._read_ready_line(self._mother)
        self._handle = os.pidfd_open(self.ports["pid"])
        return self

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._handle < 0 or self._mother is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, how)
        ended, _, _ = select.select([self._handle], [], [], READY_SECONDS)
        assert ended, f"the account did not end within {READY_SECONDS} s"
        os.close(self._handle)
        self._handle = -1
        assert self._mother.stdout is not None
        self._mother.stdout.readline()  # its process is no more, not even as a zombie

    @property
    def pid(self) -> int | None:
        return self.ports["pid"] if self._handle >= 0 else None

    def close(self) -> None:
        """Stop the account, and the process that starts it."""
        self.stop()
        if self._mother:
            self._mother.communicate()
            self._mother = None


def main() -> None:
    """Start one account after the other, each when the one before has ended."""
    import docker  # noqa: F401 - what an account loads at its start, or soon after
    from moto.backends import get_backend

    import local_account.server  # noqa: F401
    from local_account.foundation.json_schemas import jsonschema

    jsonschema()
    get_backend("iam")
    module = sys.argv[1]
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            sys.argv = [module, *json.loads(line)]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            raise SystemExit
        os.waitpid(pid, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
