from collections.abc import Iterator

import pytest

from local_account.foundation.daemon import Daemon
from tests.background_account import background_account


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A local account that runs in the background."""
    with background_account(tmp_path_factory.mktemp("account")) as daemon:
        yield daemon
