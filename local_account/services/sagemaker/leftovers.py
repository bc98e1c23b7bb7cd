"""Containers that could not be removed at once, because the Docker Engine was away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from local_account.foundation.containers import engine_errors

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0


def when_engine_answers(account: Account, what: str, step: Callable[[], object]) -> bool:
    """Take a step, again every two seconds until it succeeds; return False if the account stops before."""
    said = False
    while not account.tasks.stopping.is_set():
        try:
            step()
        except engine_errors() as error:
            if not said:
                log.warning("%s: waiting for the Docker Engine: %s", what, error)
                said = True
            account.tasks.stopping.wait(_PAUSE_SECONDS)
        else:
            return True
    return False
