"""The names that AWS gives to registries, for the Docker Engine that the workshop starts.

`docker push ACCOUNT.dkr.ecr.REGION.amazonaws.com/…` is carried out by dockerd, which looks the name up. Ours
has an `/etc/hosts` of its own, in a mount namespace: there, the names of the local accounts stand for a
loopback address, and nothing else on the machine changes. At that address listens `ecr_relay`, which finds
the account by its password, as several accounts may have the same name. An engine needs no certificate for
127.0.0.0/8 (dockerd's documentation, "Insecure registries").
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from local_account.engine import ecr_relay, host
from local_account.engine.errors import EngineError
from local_account.engine.home import Report, create, locked

_HOSTS = Path("/etc/hosts")
_START_SECONDS = 10
# dockerd starts in any case: a machine may forbid mounts, and most of the workshop needs no such names.
_SCRIPT = 'mount --bind "$1" /etc/hosts && : >"$1.mounted"; shift; exec "$@"'


def command(home: Path, argv: list[str]) -> list[str]:
    """Return the command that starts dockerd with an `/etc/hosts` of its own; `argv` where that can't be."""
    unshare = host.program("unshare")
    if unshare is None or host.program("mount") is None:
        return argv
    directory = _directory(home)
    create(directory)
    hosts = directory / "hosts"
    for old in (_relay(home), Path(f"{hosts}.mounted")):
        old.unlink(missing_ok=True)
    hosts.write_bytes(_HOSTS.read_bytes() if _HOSTS.exists() else b"")
    shell = ["/bin/sh", "-c", _SCRIPT, "sh", str(hosts)]
    # A file system that is mounted later on the machine is one that containers can be given, too.
    return [unshare, "--mount", "--propagation", "slave", *shell, *argv]


def start_relay(home: Path, engine: int, report: Report) -> None:
    """Start what listens under the names, until the engine of this process id ends.

    Without it the engine works, but for these names: `report` then gets the reason.
    """
    if not (_directory(home) / "hosts.mounted").exists():
        report("AWS's names of registries (ACCOUNT.dkr.ecr…) cannot be used: this machine allows no mounts")
        return
    argv = [
        sys.executable,
        "-I",
        str(Path(ecr_relay.__file__)),
        str(engine),
        str(os.getuid()),
        str(os.getgid()),
    ]
    with (home / "ecr-relay.log").open("w") as log:
        process = subprocess.Popen(
            host.as_root(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    output = process.stdout
    if output is None:
        return
    with output:
        ready, _, _ = select.select([output], [], [], _START_SECONDS)
        address = output.readline().decode().strip() if ready else ""
    if not address:
        report(
            "AWS's names of registries (ACCOUNT.dkr.ecr…) cannot be used: "
            f"{host.tail((home / 'ecr-relay.log').read_text(errors='replace'), 1).strip() or 'no answer'}"
        )
        return
    _relay(home).write_text(json.dumps({"engine": engine, "address": address}))
    _write_hosts(home)


def add(home: Path, name: str) -> None:
    """Make a name known to the engine of `home`, if there is one, now and whenever it starts."""
    directory = _directory(home)
    if not directory.is_dir():
        return
    with locked(home, "ecr-names", lambda _: None):
        known = _names(home)
        if name not in known:
            (directory / "names").write_text("".join(f"{one}\n" for one in [*known, name]))
    _write_hosts(home)


def knows(home: Path, engine: int | None, name: str) -> bool:
    """Return whether the engine that runs in `home`, with this process id, can push and pull by a name."""
    return engine is not None and _listening(home).get("engine") == engine and name in _names(home)


def _write_hosts(home: Path) -> None:
    address = _listening(home).get("address")
    if address is None:
        return
    own = _HOSTS.read_text(errors="replace").rstrip("\n") if _HOSTS.exists() else ""
    text = "\n".join([own, *(f"{address} {name}" for name in _names(home)), ""])
    try:
        # In place: dockerd sees this very file, whatever is renamed over it.
        with (_directory(home) / "hosts").open("r+") as hosts:
            if hosts.read() != text:
                hosts.seek(0)
                hosts.write(text)
                hosts.truncate()
    except OSError as error:
        raise EngineError(
            f"the names of registries cannot be written to {_directory(home)}: {error}"
        ) from error


def _listening(home: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(_relay(home).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _names(home: Path) -> list[str]:
    try:
        return (_directory(home) / "names").read_text().split()
    except OSError:
        return []


def _directory(home: Path) -> Path:
    return home / "ecr"


def _relay(home: Path) -> Path:
    return _directory(home) / "relay.json"
