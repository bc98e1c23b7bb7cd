"""Permissions that a service needs from the role that it was given.

Most are judged with the request that the service makes as the role (``Account.client``). This is for what AWS
requests there and the local account does in another way: packing a commit, pulling an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_account.authorization.authorizer import Authorizer
from local_account.foundation.acting import acting_caller
from local_account.foundation.errors import Params

if TYPE_CHECKING:
    from local_account.foundation.account import Account


def require(account: Account, role_arn: str, service: str, operation: str, params: Params) -> None:
    """Raise ServiceError AccessDenied, in AWS's words, unless the role is allowed an operation."""
    Authorizer(account).check(acting_caller(role_arn, account), service, operation, params)
