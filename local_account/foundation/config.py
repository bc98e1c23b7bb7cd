"""Where a local account keeps its state, and the ports and ids that belong to it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
import uuid
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

LOOPBACK = "127.0.0.1"
FIRST_PORT = 10_000
"""The lowest port that `free_port` returns."""
FIRST_EPHEMERAL_PORT = 32_768
"""Linux's default; other systems begin higher."""
DEFAULT_PORTS = {"gateway_port": 5901, "git_port": 5902, "registry_port": 5903}


class PortInUseError(Exception):
    """A port of the account is in use by another program."""


class DamagedConfigError(Exception):
    """The file that holds the account's configuration is not one."""


class OlderStateError(Exception):
    """The state was written by an older build, and this one cannot take it over."""


@dataclass(frozen=True)
class AccountConfig:
    """What identifies one local account.

    The ports are part of the state, because names that clients keep (the ``repositoryUri`` of an image,
    for one) contain them.
    """

    state_dir: Path
    gateway_port: int = DEFAULT_PORTS["gateway_port"]
    git_port: int = DEFAULT_PORTS["git_port"]
    registry_port: int = DEFAULT_PORTS["registry_port"]
    account_id: str = "123456789012"
    region: str = "us-east-1"
    uid: str = ""
    """Marks containers and processes, so that two accounts on one machine leave each other's alone."""
    scaling_minute_seconds: int = 1
    """Length of a minute in seconds for the alarms of scaling policies: 60 as on AWS, less to wait less."""
    capture_seconds: int = 5
    """How long captured data of endpoints waits until it is put to S3: "a couple of minutes" on AWS."""

    @property
    def endpoint_url(self) -> str:
        """Value for ``AWS_ENDPOINT_URL``."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def console_url(self) -> str:
        """How addresses of the console begin in answers; on AWS ``https://REGION.console.aws.amazon.com``."""
        return self.endpoint_url

    @property
    def registry(self) -> str:
        """Host and port of the registry, with which every ``repositoryUri`` begins."""
        # The address, not "localhost": Docker Engine allows plain HTTP to 127.0.0.0/8 without configuration,
        # and there is no second (IPv6) address to try first.
        return f"{LOOPBACK}:{self.registry_port}"

    @property
    def ecr_host(self) -> str:
        """The registry's name on AWS, which borrowed scripts put together from account and region."""
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"{self.account_id}.dkr.ecr.{self.region}.{suffix}"

    @property
    def path(self) -> Path:
        """The file that holds this configuration."""
        return self.state_dir / "account.json"

    @classmethod
    def load(cls, state_dir: Path, ports: dict[str, int] | None = None) -> AccountConfig:
        """Read the account at ``state_dir``, or create one there.

        ``ports`` are the ports asked for, by name; 0 picks a free one. A port that is already recorded stays
        unless another is asked for. Raises DamagedConfigError for a file that `save` has not written.
        """
        state_dir = state_dir.resolve()
        state_dir.mkdir(parents=True, exist_ok=True)
        path = state_dir / "account.json"
        try:
            stored = json.loads(path.read_text()) if path.exists() else {"uid": uuid.uuid4().hex[:12]}
            config = cls(state_dir=state_dir, **stored)
        except (ValueError, TypeError) as error:
            raise DamagedConfigError(f"{path} is damaged ({error})") from error
        if not config.uid:
            raise DamagedConfigError(f"{path} is damaged (it has no uid)")
        for name, asked in (ports or {}).items():
            if asked == 0 and name in stored:
                continue
            config = replace(config, **{name: asked or free_port()})  # type: ignore[arg-type]
        if config._fields != stored:  # several processes may load at the same time
            config.save()
        return config

    @property
    def _fields(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self).items() if key != "state_dir"}

    def save(self) -> None:
        """Write the file atomically."""
        temporary = self.path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        temporary.write_text(json.dumps(self._fields, indent=2) + "\n")
        temporary.replace(self.path)

    def check_state(self) -> None:
        """Raise OlderStateError, saying what to do, for a state that this build cannot read."""
        for path in sorted((self.state_dir / "moto").glob("*.pickle")):
            raise OlderStateError(
                f"the state in {self.state_dir} is of an older build, which kept it in moto/{path.name}: "
                "empty it with `make reset`, or start the build that wrote it"
            )

    def check_ports(self) -> None:
        """Raise PortInUseError, naming the port and a way out, before anything is started."""
        for name in DEFAULT_PORTS:
            port = getattr(self, name)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    raise PortInUseError(
                        f"port {port} ({name.replace('_', ' ')}) on {LOOPBACK} is in use by another program: "
                        f"stop that program, or choose another with --{name.replace('_', '-')}"
                    ) from error


def free_port(cursor: Path | None = None) -> int:
    """Return a loopback port that nothing listens on, and that no other process gets before it is used.

    The port is below the range from which the kernel serves connections and listeners on port 0. This user's
    processes take such ports in turn: ``cursor`` is the file with the last one (by default in the directory
    for temporary files), so a port is not reused until thousands of others have been.
    """
    end = _first_ephemeral_port()
    cursor = cursor or Path(tempfile.gettempdir()) / f"mlops-workshop-{os.getuid()}.port"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(cursor, flags, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        stored = file.read().strip()
        last = int(stored) if stored.isdecimal() and FIRST_PORT <= int(stored) < end else FIRST_PORT - 1
        turn = chain(range(last + 1, end), range(FIRST_PORT, last + 1))
        if (port := next(filter(_is_free, turn), None)) is not None:
            file.seek(0)
            file.truncate()
            file.write(str(port))
            return port
    with socket.socket() as probe:  # every port below is in use, or this kernel serves from all ports
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return FIRST_EPHEMERAL_PORT


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
