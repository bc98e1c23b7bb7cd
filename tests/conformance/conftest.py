"""One local account for all the cases that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_account.account_process import AccountProcess


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountProcess]:
    process = AccountProcess(tmp_path_factory.mktemp("conformance") / "state").start()
    yield process
    process.stop()
