"""A local account of these tests' own: they change its quotas and policies."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from local_account.foundation.daemon import Daemon, ports_from

ENGINE = "unix:///nowhere.sock"  # these tests need an address, not an engine


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start(ENGINE, os.environ, ports_from(0))
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def environment(daemon: Daemon) -> dict[str, str]:
    return daemon.environment()


@pytest.fixture(scope="session")
def clients(environment: dict[str, str]) -> Callable[[str], Any]:
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    )
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])
        return made[service]

    return client
