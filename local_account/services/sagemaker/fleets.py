"""Fleets of serving instances, and the choice of an instance for each request."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from local_account.services.sagemaker.data_capture import DataCapture
from local_account.services.sagemaker.instances import Patience, ServingInstance

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.services.sagemaker.logs import Logs
    from local_account.services.sagemaker.records import VariantSpec

_DRAIN_SECONDS = 10.0


class DeploymentError(Exception):
    """Why containers did not come into service; becomes the FailureReason."""

    def __init__(self, reason: str, *, lost_engine: bool = False) -> None:
        super().__init__(reason)
        self.lost_engine = lost_engine
        """Whether the Docker Engine was away: then it says nothing about image and model."""


class Variant:
    """The instances of one production variant."""

    def __init__(self, spec: VariantSpec) -> None:
        self.spec = spec
        self.weight = spec["weight"]
        self.instances: list[ServingInstance] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()

    @property
    def healthy(self) -> list[ServingInstance]:
        """The instances that answer."""
        return [instance for instance in self.instances if instance.healthy]

    @contextlib.contextmanager
    def slot(self, besides: ServingInstance | None = None) -> Iterator[ServingInstance | None]:
        """Provide the healthy instance with the fewest requests in progress, and count one more on it.

        Ties take turns; None if no instance is healthy, ``besides`` aside. An instance to be removed is
        removed only once its requests have ended.
        """
        with self._lock:
            healthy = [instance for instance in self.healthy if instance is not besides]
            turn = next(self._turn) % max(len(healthy), 1)
            rotated = healthy[turn:] + healthy[:turn]
            instance = min(rotated, key=lambda one: one.outstanding) if rotated else None
            if instance:
                instance.outstanding += 1
        try:
            yield instance
        finally:
            if instance:
                with self._lock:
                    instance.outstanding -= 1

    def keep(self, count: int) -> list[ServingInstance]:
        """Send no more requests to instances beyond ``count``, newest first; return those."""
        with self._lock:
            self.instances, surplus = self.instances[:count], self.instances[count:]
        return surplus


class Fleet:
    """All instances that serve one endpoint configuration of one endpoint."""

    def __init__(
        self,
        account: Account,
        logs: Logs,
        endpoint: str,
        specs: Iterable[VariantSpec],
        patience: Patience,
        *,
        capture: DataCapture | None = None,
    ) -> None:
        self.capture = capture
        self.ended = False
        """Whether it takes no more requests."""
        self._account = account
        self._patience = patience
        self._logs = logs
        self._endpoint = endpoint
        self.variants = {spec["name"]: Variant(spec) for spec in specs}

    def launch(self) -> None:
        """Start all instances and wait until all are healthy; otherwise end all and raise DeploymentError."""
        self._grow({name: variant.spec["count"] for name, variant in self.variants.items()})

    def scale(self, counts: dict[str, int]) -> None:
        """Bring variants to a number of instances.

        Raises DeploymentError, with the fleet as it was, if new instances do not come into service.
        """
        missing = {name: count - len(self.variants[name].instances) for name, count in counts.items()}
        self._grow({name: count for name, count in missing.items() if count > 0})
        for name, count in counts.items():
            self._end(self.variants[name].keep(count))

    def end(self) -> None:
        """Take no more requests, let those in progress finish, then remove all containers."""
        self.ended = True
        self._end([instance for variant in self.variants.values() for instance in variant.keep(0)])

    @property
    def production(self) -> list[Variant]:
        """The variants whose answers clients get."""
        return [variant for variant in self.variants.values() if not variant.spec.get("shadow")]

    @property
    def shadow(self) -> Variant | None:
        """The variant that gets copies of requests, if there is one."""
        return next((one for one in self.variants.values() if one.spec.get("shadow")), None)

    def shadows(self) -> Variant | None:
        """Return the shadow variant if it gets a copy of the next request: by chance, by weight."""
        if shadow := self.shadow:
            share = shadow.weight / (sum(one.weight for one in self.production) or 1.0)
            return shadow if random.random() < share else None  # noqa: S311 - no secret
        return None

    def pick_variant(self) -> Variant:
        """Return a random production variant, by weight."""
        variants = self.production
        if len(variants) == 1:
            return variants[0]
        weights = [variant.weight for variant in variants]
        return random.choices(variants, weights if any(weights) else None)[0]  # noqa: S311 - no secret

    def _grow(self, counts: dict[str, int]) -> None:
        new = [
            (name, self._instance(self.variants[name]))
            for name, count in counts.items()
            for _ in range(count)
        ]
        for _, instance in new:
            instance.start()
        for _, instance in new:
            instance.settled.wait()
        failed = [(name, instance) for name, instance in new if not instance.healthy]
        if failed:
            for _, instance in new:
                instance.end()
            name, instance = failed[0]
            raise DeploymentError(
                instance.error or f"The variant {name} was removed while it started",
                lost_engine=any(one.lost_engine for _, one in failed),
            )
        for name, instance in new:
            self.variants[name].instances.append(instance)

    def _instance(self, variant: Variant) -> ServingInstance:
        return ServingInstance(self._account, self._logs, self._endpoint, variant.spec, self._patience)

    def _end(self, instances: list[ServingInstance]) -> None:
        deadline = time.monotonic() + _DRAIN_SECONDS
        while any(instance.outstanding for instance in instances) and time.monotonic() < deadline:
            time.sleep(0.05)
        if instances:
            with ThreadPoolExecutor(len(instances)) as pool:
                list(pool.map(lambda instance: instance.end(self._patience.grace), instances))


class Routes:
    """Which fleet serves an endpoint; two share the requests while traffic is shifted."""

    def __init__(self) -> None:
        self._routes: dict[str, tuple[Fleet, Fleet | None, float]] = {}

    @classmethod
    def of(cls, account: Account) -> Routes:
        """Return an account's routes: the control plane writes them, the runtime reads them."""
        with _lock:
            return _routes.setdefault(account, cls())

    def set(self, endpoint: str, fleet: Fleet, green: Fleet | None = None, share: float = 0.0) -> None:
        """Send ``share`` (0 to 1) of the requests to ``green``, the others to ``fleet``."""
        self._routes[endpoint] = (fleet, green, share)

    def remove(self, endpoint: str) -> Fleet | None:
        """Route no more requests; return the fleet that was serving."""
        route = self._routes.pop(endpoint, None)
        return route[0] if route else None

    def current(self, endpoint: str) -> Fleet | None:
        """Return the fleet in service, not one that is being tried."""
        route = self._routes.get(endpoint)
        return route[0] if route else None

    def serving(self) -> list[tuple[str, Fleet]]:
        """Return every endpoint with each fleet that gets its requests."""
        return [
            (endpoint, fleet)
            for endpoint, (blue, green, _) in list(self._routes.items())
            for fleet in (blue, green)
            if fleet
        ]

    def pick(self, endpoint: str) -> Fleet | None:
        """Return the fleet for one request, or None if the endpoint is not in service."""
        route = self._routes.get(endpoint)
        if route is None:
            return None
        fleet, green, share = route
        return green if green and random.random() < share else fleet  # noqa: S311 - no secret


_lock = threading.Lock()
_routes: WeakKeyDictionary[Account, Routes] = WeakKeyDictionary()
