"""Run all checks concurrently and collect their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers.instructor.doctor import account, machine, permissions, quotas
from lab_helpers.instructor.doctor.findings import Finding, warning
from lab_helpers.instructor.doctor.room import Room

Check = Callable[[Room], Iterable[Finding]]
CHECKS: dict[str, Check] = {
    "credentials": account.credentials,
    "region": account.region,
    "clock": account.clock,
    "quotas": quotas.quotas,
    "permissions": permissions.permissions,
    "CodeCommit": account.codecommit,
    "network": account.network,
    "image sources": machine.image_sources,
    "Docker Engine": machine.engine,
    "disk": machine.disk,
    "versions": machine.versions,
}
"""In the order of the report."""
_THREADS = 8


def examine(
    room: Room,
    checks: dict[str, Check] = CHECKS,
    begun: Callable[[str], None] = lambda _: None,
    done: Callable[[str, list[Finding]], None] = lambda *_: None,
) -> list[Finding]:
    """Run all checks concurrently and return their findings in the order of the report.

    `begun` and `done` are called for each check. A check that cannot look yields a warning, not an exception.
    """
    found: dict[str, list[Finding]] = {}

    def one(name: str) -> list[Finding]:
        begun(name)
        return list(_guarded(name, checks[name], room))

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="doctor") as pool:
        running = {pool.submit(one, name): name for name in checks}
        for future in as_completed(running):
            found[running[future]] = future.result()
            done(running[future], found[running[future]])
    return [finding for name in checks for finding in found[name]]


def _guarded(name: str, check: Check, room: Room) -> Iterator[Finding]:
    try:
        yield from check(room)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if "AccessDenied" in code or "Unauthorized" in code:
            action = f"{error.operation_name} is not allowed"
            yield warning(
                name, f"could not check: {action}", "use credentials that allow it, or check by hand"
            )
        else:
            yield warning(name, f"could not check: {code}: {message}", "run the doctor again")
    except (BotoCoreError, OSError) as error:
        yield warning(name, f"could not check: {error}", "fix the connection and run the doctor again")
