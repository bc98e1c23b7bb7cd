"""What a client sees when an operation fails."""

from __future__ import annotations

from typing import Any

Params = dict[str, Any]


class ServiceError(Exception):
    """An error that a client sees: ``code`` as documented for the operation, a message that says what to do.

    ``fields`` are further members of the modelled exception; ``status`` is the HTTP status for codes
    that the service's model gives none (the modelled status wins).
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields
