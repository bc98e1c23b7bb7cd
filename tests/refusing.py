"""What a call is refused with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refused(call: Callable[..., Any], **params: Any) -> dict[str, Any]:
    """Make a call that must fail; return the members of its error, and the status as `Status`."""
    with pytest.raises(ClientError) as failed:
        call(**params)
    response: dict[str, Any] = failed.value.response  # type: ignore[assignment]
    return {**response["Error"], "Status": response["ResponseMetadata"]["HTTPStatusCode"]}


def code(call: Callable[..., Any], **params: Any) -> str:
    """Make a call that must fail; return the code of its error."""
    return str(refused(call, **params)["Code"])


def code_and_message(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """Make a call that must fail; return the code and the message of its error."""
    error = refused(call, **params)
    return error["Code"], error["Message"]


def refusal(call: Callable[..., Any], **params: Any) -> str:
    """Make a call that must fail; return its error as `Code: message`."""
    return ": ".join(code_and_message(call, **params))
