"""The front door: sends each HTTP request to the service that owns its operation, or else to moto.

The service that a request is for is in its signature (AWS Signature Version 4, credential scope). S3 checks
the signature itself, since its URLs are handed on; other services do not: the gateway listens on the loopback
interface only.

Differs from AWS: only S3 verifies signatures. The other services take the caller from the access key id in
the signature, and believe it: the gateway listens on the loopback interface only.

Differs from AWS: there is one account, with one region. A client of another region reaches the same
resources, except those of EC2.

Differs from AWS: requests are not throttled, and a change is visible at once. What needs retries or a wait on
AWS (a new role, for instance) passes here without.

Lacks (everywhere): `apigateway`, `athena`, `codedeploy`,
`cloudtrail`, `dynamodb`, `ecs`, `efs`, `eks`, `glue`, `kms`, `rds`,
`sagemaker-metrics`, `scheduler`, `sqs`, `stepfunctions`.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from werkzeug.wrappers import Request, Response

from local_account.foundation import acting, system_tags
from local_account.foundation.errors import Params, ServiceError, failure, pointed
from local_account.gateway import protocol
from local_account.gateway.service import HttpService, Service

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

STATUS_PATH = "/_local_account"
_S3_SCOPE = "/s3/aws4_request"
_SIGNING_NAMES = {
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}


# How a service that the backend answers for calls an invalid parameter; parameters of EC2 have other names in
# requests than in its model, and are left to the backend.
_BACKEND_FAULTS = {"iam": "ValidationError"}


class Guard(Protocol):
    """Lets requests through or raises ServiceError, as AWS would: `authorization.Authorizer`."""

    def caller(self, request: Request) -> acting.Caller | None:
        """Return the session whose credentials signed a request; None for the account's own credentials."""

    def check(self, caller: acting.Caller | None, service: str, operation: str, params: Params) -> None:
        """Raise ServiceError unless the caller may make the request."""


class Backend(Protocol):
    """Answers for the services that the account does not own: `moto_backend.MotoBackend`."""

    services: Collection[str]

    def handle(self, service: str, request: Request) -> Response:
        """Answer one request. Raises ServiceError for what the backend lacks."""


class Pages(Protocol):
    """What a browser finds at the account's address: `console.Console`."""

    def respond(self, request: Request) -> Response | None:
        """Answer a request without a signature; None if it is for an API."""


