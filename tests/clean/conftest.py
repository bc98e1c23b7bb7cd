"""A local account without a Docker Engine, and labs in it that cost little to make."""

import os
from collections.abc import Iterator

import boto3
import pytest
from small_labs import Room

from lab_helpers.fleet.clients import SharedClients
from lab_helpers.local_account.daemon import Daemon, ports_from


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The account as an instructor's terminal sees it."""
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start("unix:///nowhere.sock", os.environ, ports_from(0))
    environment = {name: value for name, value in daemon.environment().items() if name.startswith("AWS_")}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            yield Room(SharedClients(boto3.Session()), daemon.config().region)
    finally:
        daemon.stop()
