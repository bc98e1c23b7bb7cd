"""Stacks in the session's account."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_account.services.cloudformation.stack_maker import StackMaker
from tests.waiting import Eventually


@pytest.fixture
def stacks(client: Callable[[str], Any], eventually: Eventually) -> Iterator[StackMaker]:
    maker = StackMaker(client, eventually)
    yield maker
    maker.clean_up()
