"""A browser for the session's account."""

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.console.browser import Browser


@pytest.fixture(scope="session")
def browser(local_account: AccountProcess) -> Browser:
    return Browser(local_account.endpoint_url)
