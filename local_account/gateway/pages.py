"""Pages of a list, with tokens that say where the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from local_account.foundation.errors import ServiceError

Item = TypeVar("Item")


def page(
    items: Sequence[Item], token: str | None, size: int, error_code: str = "InvalidParameterException"
) -> tuple[list[Item], str | None]:
    """Return one page and the token of the next one (None after the last).

    Raises ServiceError ``error_code`` for a token that did not come from a page.
    """
    try:
        start = int(base64.urlsafe_b64decode(token.encode())) if token else 0
    except (binascii.Error, ValueError) as error:
        raise ServiceError(error_code, f"'{token}' is not a valid page token: start without one") from error
    end = start + size
    following = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else None
    return list(items[start:end]), following
