"""The durable state of one of moto's services: what a request changed is on disk before it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.backends import get_backend
from moto.utilities.utils import get_partition

from local_account.moto_backend import changes
from local_account.moto_backend.database import BackendKey, Database
from local_account.moto_backend.rows import Rows

_GLOBAL = ("iam",)
"""Services with one backend for each partition, instead of one for each region."""


class State:
    """The backends of a service. The caller lets one request at a time in."""

    def __init__(self, database: Database, service: str, account_id: str) -> None:
        self._database = database
        self._service = service
        self._account_id = account_id
        self._rows: dict[BackendKey, Rows] = {}
        for key in database.backends():
            if key[0] == service:
                self._of(key).load()

    def save(self, operation: str, params: Mapping[str, str], region: str) -> None:
        """Write what a request to a region changed. Raises sqlite3.Error; then the next save writes it."""
        change = changes.of(self._service, operation, params)
        if change is None:
            for account_id, regions in list(get_backend(self._service).items()):
                for each in list(regions):
                    self._of((self._service, account_id, each)).save(None)
        else:
            where = get_partition(region) if self._service in _GLOBAL else region
            self._of((self._service, self._account_id, where)).save(change.named, rest=change.rest)

    def finish(self) -> None:
        """Write what an earlier save could not write."""
        for rows in self._rows.values():
            if not rows.complete:
                rows.save(None)

    def _of(self, key: BackendKey) -> Rows:
        if key not in self._rows:
            service, account_id, region = key
            backend: Any = get_backend(service)[account_id][region]
            self._rows[key] = Rows(self._database, key, backend, changes.COLLECTIONS[service])
        return self._rows[key]
