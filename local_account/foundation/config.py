"""Where a local account keeps its state, and the ports and ids that belong to it."""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

LOOPBACK = "127.0.0.1"
DEFAULT_PORTS = {"gateway_port": 5901, "git_port": 5902, "registry_port": 5903}


class PortInUseError(Exception):
    """A port of the account is in use by another program."""


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

    @property
    def endpoint_url(self) -> str:
        """Value for ``AWS_ENDPOINT_URL``."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def path(self) -> Path:
        """The file that holds this configuration."""
        return self.state_dir / "account.json"

    @classmethod
    def load(cls, state_dir: Path, ports: dict[str, int] | None = None) -> AccountConfig:
        """Read the account at ``state_dir``, or create one there.

        ``ports`` are the ports asked for, by name; 0 picks a free one. A port that is already recorded stays
        unless another is asked for.
        """
        state_dir = state_dir.resolve()
        state_dir.mkdir(parents=True, exist_ok=True)
        path = state_dir / "account.json"
        stored = json.loads(path.read_text()) if path.exists() else {"uid": uuid.uuid4().hex[:12]}
        config = cls(state_dir=state_dir, **stored)
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


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
