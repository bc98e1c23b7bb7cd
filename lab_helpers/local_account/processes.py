"""Child processes of the local account, ended with everything that they left behind.

A build, a Lambda handler or a lifecycle script may start others in the background (``nohup``, ``setsid``).
Each gets a marker in its environment, which its children inherit: that, not the process tree, says what
belongs to a group.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

MARKER = "LOCAL_ACCOUNT_PROCESS"


class Processes:
    """Processes by group, such as ``notebook-instance-mlops``."""

    def __init__(self, uid: str) -> None:
        self._uid = uid

    def marker(self, group: str) -> dict[str, str]:
        """Return the environment entry that makes a process part of ``group``."""
        return {MARKER: f"{self._uid}:{group}"}

    def spawn(
        self, group: str, argv: Sequence[str], env: Mapping[str, str] | None = None, **popen: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own; ``popen`` goes to subprocess.Popen."""
        environment = {**(os.environ if env is None else env), **self.marker(group)}
        popen.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(list(argv), env=environment, start_new_session=True, **popen)

    def members(self, group: str | None = None) -> list[psutil.Process]:
        """Return the living processes of a group, or of all groups."""
        prefix = f"{self._uid}:" if group is None else f"{self._uid}:{group}"
        found = []
        for process in psutil.process_iter():
            try:
                value = process.environ().get(MARKER, "")
            except psutil.Error:
                continue
            if process.pid != os.getpid() and (
                value == prefix or (group is None and value.startswith(prefix))
            ):
                found.append(process)
        return found

    def end(self, group: str | None = None, grace: float = 3.0) -> None:
        """End a group, or all: SIGTERM, and SIGKILL for what is still there ``grace`` seconds later."""
        members = self.members(group)
        for process in members:
            _signal(process, "terminate")
        _, alive = psutil.wait_procs(members, timeout=grace)
        for process in alive:
            _signal(process, "kill")
        psutil.wait_procs(alive, timeout=1)


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, how)()
