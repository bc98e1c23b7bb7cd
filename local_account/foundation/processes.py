"""Child processes of the local account, ended together with everything they started.

A build, a Lambda handler or a lifecycle script may start processes in the background (``nohup``, ``setsid``).
Each child gets a marker in its environment, which its own children inherit: the marker, not the process tree,
decides what belongs to a group.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

MARKER = "LOCAL_ACCOUNT_PROCESS"
_MARKER_TRIES = 200
_EXEC_TRIES = 20
_LATE_TRIES = 10


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
        """Start a process in its own session; ``popen`` goes to subprocess.Popen."""
        environment = {**(os.environ if env is None else env), **self.marker(group)}
        popen.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(list(argv), env=environment, start_new_session=True, **popen)
        # For a moment after exec a process has no environment yet, and `members` would not see it.
        for _ in range(_MARKER_TRIES):
            if process.poll() is not None or _marked(process.pid):
                break
            time.sleep(0.001)
        return process

    def members(self, group: str | None = None) -> list[psutil.Process]:
        """Return the running processes of a group, or of all groups."""
        wanted = f"{MARKER}={self._uid}:{group or ''}".encode()
        found = []
        for pid, environment in _environments():
            if wanted not in environment or pid == os.getpid():
                continue
            if group is None or wanted in environment.split(b"\0"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.append(psutil.Process(pid))
        return found

    def end(self, group: str | None = None, grace: float = 3.0) -> None:
        """End a group, or all: SIGTERM, then SIGKILL after ``grace`` seconds for what is still running.

        What they started while they were being ended is killed as well.
        """
        members = self.members(group)
        for process in members:
            _signal(process, "terminate")
        for process in _alive(members, grace):
            _signal(process, "kill")
        _alive(members, 1)
        for _ in range(_LATE_TRIES):
            if not (late := self.members(group)):
                break
            for process in late:
                _signal(process, "kill")
            _alive(late, 1)


def _environments() -> Iterator[tuple[int, bytes]]:
    """Yield the pid and the environment of every process that has one.

    A process that is being replaced by another program (exec) has none for a moment, and is read again.
    """
    # psutil makes a dictionary of each environment: 34 ms for 134 processes; this takes 2 ms.
    between = list[int]()
    for pid in psutil.pids():
        if environment := _environment(pid):
            yield pid, environment
        elif _has_program(pid):
            between.append(pid)
    for _ in range(_EXEC_TRIES):
        if not between:
            break
        time.sleep(0.001)
        for pid in between.copy():
            if environment := _environment(pid):
                between.remove(pid)
                yield pid, environment


def _has_program(pid: int) -> bool:
    """Return whether it is a process of a program that we may look at, and no kernel thread or zombie."""
    try:
        return Path(f"/proc/{pid}/exe").readlink() != Path()
    except OSError:
        return False


def _environment(pid: int) -> bytes:
    """Return the environment that a process began with; empty if it has ended or is another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _marked(pid: int) -> bool:
    try:
        return MARKER in psutil.Process(pid).environ()
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # another user's: it will never be readable
        return True


def _alive(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait up to ``seconds`` until all have ended; return those that have not.

    Not ``psutil.wait_procs``, which would take the exit status of our own children from ``subprocess``.
    """
    deadline = time.monotonic() + seconds
    while processes := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return processes


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, how)()
