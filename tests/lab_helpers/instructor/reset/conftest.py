"""One local account with a Docker Engine, and one lab in it that every test breaks in a different way."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.shared_clients import SharedClients
from local_account.foundation.daemon import Daemon, ports_from
from tests.lab_helpers.instructor.reset.small_workshop import Lab, make_root
from tests.quotas import allow_releases
from tests.terminal import terminal


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the small workshop."""
    return make_root(tmp_path_factory.mktemp("checkout") / "workshop")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, SharedClients]]:
    """The account, and clients as in an instructor's terminal."""
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start(os.environ["DOCKER_HOST"], os.environ, ports_from(0))
    try:
        with terminal(daemon) as clients:
            allow_releases(clients("service-quotas"), labs=3)
            yield daemon, clients
    finally:
        daemon.stop()
        daemon.forget_images()


@pytest.fixture(scope="session")
def lab(account: tuple[Daemon, SharedClients], root: Path) -> Lab:
    """A provisioned lab, in whatever state the previous test left it."""
    found = Lab(*account, root, "ana")
    found.up()
    return found