class Gateway:
    """The WSGI application of the account's API."""

    def __init__(
        self,
        account: Account,
        services: Mapping[str, Service],
        guard: Guard,
        backend: Backend,
        pages: Pages | None = None,
    ) -> None:
        self._account = account
        self._services = services
        self._guard = guard
        self._backend = backend
        self._pages = pages
        http = services.get("s3")
        self._s3 = http if isinstance(http, HttpService) else None
        self._paths = {prefix: one for each in services.values() for prefix, one in each.paths().items()}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        if self._s3 and _S3_SCOPE in environ.get("HTTP_AUTHORIZATION", ""):  # most requests: found at once
            return self._s3.respond(environ, start_response)
        request = Request(environ)
        if request.path == STATUS_PATH:
            return self._status()(environ, start_response)
        if request.path.startswith("/_"):  # no bucket begins so
            for prefix, respond in self._paths.items():
                if request.path.startswith(prefix):
                    return respond(request)(environ, start_response)
        if self._pages and "HTTP_AUTHORIZATION" not in environ:
            page = self._pages.respond(request)
            if page is not None:
                return page(environ, start_response)
        service = service_of(request)
        if service == "s3" and self._s3:
            return self._s3.respond(environ, start_response)
        request_id = str(uuid.uuid4())
        request.get_data()  # a client that goes away while it sends has asked for nothing
        try:
            response = (
                self._owned(self._services[service], request, request_id)
                if self._is_owned(service, request)
                else self._moto_or_refuse(service, request, request_id)
            )
        except Exception as error:  # even the answer to an error may fail: the disk of the log is full, say
            response = protocol.plain_error(service, self._failure(error), request_id)
        return response(environ, start_response)

    def _is_owned(self, service: str, request: Request) -> bool:
        """Return whether a service of the account answers: to any request, or to one operation of moto's."""
        if service not in self._services or service not in self._backend.services:
            return service in self._services
        try:
            operation = protocol.find_operation(service, request)
        except ServiceError:
            return False
        return hasattr(self._services[service], operation.method_name)

    def _owned(self, service: Service, request: Request, request_id: str) -> Response:
        call = None
        try:
            call = protocol.find_operation(service.name, request)
            kind = service.requests.get(call.operation.name)
            decoded = protocol.decode(call, request, kind) if kind else None
            params = protocol.parse(call, request) if decoded is None else decoded
            operation = getattr(service, call.method_name, None)
            if operation is None:
                raise ServiceError(  # noqa: TRY301
                    protocol.UNSUPPORTED,
                    f"{service.name}.{call.operation.name} is not supported by the local account",
                )
            system = system_tags.may_set(request.headers)
            # Tags of AWS count towards no limit, and need no permission.
            needed = system_tags.without(params) if system else params
            if decoded is None:
                protocol.validate(call, {**params, **needed}, service.validation_error)
            if not system:
                system_tags.check(service.name, params, service.validation_error)
            caller = self._guard.caller(request)
            self._guard.check(caller, service.name, call.operation.name, needed)
            with acting.answering(caller):
                result = operation(params)
            return protocol.answer(call, result or {}, request_id)
        except ServiceError as error:
            if call is None:
                return protocol.plain_error(service.name, error, request_id)
            return protocol.answer_error(call, error, request_id)
        except Exception as error:
            name = call.operation.name if call else request.path
            log.exception("%s.%s failed", service.name, name)
            failure = self._failure(error)
            if call is None:
                return protocol.plain_error(service.name, failure, request_id)
            return protocol.answer_error(call, failure, request_id)

    def _moto_or_refuse(self, service: str, request: Request, request_id: str) -> Response:
        try:
            if service not in self._backend.services:
                raise ServiceError(  # noqa: TRY301
                    protocol.UNSUPPORTED,
                    pointed(f"the service {service} is not supported by the local account"),
                )
            call = protocol.find_operation(service, request)
            params = protocol.parse(call, request)
            if service in _BACKEND_FAULTS:
                protocol.validate(call, params, _BACKEND_FAULTS[service])
            if not system_tags.may_set(request.headers):
                system_tags.check(service, params, "ValidationError")
            caller = self._guard.caller(request)
            self._guard.check(caller, service, call.operation.name, params)
            with acting.answering(caller):
                response = self._backend.handle(service, request)
        except ServiceError as error:
            known = service if service in self._backend.services else "sts" if request.form else "ecr"
            return protocol.plain_error(known, error, request_id)
        except Exception as error:
            log.exception("%s failed", service)
            return protocol.plain_error(service, self._failure(error), request_id)
        return response

    def _failure(self, error: Exception) -> ServiceError:
        return failure(error, self._account.config.state_dir)

    def _status(self) -> Response:
        config = self._account.config
        body = {
            "uid": config.uid,
            "account_id": config.account_id,
            "region": config.region,
            "services": sorted({*self._services, *self._backend.services}),
        }
        return Response(json.dumps(body), content_type="application/json")


def service_of(request: Request) -> str:
    """Return botocore's name of the service that a request is signed for; unsigned ones are S3's."""
    credential = request.headers.get("Authorization", "") or request.args.get("X-Amz-Credential", "")
    scope = re.search(r"\d{8}/[^/]+/([^/]+)/aws4_request", credential)
    name = scope.group(1).lower() if scope else "s3"
    if name == "sagemaker" and not request.headers.get("X-Amz-Target"):
        return "sagemaker-runtime" if "/invocations" in request.path else "sagemaker-metrics"
    return _SIGNING_NAMES.get(name, name)
