"""boto3 clients, passed in: nothing below a command makes its own."""

from __future__ import annotations

from typing import Any, Protocol


class Clients(Protocol):
    """Makes a boto3 client by service name."""

    def __call__(self, service: str, /) -> Any: ...  # noqa: D102
