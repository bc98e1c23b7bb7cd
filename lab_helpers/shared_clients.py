"""boto3 clients that threads can share, and that slow down when a service throttles them."""

from __future__ import annotations

import threading
from typing import Any

from botocore.config import Config

from lab_helpers.clients import Session

CONNECTIONS = 32
ATTEMPTS = 8


class SharedClients:
    """One client per service; throttled calls are repeated with growing pauses.

    Threads can share a client, but must not create clients concurrently (boto3 guide, "Multithreading").
    The retry mode `adaptive` also slows a client down to the rate that the service accepts.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._config = Config(
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS}, max_pool_connections=CONNECTIONS
        )
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str, /, **options: Any) -> Any:
        """Return the client of `service`; with options such as `config`, one that is not shared."""
        with self._lock:
            if options:
                return self._session.client(service, **options)
            if service not in self._clients:
                self._clients[service] = self._session.client(service, config=self._config)
            return self._clients[service]
