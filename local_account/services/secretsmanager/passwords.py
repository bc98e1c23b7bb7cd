"""Random passwords, as GetRandomPassword and GenerateSecretString describe them.

Contract: GetRandomPassword in the Secrets Manager API Reference.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from local_account.foundation.errors import ServiceError

_LENGTH = 32
_KINDS = (
    ("ExcludeLowercase", string.ascii_lowercase),
    ("ExcludeUppercase", string.ascii_uppercase),
    ("ExcludeNumbers", string.digits),
    ("ExcludePunctuation", string.punctuation),
)


def password(asked: Mapping[str, Any]) -> str:
    """Return a password. Raises ServiceError InvalidParameterException if none can be as asked."""
    length = asked.get("PasswordLength", _LENGTH)
    kinds = [characters for name, characters in _KINDS if not asked.get(name)]
    if asked.get("IncludeSpace"):
        kinds.append(" ")
    excluded = asked.get("ExcludeCharacters", "")
    kinds = [left for kind in kinds if (left := "".join(one for one in kind if one not in excluded))]
    if not kinds:
        raise _invalid("No characters are left to make a password of: exclude fewer of them.")
    required = kinds if asked.get("RequireEachIncludedType", True) else []
    if length < len(required):
        raise _invalid("Password length is too short based on the required types.")
    drawn = [secrets.choice(kind) for kind in required]
    drawn += [secrets.choice("".join(kinds)) for _ in range(length - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
