"""A local account for these tests only: they change its quotas and policies."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_account.foundation.daemon import Daemon
from tests.background_account import background_account
from tests.sessions import make_client


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with background_account(tmp_path_factory.mktemp("account")) as daemon:
        yield daemon


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
