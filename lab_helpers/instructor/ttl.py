"""When a lab expires: the value of the tag `mlops-workshop:expires`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

DEFAULT_TTL = "3d"
NEVER = "never"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class TtlError(ValueError):
    """A time to live is not valid; the message shows how to write one."""


def expires_at(ttl: str, now: datetime | None = None) -> str:
    """Return when a time to live such as `3d`, `12h`, `90m` or `2w` ends, in UTC; `never` for `never`.

    This is the value of the template parameter `ExpiresAt`. Raises TtlError.
    """
    if ttl == NEVER:
        return NEVER
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", ttl.strip())
    if not found:
        raise TtlError(
            f"{ttl!r} is not a valid time to live: write a number and m, h, d or w (such as 3d), or never"
        )
    end = (now or datetime.now(UTC)) + timedelta(**{_UNITS[found[2]]: int(found[1])})
    return end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
