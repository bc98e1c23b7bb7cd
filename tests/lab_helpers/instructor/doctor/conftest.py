"""A local account for these tests only: they change its quotas and policies."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_account.foundation.daemon import Daemon, ports_from
from tests.sessions import make_client

ENGINE = "unix:///nowhere.sock"  # these tests need a URL, not an engine


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
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = make_client(
                service,
                endpoint_url=environment["AWS_ENDPOINT_URL"],
                region_name="us-east-1",
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )
        return made[service]

    return client
