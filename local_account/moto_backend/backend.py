"""moto behind the gateway: the services it serves, and their state on disk.

moto keeps everything in memory. A request that may change something is answered only after the rows of the
objects that it changed are in the state directory (`state`).

Kept only (iam): users, groups, access keys, instance profiles, identity providers, server certificates, login
profiles. moto answers for them.

Lacks (iam): `GenerateServiceLastAccessedDetails`, `PutUserPermissionsBoundary`,
`GetContextKeysForCustomPolicy`, `ListPoliciesGrantingServiceAccess`.

Kept only (ec2): everything. moto answers for EC2: an instance does not run, and VPCs, subnets and security
groups let everything through.

Differs from AWS (iam): of the services, only Application Auto Scaling creates its service-linked role and
needs it; for others, CreateServiceLinkedRole makes a record.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from local_account.foundation.errors import ServiceError
from local_account.moto_backend import aws_policies, refusals
from local_account.moto_backend import patches as moto_patches
from local_account.moto_backend.database import Database
from local_account.moto_backend.state import State

if TYPE_CHECKING:
    from local_account.foundation.account import Account

SERVICES = ("iam", "ec2")
_READS = ("Get", "List", "Describe", "Head", "Filter", "Simulate", "BatchGet")


class MotoBackend:
    """moto's WSGI application, made persistent."""

    services: Collection[str] = SERVICES

    def __init__(self, account: Account) -> None:
        self._account = account
        self._directory = account.config.state_dir / "moto"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._application = DomainDispatcherApplication(create_backend_app)
        # moto would otherwise list its own directory for each request.
        self._application.get_backend_for_host = lru_cache(self._application.get_backend_for_host)
        self._locks = {service: threading.RLock() for service in SERVICES}
        self._database = Database(self._directory / "objects.sqlite")
        self._states: dict[str, State] = {}
        moto_patches.apply()
        self._state("iam")  # the authorizer reads moto's records; EC2, which is large, waits for a request

    def trim(self) -> None:
        """Give back memory that only makes the next request faster."""
        self._database.trim()

    def stop(self) -> None:
        """Write what a full disk prevented."""
        for service, state in self._states.items():
            with self._locks[service]:
                state.finish()
        self._database.close()

    def handle(self, service: str, request: Request) -> Response:
        """Let moto answer a request; any change is on disk when this returns.

        Raises ServiceError UnsupportedOperation for what moto lacks and the documented code for what AWS
        refuses, OSError for a failed snapshot.
        """
        operation = _operation(request)
        with self._locks[service]:  # moto does almost no locking itself
            state = self._state(service)
            with self._checked(service, operation, request):
                response = self._call(request)
            if not operation.startswith(_READS):
                state.save(operation, _params(request), _region(request))
        if response.status_code in (500, 501) and "html" in (response.content_type or ""):
            raise ServiceError(
                "UnsupportedOperation",
                f"{service}.{operation or request.method} is not supported by the local account",
            )
        return response

    @contextmanager
    def _checked(self, service: str, operation: str, request: Request) -> Iterator[None]:
        """Refuse what AWS refuses, and show moto the managed policies of AWS that the request names."""
        if service != "iam":
            yield
            return
        backend, params = get_backend("iam")[self._account.config.account_id]["aws"], _params(request)
        with aws_policies.present(backend, operation, params):
            refusals.check(backend, operation, params)
            yield

    def _call(self, request: Request) -> Response:
        body = request.get_data()  # read once, cached by the request
        request.environ["wsgi.input"] = io.BytesIO(body)
        request.environ["CONTENT_LENGTH"] = str(len(body))
        request.environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            return Response.from_app(_in_one_piece(self._application), request.environ)
        except NotImplementedError:  # for some of what moto lacks; for the rest it answers with a page
            return Response("", 501, content_type="text/html")

    def _state(self, service: str) -> State:
        if service not in self._states:
            self._states[service] = State(self._database, service, self._account.config.account_id)
        return self._states[service]


def _operation(request: Request) -> str:
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    if "/operation/" in request.path:
        return request.path.rpartition("/")[2]
    return _params(request).get("Action", "")


def _params(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.get_data(as_text=True)))


def _region(request: Request) -> str:
    """Return the region in the signature's credential scope, which moto goes by, too."""
    scope = re.search(r"/\d{8}/([^/]+)/", request.headers.get("Authorization", ""))
    return scope.group(1) if scope else "us-east-1"


def _in_one_piece(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Collect the body before the lock is released, so that no streamed response sees the next request."""

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return [b"".join(application(environ, start_response))]

    return call
