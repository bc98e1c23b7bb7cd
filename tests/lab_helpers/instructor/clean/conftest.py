"""A local account without a Docker Engine, and labs in it that are cheap to create."""

import os
from collections.abc import Iterator

import pytest

from local_account.foundation.daemon import Daemon, ports_from
from tests.lab_helpers.instructor.clean.small_labs import Room
from tests.terminal import terminal


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The account as seen from an instructor's terminal."""
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start("unix:///nowhere.sock", os.environ, ports_from(0))
    try:
        with terminal(daemon) as clients:
            yield Room(clients, daemon.config().region)
    finally:
        daemon.stop()
