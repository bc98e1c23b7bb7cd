"""What runs on a notebook instance: its directories, environment, lifecycle scripts and Jupyter.

Differs from AWS: a notebook instance is a directory and a group of processes on this machine. Lifecycle
scripts see a root directory of its own, in which they are root: what they write to `/etc`, `/usr` or `/root`
is gone when the instance stops. They find `/home/ec2-user/SageMaker`, the user `ec2-user` (in truth the same
as root) and a `sudo`, but no conda, yum, cron or systemd. `/tmp` and the user's caches are the machine's, and
JupyterLab and the notebooks run outside. `WORKSHOP_HOME` and `WORKSHOP_USER` say where the volume is and
whose; on AWS they are not set. Where namespaces are not allowed (macOS, containers without privileges, Ubuntu
24.04 for others than root), scripts run on the machine itself, as the account's user, and their log begins
with that.

Differs from AWS: `RoleArn`, lifecycle configuration and tags of an instance have an effect; `InstanceType`,
`SubnetId`, `SecurityGroupIds`, `KmsKeyId`, `VolumeSizeInGB`, `DirectInternetAccess`, `RootAccess` and
`PlatformIdentifier` are kept only.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING

from local_account.foundation.config import LOOPBACK, free_port
from local_account.foundation.errors import FIDELITY
from local_account.services.sagemaker.records import NotebookInstance

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.services.sagemaker.instance_root import InstanceRoot
    from local_account.services.sagemaker.logs import Logs, LogStream

LOG_GROUP = "/aws/sagemaker/NotebookInstances"
_JUPYTER_SECONDS = 60.0


class ScriptError(Exception):
    """A lifecycle script that failed or took too long; the message says which."""


def group(name: str) -> str:
    """Return the process group of an instance."""
    return f"notebook-instance-{name}"


def instance_directory(account: Account, name: str) -> Path:
    """Return the instance's directory: its ``SageMaker`` persists, its ``home`` lasts from start to stop."""
    return account.config.state_dir / "notebook-instances" / name


def instance_environment(account: Account, name: str) -> dict[str, str]:
    """Return the environment of processes on a notebook instance, with fresh credentials for its role.

    From each start of the instance on, ``STATE/notebook-instances/NAME/environment.json`` (mode 600) has the
    same, for programs without an account object. Raises KeyError for an unknown instance.
    """
    instance = account.store.table("sagemaker.notebook_instances", NotebookInstance).require(name)
    directory = instance_directory(account, name)
    return {
        **account.environment(instance["RoleArn"], home=directory / "home", session="SageMaker"),
        **account.processes.marker(group(name)),
        "WORKSHOP_HOME": str(directory / "SageMaker"),
        "WORKSHOP_USER": getpass.getuser(),
    }


def make_directories(account: Account, name: str) -> None:
    """Create what is missing; empty ``home``, of which on AWS only ``SageMaker`` survives a stop."""
    directory = instance_directory(account, name)
    (directory / "SageMaker").mkdir(parents=True, exist_ok=True)
    empty_home(account, name)
    (directory / "home").mkdir()
    (directory / "home" / "SageMaker").symlink_to("../SageMaker")


def empty_home(account: Account, name: str) -> None:
    """Delete ``home`` and the credentials of the last start."""
    directory = instance_directory(account, name)
    (directory / "environment.json").unlink(missing_ok=True)
    if (directory / "home").exists():
        shutil.rmtree(directory / "home")


def write_environment(account: Account, name: str) -> dict[str, str]:
    """Write ``environment.json`` and return its content."""
    environment = instance_environment(account, name)
    path = instance_directory(account, name) / "environment.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(environment, file, indent=2)
    # A terminal is a login shell, and the machine's /etc/profile begins the PATH again: without `aws`.
    first = [
        part for part in environment["PATH"].split(os.pathsep) if part not in os.defpath.split(os.pathsep)
    ]
    profile = f"export PATH={shlex.quote(os.pathsep.join(first))}:$HOME/.local/bin:$PATH\n"
    (path.parent / "home" / ".bash_profile").write_text(profile, encoding="utf-8")
    return environment


