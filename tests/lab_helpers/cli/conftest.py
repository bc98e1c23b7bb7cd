import os
from collections.abc import Iterator

import pytest

from local_account.foundation.daemon import Daemon, ports_from

ENGINE = "unix:///nowhere.sock"  # these tests need a URL, not an engine


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A local account that runs in the background."""
    daemon = Daemon(tmp_path_factory.mktemp("account"))
    daemon.start(ENGINE, os.environ, ports_from(0))
    yield daemon
    daemon.stop()
