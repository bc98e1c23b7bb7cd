"""The servers that are compared: this account, and two local accounts from the package index.

Each is one process of its own on loopback. All run during the measurement, and all but one are idle.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.environments import environment
from benchmarks.growth.wire import Signer, WireError
from benchmarks.lab import BenchLab
from local_account.foundation.config import LOOPBACK, free_port

ACCOUNT, EMPTY_ACCOUNT, MOTO, MINISTACK = "account", "account_empty", "moto_server", "ministack"
MINISTACK_VERSION = "1.5.33"
READY_SECONDS = 60
END_SECONDS = 10
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
"""The example credentials of AWS's documentation: peers take any."""


FAILURES = (WireError, OSError, ClientError, BotoCoreError, Boto3Error)
"""What a call raises that a server answers wrongly, late or not at all."""


class ServerError(RuntimeError):
    """A server did not start; the message says which and shows the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server, and how to call it."""

    name: str
    about: str
    port: int
    pid: int
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @property
    def is_peer(self) -> bool:
        """Whether it is somebody else's."""
        return self.name in (MOTO, MINISTACK)

    @property
    def signer(self) -> Signer:
        """What signs requests to it."""
        return Signer(self.port, self.access_key, self.secret_key, self.region)

    def client(self, service: str) -> Any:
        """Return a boto3 client with boto3's defaults, but for retries: a failure is not hidden."""
        session = boto3.Session(self.access_key, self.secret_key, region_name=self.region)
        return session.client(
            service,
            endpoint_url=f"http://{LOOPBACK}:{self.port}",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=300),
        )

    @property
    def resident_mb(self) -> float:
        """Resident memory now, in 10^6 bytes."""
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)

    @property
    def cpu_seconds(self) -> float:
        """User and system time since its start."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


def account(lab: BenchLab, name: str = ACCOUNT) -> Server:
    """Start a lab's account, and return it as a server."""
    lab.start()
    pid, environment = lab.daemon.pid, lab.daemon.environment()
    if pid is None:
        raise ServerError(f"the account in {lab.daemon.state} is not running")
    return Server(
        name,
        "this account, durable",
        lab.daemon.config().gateway_port,
        pid,
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_REGION"],
    )


@contextlib.contextmanager
def peer(name: str, room: Path) -> Iterator[Server]:
    """Run a peer until the context ends; `room` gets its log and its temporary files."""
    port = free_port()
    if name == MOTO:
        argv = [str(Path(sys.executable).parent / "moto_server"), "-H", LOOPBACK, "-p", str(port)]
        about, settings = "moto's server, nothing kept", dict[str, str]()
    else:
        # An environment of its own: its botocore is another.
        installed = environment(f"ministack-{MINISTACK_VERSION}", f"ministack=={MINISTACK_VERSION}")
        argv = [str(installed / "bin" / "ministack")]
        about = f"ministack {MINISTACK_VERSION}, nothing kept"
        # By default it listens on all interfaces, logs each request, and removes containers that it finds.
        settings = {"BIND_HOST": LOOPBACK, "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"}
        settings |= {"PERSIST_STATE": "0", "S3_PERSIST": "0", "SERVICES": "s3,logs"}
    with _running(name, argv, port, room, settings) as pid:
        yield Server(name, about, port, pid, *KEYS)


@contextlib.contextmanager
def _running(
    name: str, argv: Sequence[str], port: int, room: Path, settings: Mapping[str, str]
) -> Iterator[int]:
    log = room / f"{name}.log"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))},
        "HOME": str(room),
        "TMPDIR": str(room),
        "DOCKER_HOST": f"unix://{room}/no-engine.sock",
        **settings,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, cwd=room, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace")[-3000:]
                raise ServerError(f"{name} does not listen on port {port} (status {process.poll()}):\n{said}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
