"""The root directory that lifecycle scripts of a notebook instance see.

On AWS they run as root of the instance. Here, a namespace of mounts gives them a copy of this machine: what
they write to ``/etc``, ``/usr``, ``/root`` and so on is theirs alone, and ends with the instance's stop. It
has ``/home/ec2-user`` with the volume, the user ec2-user, and a ``sudo``.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local_account.foundation import environments
from local_account.services.sagemaker.instance_mounts import METADATA, OWN

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_HERE = Path(__file__).parent
_START_SECONDS = 30.0
_ACTIVATE = """\
echo "There are no conda environments on a notebook instance of the local account: it has the Python of" \\
"the machine that it runs on ($(python3 --version)), and the workshop's kernel." >&2
return 1 2>/dev/null || exit 1
"""
_CONDA = ("activate", "conda", "deactivate", "jupyter", "pip", "python")
"""What scripts call below /home/ec2-user/anaconda3/bin: each says the same."""


class InstanceRoot:
    """A root directory, there until the process group ``group`` ends; ``reason`` says why there is none."""

    def __init__(self, account: Account, group: str, directory: Path, arn: str) -> None:
        self.reason = ""
        self._process: subprocess.Popen[bytes] | None = None
        programs = {name: shutil.which(name) for name in ("unshare", "nsenter")}
        if sys.platform != "linux" or not all(programs.values()):
            missing = ", ".join(name for name, path in programs.items() if path is None)
            self.reason = f"this machine has no {missing or 'namespaces'}"
            return
        self._write_conda(directory / "home")
        metadata = {"ResourceArn": arn, "ResourceName": arn.rpartition("/")[2]}
        (directory / METADATA.name).write_text(json.dumps(metadata))
        mounts = directory / "root"
        mounts.mkdir(exist_ok=True)
        own = [*self._user, "--mount", "--propagation", "slave"]
        program = [sys.executable, "-I", "-S", str(_HERE / "instance_mounts.py")]
        paths = [mounts, directory, _HERE / "sudo.sh", *_kept(directory)]
        process = account.processes.spawn(
            group,
            ["unshare", *own, *program, *map(str, paths)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = _first_words(process)
        if said == "ready":
            self._process = process
            return
        process.kill()
        self.reason = said or f"its preparation took longer than {_START_SECONDS:g} s"

    @property
    def _user(self) -> list[str]:
        return [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    def command(self, argv: list[str]) -> list[str]:
        """Return the command that runs ``argv`` with this root, or ``argv`` if there is none."""
        if self._process is None:
            return argv
        user = ["--user", "--preserve-credentials"] if self._user else []
        enter = ["nsenter", f"--target={self._process.pid}", *user, "--mount", "--root"]
        return [*enter, "/bin/sh", "-c", 'cd / && exec "$@"', "sh", *argv]

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        """Return the environment of what runs with this root: in a namespace of users, everyone is root."""
        if self._process is None:
            return given
        path = f"{OWN}{os.pathsep}{given.get('PATH', os.defpath)}"
        return {**given, "PATH": path, **({"WORKSHOP_USER": "root"} if self._user else {})}

    @staticmethod
    def _write_conda(home: Path) -> None:
        programs = home / "anaconda3" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in _CONDA:
            (programs / name).write_text(f"#!/bin/bash\n{_ACTIVATE}")
            (programs / name).chmod(0o755)


def _kept(directory: Path) -> list[Path]:
    """Return what stays the machine's: the instance, caches that instances share, and the engine's socket.

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
