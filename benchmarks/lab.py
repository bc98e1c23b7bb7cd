"""A local account of the benchmark's own, with a whole lab on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from local_account.engine import ensure_base_image, ensure_engine
from local_account.engine.package_index import child_environment
from local_account.foundation.daemon import Daemon, ports_from

REPOSITORY = Path(__file__).resolve().parents[1]
REST_SECONDS, IDLE_PERCENT = 60, 5
_RUN = (sys.executable, "-m", "lab_helpers", "local", "run", "--notebooks", "01-04")


@dataclass
class BenchLab:
    """An account on free ports; `clients` and `run` work on it."""

    daemon: Daemon
    docker_host: str

    def start(self) -> float:
        """Start the account; return the seconds from the start of its process to its ready line."""
        first = not (self.daemon.state / "account.json").exists()
        environment = {**os.environ, **child_environment()}
        return self.daemon.start(self.docker_host, environment, ports_from(0) if first else None)

    @property
    def resident_megabytes(self) -> float:
        """Return the resident memory of the account's server."""
        pid = self.daemon.pid
        if pid is None:
            raise RuntimeError("the benchmark's account is not running")
        return psutil.Process(pid).memory_info().rss / 1e6

    def client(self, service: str) -> Any:
        """Return a boto3 client for the account."""
        environment = self.daemon.environment()
        session = boto3.Session(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        return session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])

    @property
    def instance(self) -> dict[str, str]:
        """Environment of the notebook instance."""
        return self.daemon.environment("mlops")

    @property
    def home(self) -> Path:
        """SageMaker directory of the notebook instance."""
        return Path(self.instance["WORKSHOP_HOME"])

    def run(self) -> tuple[float, dict[str, Any]]:
        """Run notebooks 01 to 04 as `make run` does; return the seconds it took and the runner's summary.

        Left out are the welcome, which does nothing, and the stress test, which takes as long as its load.
        """
        output = self.daemon.state / "bench-run"
        begin = time.monotonic()
        done = subprocess.run(
            [*_RUN, "--output", str(output)],
            cwd=REPOSITORY,
            env={**os.environ, "MLOPS_LOCAL_STATE": str(self.daemon.state), "DOCKER_HOST": self.docker_host},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - begin
        if done.returncode != 0:
            raise RuntimeError(f"the workshop did not run to its end:\n{done.stdout[-4000:]}")
        return seconds, json.loads((output / "summary.json").read_text())

    def deployed(self) -> None:
        """Start the account, and run the workshop unless it has run there before."""
        self.start()
        if not (self.daemon.state / "bench-run" / "summary.json").exists():
            self.run()


@contextlib.contextmanager
def bench_lab() -> Iterator[BenchLab]:
    """An account that is removed afterwards; the engine and its layer cache stay, to keep everything warm."""
    docker_host = ensure_engine(report=lambda line: print(f"engine: {line}", file=sys.stderr))
    ensure_base_image(docker_host, report=lambda line: print(f"engine: {line}", file=sys.stderr))
    with account_directory(docker_host) as lab:
        yield lab


@contextlib.contextmanager
def account_directory(docker_host: str) -> Iterator[BenchLab]:
    """A directory for one account, which is removed afterwards with everything that it started."""
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as directory:
        lab = BenchLab(Daemon(Path(directory)), docker_host)
        try:
            yield lab
        finally:
            lab.daemon.reset()


def rest(seconds: float = REST_SECONDS) -> None:
    """Wait until deletions and writes have reached the disk and, at most `seconds`, nothing is running."""
    os.sync()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and psutil.cpu_percent(interval=2) > IDLE_PERCENT:
        pass
