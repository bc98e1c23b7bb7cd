"""A local account as its clients see it: a separate process on free ports."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from botocore.config import Config
from docker.errors import DockerException

from local_account.foundation.containers import forget_images
from tests.sessions import make_client

READY_SECONDS = 30


class AccountProcess:
    """Start, stop, kill and restart one account; its state directory stays."""

    def __init__(self, state: Path, program: tuple[str, ...] = ("-m", "local_account")) -> None:
        self.state = state
        self.program = program
        self.process: subprocess.Popen[str] | None = None
        self.ports: dict[str, int] = {}

    def start(self) -> "AccountProcess":
        argv = [sys.executable, *self.program, "--state", str(self.state)]
        for port in ("gateway-port", "git-port", "registry-port"):
            argv += [f"--{port}", "0"]
        log = (self.state.parent / f"{self.state.name}.log").open("a")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (self.state.parent / f"{self.state.name}.log").read_text()[-3000:]
        self.ports = json.loads(line.removeprefix("ready "))
        return self

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop the account: cleanly with SIGTERM, as in a crash with SIGKILL."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(READY_SECONDS)
        self.process = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway_port']}"

    def client(self, service: str, **config: Any) -> Any:
        return make_client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return what unmodified clients (AWS CLI, git, docker) need in their environment."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.http://127.0.0.1:{self.ports['git_port']}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git-codecommit.us-east-1.amazonaws.com/",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }


@pytest.fixture(scope="session")
def account_process() -> type[AccountProcess]:
    """The class for tests of a module that share their own account."""
    return AccountProcess


@pytest.fixture(scope="session")
def local_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountProcess]:
    """One account for the whole test session: use unique names in it."""
    account = AccountProcess(tmp_path_factory.mktemp("local-account") / "state").start()
    yield account
    account.stop()
    with suppress(DockerException):  # without an engine there are no images
        forget_images(docker.from_env(), f"127.0.0.1:{account.ports['registry_port']}")


@pytest.fixture
def own_account(tmp_path: Path) -> Iterator[AccountProcess]:
    """An account for one test, which may stop, kill and restart it. Not started yet."""
    account = AccountProcess(tmp_path / "state")
    yield account
    account.stop()


@pytest.fixture(scope="session")
def client(local_account: AccountProcess) -> Callable[[str], Any]:
    """boto3 clients for the session's account, by service name."""
    return local_account.client


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait until a function returns something true, and return that."""

    def wait(function: Callable[[], Any], seconds: float = 60.0) -> Any:
        begin = time.monotonic()
        while not (value := function()):
            waited = time.monotonic() - begin
            assert waited < seconds, f"still {value!r} after {seconds} s"
            time.sleep(min(max(0.02, waited / 10), 0.25))  # the longer it takes, the less often it is polled
        return value

    return wait
