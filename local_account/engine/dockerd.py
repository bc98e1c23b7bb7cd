"""Find a Docker Engine that answers; if there is none, install and start one."""

import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from local_account.engine import ecr_names, host
from local_account.engine.errors import EngineError
from local_account.engine.home import Report, engine_home, locked, require_free_space

START_SECONDS = 60
"""A first start sets up its storage and takes 2 to 10 s; after a minute it must be hanging."""
_DYING_SECONDS = 5
SOCKET_PATH_LIMIT = 107
"""`sun_path` of unix(7) holds 108 bytes including the final NUL."""
BRIDGE = "mlops0"


def answers(docker_host: str) -> bool:
    """Return whether an engine, not only a client, answers at `docker_host`."""
    docker = host.program("docker")
    if docker is None:
        return False
    try:
        info = host.run([docker, "-H", docker_host, "info", "--format", "{{.ServerVersion}}"], timeout=15)
    except subprocess.TimeoutExpired:
        return False
    # Some clients exit with 0 and an empty version when the server does not answer.
    return info.returncode == 0 and info.stdout.strip()[:1].isdigit()


def find_engine(home: Path | None = None) -> str | None:
    """Return the first address at which an engine answers, or None.

    A `DOCKER_HOST` in the environment is the user's decision: nothing else is tried, and EngineError is
    raised if it does not answer.
    """
    if chosen := os.environ.get("DOCKER_HOST"):
        if host.program("docker") is None or answers(chosen):
            return chosen
        raise EngineError(
            f"No Docker Engine answers at DOCKER_HOST={chosen}. Start it, or unset DOCKER_HOST and run "
            "the same command again: the workshop then finds another engine or installs one."
        )
    return next((address for address in _candidates(home or engine_home()) if answers(address)), None)


def _candidates(home: Path) -> Iterator[str]:
    if (socket := _socket(home)).exists():
        yield f"unix://{socket}"
    if (default := Path("/var/run/docker.sock")).exists():
        yield f"unix://{default}"
    # Docker Desktop, Colima and rootless engines are contexts of the client, at addresses of their own.
    docker = host.program("docker")
    if docker and (Path.home() / ".docker" / "contexts").is_dir():
        contexts = host.run([docker, "context", "inspect"], timeout=15)
        if contexts.returncode == 0:
            for context in json.loads(contexts.stdout):
                yield context["Endpoints"]["docker"]["Host"]


def ensure_engine(home: Path | None = None, report: Report = print) -> str:
    """Return the address of a Docker Engine that answers, for `DOCKER_HOST`.

    Parameters
    ----------
    home : where an engine started here keeps its socket, images and log (default `engine_home()`).
    report : called with a line at the start of every longer step.

    Raises
    ------
    EngineError : no engine answers, and none can be installed or started here.
    """
    home = home or engine_home()
    with locked(home, "docker-engine", report):
        if host.program("docker") is None and host.program("dockerd") is None:
            _require_linux()
        if host.program("docker") is None:
            _install(report)
        if found := find_engine(home):
            return found
        _require_linux()
        if host.program("dockerd") is None or host.program("iptables") is None:
            _install(report)
            if found := find_engine(home):  # on a machine with systemd the package starts the engine
                return found
        return start_engine(home, report)


def _require_linux() -> None:
    if platform.system() != "Linux":
        raise EngineError(
            f"Docker Engine is missing and cannot be installed on {platform.system()}. Install and start "
            "Docker Desktop or Colima, check that `docker info` works, and run the same command again."
        )


def _install(report: Report) -> None:
    # Newer Debian releases have the client in a separate package, which docker.io only recommends.
    client = ["docker-cli"] if host.package_known("docker-cli") else []
    host.install_packages(["docker.io", "iptables", "iproute2", *client], report)


def _socket(home: Path) -> Path:
    return home / "docker.sock"


