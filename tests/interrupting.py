"""Clients that are interrupted at one of their calls, as by Ctrl-C."""

import threading
from itertools import count
from typing import Any


class Interrupted:
    """boto3 clients whose n-th call, counted across all services, raises KeyboardInterrupt."""

    def __init__(self, clients: Any, number: int) -> None:
        self._clients, self._left, self._lock = clients, count(number - 1, -1), threading.Lock()

    def __call__(self, service: str, /) -> Any:
        return _Counted(self._clients(service), self)

    def tick(self) -> None:
        with self._lock:
            if next(self._left) == 0:
                raise KeyboardInterrupt


class _Counted:
    def __init__(self, client: Any, counter: Interrupted) -> None:
        self._client, self._counter = client, counter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in {"meta", "exceptions"} or not callable(found):
            return found
        if name == "get_paginator":
            return lambda operation: _Pages(found(operation), self._counter)

        def call(*args: Any, **request: Any) -> Any:
            self._counter.tick()
            return found(*args, **request)

        return call


class _Pages:
    def __init__(self, paginator: Any, counter: Interrupted) -> None:
        self._paginator, self._counter = paginator, counter

    def paginate(self, **request: Any) -> Any:
        for page in self._paginator.paginate(**request):
            self._counter.tick()
            yield page
