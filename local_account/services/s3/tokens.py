"""Continuation tokens of lists: opaque for clients, and a name or key for us."""

from __future__ import annotations

import base64
import binascii

from local_account.services.s3.errors import S3Error


def token_of(text: str, mark: str = "") -> str:
    """Return a token that stands for a text; ``mark`` keeps it from being taken for another list's."""
    return base64.urlsafe_b64encode((mark + text).encode()).decode()


def text_of(token: str, mark: str = "") -> str:
    """Return what a token stands for. Raises S3Error InvalidArgument for one that we did not make."""
    try:
        decoded = base64.b64decode(token.encode(), b"-_", validate=True)
        if not decoded.startswith(mark.encode()):
            raise ValueError("not one of this list's")  # noqa: TRY301
        return decoded[len(mark) :].decode()
    except (binascii.Error, ValueError) as error:
        raise S3Error(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            ArgumentName="continuation-token",
        ) from error
