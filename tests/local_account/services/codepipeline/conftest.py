"""Pipelines in the session's account."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.waiting import Eventually


@pytest.fixture
def lab(client: Callable[[str], Any], eventually: Eventually) -> PipelineLab:
    return PipelineLab(client, eventually)


@pytest.fixture
def lab_of(eventually: Eventually) -> Callable[[AccountProcess], PipelineLab]:
    """The same lab, for an account of the test's own."""
    return lambda account: PipelineLab(account.client, eventually)
