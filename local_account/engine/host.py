"""What the host has and can be given: programs, privileges, Debian packages."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_account.engine.errors import EngineError
from local_account.engine.home import Report

BY_HAND = (
    "Otherwise install and start Docker by hand (https://docs.docker.com/engine/install/), "
    "then run the same command again."
)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program(name: str) -> str | None:
    """Return the absolute path of a program; also looks in sbin, which users often lack in their PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def run(argv: Sequence[str], timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with output captured (stderr joined into stdout) and nothing on stdin."""
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def as_root(argv: Sequence[str]) -> list[str]:
    """Return the command line that runs `argv` as root. Raises EngineError if this user may not."""
    if os.geteuid() == 0:
        return list(argv)
    if program("sudo") and run(["sudo", "-n", "true"]).returncode == 0:
        return ["sudo", "-n", *argv]
    raise EngineError(
        "Docker Engine is missing and cannot be installed: this user is not root and `sudo -n true` fails. "
        "Install and start Docker (https://docs.docker.com/engine/install/), make sure that `docker info` "
        "works for this user, and run the same command again."
    )


def tail(text: str, lines: int = 12) -> str:
    """Return the last lines of a log, indented for an error message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])


def install_packages(packages: Sequence[str], report: Report) -> None:
    """Install Debian packages with apt. Raises EngineError with apt's own words if that fails."""
    apt = program("apt-get")
    if apt is None:
        raise EngineError(
            f"Docker Engine is missing and cannot be installed: this machine has no apt-get for "
            f"{', '.join(packages)}. {BY_HAND}"
        )
    get = as_root(["env", "DEBIAN_FRONTEND=noninteractive", apt, "-o", "DPkg::Lock::Timeout=300"])
    install = [*get, "install", "-y", "--no-install-recommends", *packages]
    report(f"apt-get install {' '.join(packages)}")
    known = any(Path("/var/lib/apt/lists").glob("*Packages*"))
    done = run(install) if known else None
    if done is None or done.returncode != 0:
        report("apt-get update")
        run([*get, "update"])
        done = run(install)
    if done.returncode != 0:
        what = (
            "Disk full"
            if "No space left on device" in done.stdout
            else "Docker Engine is missing and cannot be installed"
        )
        raise EngineError(
            f"{what}: apt-get install {' '.join(packages)} exited with status {done.returncode}:\n"
            f"{tail(done.stdout)}\nFix that. {BY_HAND}"
        )


def package_known(name: str) -> bool:
    """Return whether apt knows a package (some Debian releases split off the docker client)."""
    cache = program("apt-cache")
    return cache is not None and run([cache, "show", "--no-all-versions", name]).returncode == 0
