"""Some services of the local account on real ports, in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_account.foundation.config import AccountConfig
from tests.local_account.services.served import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ports = {"gateway_port": 0, "git_port": 0, "registry_port": 0}
    served = Served(AccountConfig.load(tmp_path_factory.mktemp("served") / "state", ports))
    yield served
    served.close()


@pytest.fixture(scope="session")
def service_client(served: Served) -> Callable[[str], Any]:
    """boto3 clients for that account."""
    return served.account.client
