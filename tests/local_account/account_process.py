"""A local account as its clients see it: a separate process on free ports."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from botocore.config import Config

from local_account.foundation.account import ROOT_CREDENTIALS
from tests.sessions import make_client

READY_SECONDS = 30
PORTS = [word for port in ("gateway-port", "git-port", "registry-port") for word in (f"--{port}", "0")]


class AccountProcess:
    """Start, stop, kill and restart one account; its state directory stays."""

    def __init__(self, state: Path, program: tuple[str, ...] = ("-m", "local_account")) -> None:
        self.state = state
        self.program = program
        self.process: subprocess.Popen[str] | None = None
        self.ports: dict[str, int] = {}

    def start(self) -> Self:
        argv = [sys.executable, *self.program, "--state", str(self.state), *PORTS]
        log = (self.state.parent / f"{self.state.name}.log").open("a")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        self._read_ready_line(self.process)
        return self

    def _read_ready_line(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), (self.state.parent / f"{self.state.name}.log").read_text()[-3000:]
        self.ports = json.loads(line.removeprefix("ready "))

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop the account: cleanly with SIGTERM, as in a crash with SIGKILL."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(READY_SECONDS)
        self.process = None

    @property
    def pid(self) -> int | None:
        """The account's process, while it runs."""
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway_port']}"

    def client(self, service: str, **config: Any) -> Any:
        return make_client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return what unmodified clients (AWS CLI, git, docker) need in their environment."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            **ROOT_CREDENTIALS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.http://127.0.0.1:{self.ports['git_port']}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git-codecommit.us-east-1.amazonaws.com/",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
