"""A local account without a Docker Engine, and labs in it that are cheap to create."""

from collections.abc import Iterator

import pytest

from tests.background_account import background_account
from tests.lab_helpers.instructor.clean.small_labs import Room
from tests.terminal import terminal


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The account as seen from an instructor's terminal."""
    state = tmp_path_factory.mktemp("account")
    with background_account(state) as daemon, terminal(daemon) as clients:
        yield Room(clients, daemon.config().region)