# As SageMaker does ("/bin/bash: /tmp/OnStart_…: /bin/bash^M: bad interpreter", reported by many): the first
# line of a script chooses its program, and bash runs one without such a line. A copy is run because nobody
# else can have it open for writing, which the kernel would refuse.
_RUN = 'install -m 0700 "$1" "$2" && exec /bin/bash -c "$2"'


def run_script(
    account: Account, logs: Logs, name: str, hook: str, script: bytes, *, root: InstanceRoot, seconds: float
) -> None:
    """Run a lifecycle script with bash, its output to CloudWatch Logs; its background processes keep running.

    Raises ScriptError if it fails or takes longer than ``seconds``.
    """
    path = instance_directory(account, name) / f"{hook}.sh"
    path.write_bytes(script)
    environment = json.loads((path.parent / "environment.json").read_text())
    stream = logs.stream(LOG_GROUP, f"{name}/LifecycleConfig{hook}")
    if root.reason:
        stream.write(
            f"This script runs on the machine itself, as {getpass.getuser()}, without sudo and ec2-user: the "
            f"instance cannot have a root directory of its own ({root.reason}).\n".encode()
        )
    process = account.processes.spawn(
        group(name),
        root.command(["/bin/sh", "-c", _RUN, "sh", str(path), str(path.with_suffix(""))]),
        env=root.environment(environment),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # A program in the background keeps the pipe open: reading continues after the script's end.
    reader = threading.Thread(
        target=_copy, args=(process.stdout, stream), name=f"{group(name)}-{hook}", daemon=True
    )
    reader.start()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise ScriptError(f"took longer than {_duration(seconds)}.") from None
    finally:
        reader.join(0.2)
        stream.flush()
    if code != 0:
        has = "no sudo and ec2-user" if root.reason else "sudo and ec2-user"
        lacks = f"but no conda, yum, cron, systemd or Jupyter of the instance ({FIDELITY}#sagemaker)"
        stream.write(f"Scripts in the local account have {has}, {lacks}\n".encode())
        stream.flush()
        raise ScriptError(f"failed: {hook} ended with exit code {code}.")


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def _copy(pipe: IO[bytes], stream: LogStream) -> None:
    while chunk := pipe.read1(65536):  # type: ignore[attr-defined]
        stream.write(chunk)
    stream.close()


class Jupyter:
    """JupyterLab of one instance, on a loopback port, behind a token."""

    def __init__(self, account: Account, name: str) -> None:
        port = free_port()
        token = secrets.token_urlsafe(24)
        directory = instance_directory(account, name)
        environment = json.loads((directory / "environment.json").read_text())
        argv = [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--ip={LOOPBACK}", f"--port={port}"),
            f"--ServerApp.root_dir={directory / 'SageMaker'}",
            "--ServerApp.port_retries=0",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]
        self._port, self._token = port, token
        self._status = urllib.request.Request(
            f"http://{LOOPBACK}:{port}/api/status", headers={"Authorization": f"token {token}"}
        )
        log_path = directory / "jupyter.log"
        with log_path.open("ab") as output:
            self._process = account.processes.spawn(
                group(name),
                argv,
                env={**environment, "JUPYTER_TOKEN": token, "SHELL": shutil.which("bash") or "/bin/sh"},
                cwd=directory / "SageMaker",
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._log_path = log_path

    def url(self, directory: str = "") -> str:
        """Return the address, of a directory in the volume."""
        where = f"/tree/{directory}" if directory else ""
        return f"http://{LOOPBACK}:{self._port}/lab{where}?token={self._token}"

    @property
    def running(self) -> bool:
        """Return whether the server's process is running."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait until the server answers; raise ScriptError if it does not start."""
        deadline = time.monotonic() + _JUPYTER_SECONDS
        while time.monotonic() < deadline and self.running:
            try:
                with urllib.request.urlopen(self._status, timeout=2):  # noqa: S310 - our own http URL
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise ScriptError(f"JupyterLab did not start: see {self._log_path}")
