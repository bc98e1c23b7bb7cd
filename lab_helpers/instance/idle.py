"""Stop the notebook instance when it has been idle for a while.

Activity is what the Jupyter Server reports (Jupyter Server REST API: `GET /api/kernels`,
`GET /api/terminals`): a busy kernel, a kernel's last message, a terminal's last output. An open browser
tab does not count.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict

POLL_SECONDS = 60.0
SAGEMAKER_JUPYTER = "https://localhost:8443/"
"""Where the Jupyter Server of a SageMaker notebook instance listens, with a self-signed certificate."""

logger = logging.getLogger(__name__)


class Worked(TypedDict):
    """A kernel or terminal as the Jupyter Server lists it."""

    last_activity: str
    """ISO 8601."""
    execution_state: NotRequired[str]
    """For a kernel: `busy`, `idle` or `starting`."""


@dataclass(frozen=True)
class Server:
    """A running Jupyter Server: base URL with a trailing slash, and token (empty for none)."""

    url: str
    token: str = ""

    def get(self, path: str) -> list[Worked] | None:
        """Return what the server lists at `path`, or None if it does not answer."""
        found: list[Worked] | None = self.ask(path)
        return found

    def ask(self, path: str) -> Any:
        """Return the document at `path`, or None if the server does not answer."""
        # Otherwise the server would count this request as activity.
        request = urllib.request.Request(f"{self.url}{path}?no_track_activity=1")  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"token {self.token}")
        own = ssl.create_default_context()
        own.check_hostname, own.verify_mode = False, ssl.CERT_NONE  # loopback, self-signed certificate
        try:
            with urllib.request.urlopen(request, timeout=10, context=own) as answer:  # noqa: S310
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None


def servers(runtime: Path) -> Iterator[Server]:
    """Yield the servers with an address file in `runtime`, as `jupyter server list` finds them."""
    for path in sorted(runtime.glob("jpserver-*.json")):
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        yield Server(found["url"], found.get("token", ""))
    yield Server(SAGEMAKER_JUPYTER)


def last_activity(found: Iterator[Server], now: datetime) -> datetime | None:
    """Return the time of the last activity on any server that answers; None if none answers.

    A busy kernel counts as activity now; a server without kernels and terminals has the earliest possible
    time.
    """
    latest: datetime | None = None
    for server in found:
        kernels = server.get("api/kernels")
        if kernels is None:
            continue
        times = [datetime.min.replace(tzinfo=UTC)]
        for kernel in kernels:
            times.append(now if kernel.get("execution_state") == "busy" else _time(kernel["last_activity"]))
        times += [_time(terminal["last_activity"]) for terminal in server.get("api/terminals") or []]
        latest = max([*times, *([latest] if latest else [])])
    return latest


def watch(
    idle: timedelta,
    activity: Callable[[datetime], datetime | None],
    stop: Callable[[], None],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call `stop()` once nothing has happened for `idle` (the start counts as activity), then return.

    While `activity` returns None, nothing is stopped. A `stop` that fails is tried again.
    """
    began = now()
    while True:
        sleep(POLL_SECONDS)
        known = activity(now())
        if known is None or now() - max(known, began) < idle:
            continue
        try:
            stop()
        except Exception:  # throttled, or credentials being renewed
            logger.exception("could not stop the instance, trying again")
            continue
        return


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