def start_engine(home: Path, report: Report) -> str:
    """Start an engine of the directory's own; return its address. Raises EngineError if that fails.

    One that runs there but no longer answers is stopped first.
    """
    socket = _socket(home)
    if len(os.fsencode(socket)) > SOCKET_PATH_LIMIT:
        raise EngineError(
            f"The engine's socket path {socket} is longer than the {SOCKET_PATH_LIMIT} bytes that Linux "
            "allows. Set MLOPS_ENGINE_HOME to a shorter directory."
        )
    require_free_space(home)
    report("starting dockerd")
    stop_engine(home)  # one that no longer answers
    _forget_dead(home)
    log = home / "dockerd.log"
    argv = [
        "dockerd",
        f"--data-root={home / 'data'}",
        f"--exec-root={home / 'exec'}",
        f"--pidfile={home / 'pid'}",
    ]
    argv += [f"--host=unix://{socket}", f"--group={os.getgid()}", *_bridge()]
    argv[0] = host.program("dockerd") or argv[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            host.as_root(["env", f"PATH={host.SYSTEM_PATH}", *ecr_names.command(home, argv)]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"unix://{socket}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if socket.exists() and answers(address):
            if pid := running_pid(home):
                ecr_names.start_relay(home, pid, report)
            return address
        time.sleep(0.1)
    died = process.poll() is not None
    stop_engine(home)
    text = log.read_text(errors="replace")
    what = (
        "Disk full"
        if "no space left on device" in text
        else "Docker Engine is missing and cannot be started here"
    )
    why = (
        f"dockerd exited with status {process.returncode}"
        if died
        else f"dockerd did not answer within {START_SECONDS} s"
    )
    raise EngineError(
        f"{what}: {why}. The end of {log}:\n{host.tail(text)}\n"
        "An unprivileged container cannot run its own engine: set DOCKER_HOST to an engine outside it."
    )


def _forget_dead(home: Path) -> None:
    """Remove the pid files of an engine that was killed.

    dockerd would wait in vain for a containerd whose id another process has, or that nobody reaps: in a
    container, process 1 may leave zombies.
    """
    containerd = home / "exec" / "containerd" / "containerd.pid"
    deadline = time.monotonic() + _DYING_SECONDS  # it is about to follow its dockerd
    while running_pid(home) is None and _runs(containerd, containerd.with_suffix(".toml")):
        if time.monotonic() > deadline:
            break  # dockerd can take over one that goes on
        time.sleep(0.02)
    files = [
        *([home / "pid"] if running_pid(home) is None else []),
        *([containerd] if not _runs(containerd, containerd.with_suffix(".toml")) else []),
    ]
    if left := [str(file) for file in files if file.exists()]:
        host.run(host.as_root(["rm", "-f", *left]))


def _runs(pid_file: Path, argument: Path) -> bool:
    """Return whether the process of a pid file runs, with a path that only ours has as an argument."""
    try:
        command = Path(f"/proc/{int(pid_file.read_text())}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return os.fsencode(argument) in command.split(b"\0")  # a zombie has none


def _bridge() -> list[str]:
    """Return arguments that keep two engines on one machine from handing out the same container addresses."""
    others = [p for p in Path("/proc").glob("[0-9]*/comm") if _read(p) == "dockerd"]
    ip = host.program("ip")
    if not others or ip is None:
        return []
    if host.run([ip, "link", "show", BRIDGE]).returncode != 0:  # /sys may show another network's links
        routes = host.run([ip, "route"]).stdout
        subnet = next((n for n in range(31, 17, -1) if f"172.{n}." not in routes), None)
        if subnet is None:
            return []
        for arguments in (
            ["link", "add", BRIDGE, "type", "bridge"],
            ["address", "add", f"172.{subnet}.0.1/16", "dev", BRIDGE],
            ["link", "set", BRIDGE, "up"],
        ):
            done = host.run(host.as_root([ip, *arguments]))
            if done.returncode != 0:
                raise EngineError(
                    "Another Docker Engine on this machine does not answer this user, and a bridge for "
                    f"a second one could not be created: ip {' '.join(arguments)}: {done.stdout.strip()}"
                )
    return [f"--bridge={BRIDGE}"]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # the process is gone
        return ""


def knows_registry(docker_host: str, name: str, home: Path | None = None) -> bool:
    """Return whether the engine at an address can push to AWS's name of a registry (`ecr_names`)."""
    home = home or engine_home()
    return docker_host == f"unix://{_socket(home)}" and ecr_names.knows(home, running_pid(home), name)


def name_registry(docker_host: str, name: str, home: Path | None = None) -> None:
    """Make AWS's name of a registry known to the engine at an address, if it is the workshop's own."""
    home = home or engine_home()
    if docker_host == f"unix://{_socket(home)}":
        ecr_names.add(home, name)


def running_pid(home: Path | None = None) -> int | None:
    """Return the process id of the engine that `ensure_engine` started in `home`, or None."""
    home = home or engine_home()
    try:
        pid = int((home / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    # Process ids are reused: only a dockerd with our data directory is ours.
    return pid if os.fsencode(f"--data-root={home / 'data'}") in command.split(b"\0") else None


def _signal(pid: int, number: signal.Signals) -> None:
    # The shell's builtin: a minimal system has no kill program.
    host.run(host.as_root(["/bin/sh", "-c", f"kill -{number.value} {pid}"]))


def stop_engine(home: Path | None = None) -> bool:
    """Stop the engine that `ensure_engine` started in `home` (never another); False if there is none."""
    home = home or engine_home()
    pid = running_pid(home)
    if pid is None:
        return False
    bridged = f"--bridge={BRIDGE}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] == ["Z"]:
            break  # our own child: it has ended, and its parent will reap it
        time.sleep(0.05)
    else:
        if Path(f"/proc/{pid}").exists():
            _signal(pid, signal.SIGKILL)
    if bridged and (ip := host.program("ip")):
        host.run(host.as_root([ip, "link", "delete", BRIDGE]))
    return True
