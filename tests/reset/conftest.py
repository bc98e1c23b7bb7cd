"""One local account with a Docker Engine, and one lab in it that every test breaks in another way."""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from small_workshop import Lab, make_root

from lab_helpers.fleet.clients import SharedClients
from lab_helpers.local_account.daemon import Daemon, ports_from


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the small workshop."""
    return make_root(tmp_path_factory.mktemp("checkout") / "workshop")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, SharedClients]]:
    """The account, and clients as an instructor's terminal has them."""
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start(os.environ["DOCKER_HOST"], os.environ, ports_from(0))
    environment = {name: value for name, value in daemon.environment().items() if name.startswith("AWS_")}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            yield daemon, SharedClients(boto3.Session())
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def lab(account: tuple[Daemon, SharedClients], root: Path) -> Lab:
    """A lab that is provisioned, and in whatever state the test before left it."""
    found = Lab(*account, root, "ana")
    found.up()
    return found
