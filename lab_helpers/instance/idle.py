"""Stops the notebook instance when nobody has worked on it for a while.

Activity is what the Jupyter Server tells (Jupyter Server REST API: `GET /api/kernels`, `GET /api/terminals`):
a busy kernel, the last message of a kernel, the last output of a terminal. An open browser tab is none.
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
from typing import NotRequired, TypedDict

POLL_SECONDS = 60.0
SAGEMAKER_JUPYTER = "https://localhost:8443/"
"""Where the Jupyter Server of a SageMaker notebook instance listens, with a certificate of its own."""

logger = logging.getLogger(__name__)


class Worked(TypedDict):
    """A kernel or terminal as the Jupyter Server lists it."""

    last_activity: str
    """ISO 8601."""
    execution_state: NotRequired[str]
    """Of a kernel: `busy`, `idle` or `starting`."""


@dataclass(frozen=True)
class Server:
    """A running Jupyter Server: base URL with a slash at its end, and token (empty for none)."""

    url: str
    token: str = ""

    def get(self, path: str) -> list[Worked] | None:
        """Return what the server lists at `path`, or None when it does not answer."""
        # The server would count this very question as activity.
        request = urllib.request.Request(f"{self.url}{path}?no_track_activity=1")  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"token {self.token}")
        own = ssl.create_default_context()
        own.check_hostname, own.verify_mode = False, ssl.CERT_NONE  # loopback, certificate of its own
        try:
            with urllib.request.urlopen(request, timeout=10, context=own) as answer:  # noqa: S310
                found: list[Worked] = json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None
        return found


def servers(runtime: Path) -> Iterator[Server]:
    """Yield the servers that left their address in `runtime`, as `jupyter server list` finds them."""
    for path in sorted(runtime.glob("jpserver-*.json")):
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        yield Server(found["url"], found.get("token", ""))
    yield Server(SAGEMAKER_JUPYTER)


def last_activity(found: Iterator[Server], now: datetime) -> datetime | None:
    """Return when somebody last worked on any server that answers; None when none answers.

    A busy kernel is activity now; a server without kernels and terminals has the earliest time there is.
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
    """Return after `stop()`, called when nothing has happened for `idle`, this call being the first that did.

    As long as `activity` does not know, nothing is stopped; a `stop` that fails is tried again.
    """
    began = now()
    while True:
        sleep(POLL_SECONDS)
        known = activity(now())
        if known is None or now() - max(known, began) < idle:
            continue
        try:
            stop()
        except Exception:  # throttled, or credentials about to be renewed
            logger.exception("could not stop the instance, trying again")
            continue
        return


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
