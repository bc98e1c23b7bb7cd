"""Local accounts for tests, and clients for them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from local_account.foundation.containers import forget_images
from local_account.foundation.store import Store
from tests import waiting
from tests.local_account.account_process import AccountProcess
from tests.waiting import Eventually


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
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store, for what is tested without an account."""
    made = Store(tmp_path / "account.sqlite")
    yield made
    made.close()


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a function returns something true, and return that."""
    return waiting.eventually
