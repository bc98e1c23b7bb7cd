"""Projects and builds in the session's account."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codebuild.codebuild_lab import CodeBuildLab
from tests.waiting import Eventually


@pytest.fixture
def lab(client: Callable[[str], Any], eventually: Eventually) -> CodeBuildLab:
    return CodeBuildLab(client, eventually)


@pytest.fixture
def lab_of(eventually: Eventually) -> Callable[[AccountProcess], CodeBuildLab]:
    """The same lab, for an account of the test's own."""
    return lambda account: CodeBuildLab(account.client, eventually)
