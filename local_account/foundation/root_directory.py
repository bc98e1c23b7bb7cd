"""A root directory of its own for a group of processes: what they change on this machine is theirs alone.

On AWS, a build and a lifecycle script have a computer of their own, as root. Here, a namespace of mounts
gives them a copy of this machine: what they write to ``/etc``, ``/usr``, ``/root``, or install with pip into
the environment that the account runs in, ends with the last of them. ``/tmp`` is the machine's.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local_account.foundation import environments, root_mounts
from local_account.foundation.processes import Processes

_START_SECONDS = 30.0


class RootDirectory:
    """A root directory, there until the process group ``group`` ends."""

    def __init__(
        self, processes: Processes, group: str, mounts: Path, kept: Path, program: Sequence[Path] = ()
    ) -> None:
        """Begin to make it in the empty directory ``mounts``; ``kept`` stays the machine's.

        ``program`` makes it: a script and its arguments, to which those of `root_mounts` are added.
        """
        self._reason: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        programs = {name: shutil.which(name) for name in ("unshare", "nsenter")}
        if sys.platform != "linux" or not all(programs.values()):
            missing = ", ".join(name for name, path in programs.items() if path is None)
            self._reason = f"this machine has no {missing or 'namespaces'}"
            return
        self._enter = str(programs["nsenter"])
        own = [*self.user, "--mount", "--propagation", "slave"]
        script = [sys.executable, "-I", "-S", *(program or (root_mounts.__file__,))]
        self._process = processes.spawn(
            group,
            [str(programs["unshare"]), *own, *map(str, [*script, mounts, *_kept(kept)])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def reason(self) -> str:
        """Why there is none; empty if there is one. Waits until it is made."""
        if self._reason is None and self._process:
            said = _first_words(self._process)
            self._reason = "" if said == "ready" else said or f"it was not there in {_START_SECONDS:g} s"
            if self._reason:
                self._process.kill()
        return self._reason or ""

    @property
    def user(self) -> list[str]:
        """The arguments of unshare that make a user root of the namespace."""
        return [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    def command(self, argv: Sequence[str], cwd: Path = Path("/")) -> list[str]:
        """Return the command that runs ``argv`` in ``cwd``: with this root, if there is one."""
        there = ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(cwd), *argv]
        if self._process is None or self.reason:
            return there
        user = ["--user", "--preserve-credentials"] if self.user else []
        return [self._enter, f"--target={self._process.pid}", *user, "--mount", "--root", *there]

    def seen_from_outside(self, path: Path) -> Path:
        """Return where this machine has what is at the absolute ``path`` for those with this root."""
        return path if self._process is None or self.reason else Path(f"/proc/{self._process.pid}/root{path}")


def _kept(directory: Path) -> list[Path]:
    """Return what stays the machine's: the directory, caches that many share, and the engine's socket.

    The caches are one mount, so that files in one can be links to files in another.
    """
    given = [os.environ.get("UV_CACHE_DIR", ""), os.environ.get(environments.VARIABLE, "")]
    docker = os.environ.get("DOCKER_HOST", "")
    if docker.startswith("unix://"):
        given.append(str(Path(docker.removeprefix("unix://")).parent))
    wanted = [directory, environments.cache(), *(Path(path) for path in given if path)]
    resolved = sorted({path.resolve() for path in wanted if path.is_dir()})
    # Of a socket in / (or a cache there), the directory would be the whole machine.
    resolved = [path for path in resolved if path != Path("/")]
    return [path for path in resolved if not any(other in path.parents for other in resolved)]


def _first_words(process: subprocess.Popen[bytes]) -> str:
    if process.stdout is None:
        return ""
    with process.stdout as output:
        ready, _, _ = select.select([output], [], [], _START_SECONDS)
        return output.readline().decode(errors="replace").strip() if ready else ""
