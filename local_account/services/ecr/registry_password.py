"""Passwords for the registry, from GetAuthorizationToken to ``docker login``.

Contract: GetAuthorizationToken in the Amazon ECR API Reference (user ``AWS``, 12 hours). A password is the
port of its registry (for `local_account.engine.ecr_relay`), its time of expiry and a signature over both, so
that only one secret has to be stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from local_account.foundation.account import Account

USER = "AWS"
_LIFETIME = timedelta(hours=12)


class _Secret(TypedDict):
    secret: str


def issue(account: Account) -> tuple[str, datetime]:
    """Return a new password and when it expires."""
    expires = account.now().replace(microsecond=0) + _LIFETIME
    text = f"{account.config.registry_port}.{int(expires.timestamp())}"
    return base64.urlsafe_b64encode(f"{text}.{_sign(account, text)}".encode()).decode(), expires


def is_valid(account: Account, user: str, password: str) -> bool:
    """Return whether a user and password are valid for the registry now."""
    try:
        text, _, signature = base64.urlsafe_b64decode(password.encode()).decode().rpartition(".")
        expires = datetime.fromtimestamp(int(text.rpartition(".")[2]), UTC)
    except (ValueError, binascii.Error, OverflowError, OSError):
        return False
    genuine = hmac.compare_digest(signature, _sign(account, text))
    return genuine and user == USER and account.now() < expires


def _sign(account: Account, text: str) -> str:
    table = account.store.table("ecr-secret", _Secret)
    with table.lock:
        document = table.get("secret")
        if document is None:
            document = {"secret": secrets.token_hex(32)}
            table.put("secret", document)
    return hmac.new(document["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
