"""InvokeEndpoint: one request to one container of an endpoint (``sagemaker-runtime``).

Lacks (sagemaker-runtime): `InvokeEndpointAsync`, `InvokeEndpointWithResponseStream`.

Differs from AWS: a request whose container ends before it answers is sent once more, to another instance of
the variant. AWS does not say whether it does that.

Differs from AWS: a body may have 6,291,456 bytes, as the API reference says; the Developer Guide's hosting
FAQ says 25 MB.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3

from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.service import Answer, Service, blob
from local_account.services.sagemaker.captured_files import CapturedFiles, Destination
from local_account.services.sagemaker.data_capture import DataCapture, Invocation, Payload
from local_account.services.sagemaker.fleets import Fleet, Routes, Variant
from local_account.services.sagemaker.instances import LOG_GROUP, ServingInstance
from local_account.services.sagemaker.invocation_metrics import InvocationMetrics
from local_account.services.sagemaker.shadow_traffic import ShadowTraffic

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime.type_defs import (
        InvokeEndpointInputTypeDef,
    )

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

MAX_BYTES = 6_291_456
_HEADERS = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
}
_UNSUPPORTED = (
    "TargetModel", "TargetContainerHostname", "InferenceComponentName", "SessionId", "EnableExplanations",
    "PrefixAwareId",
)  # fmt: skip
_METRICS_SECONDS = 1.0
_ATTRIBUTES_LENGTH = 1024


class SageMakerRuntime(Service):
    """The runtime. A container has ``timeout_seconds`` to answer: 60 on AWS."""

    name = "sagemaker-runtime"
    validation_error = "ValidationError"
    timeout_seconds = 60.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._routes = Routes.of(account)
        self._metrics = InvocationMetrics(account)
        self._captured = CapturedFiles(account)
        self._shadows = ShadowTraffic()

    def start(self) -> None:
        """Start sending metrics and captured data."""
        self.account.tasks.every(_METRICS_SECONDS, "endpoint-metrics", self._metrics.flush)
        self._captured.start()

    def stop(self) -> None:
        """Send the remaining metrics and captured data."""
        self._shadows.stop()
        self._metrics.flush()
        self._captured.stop()

    def close(self) -> None:
        """Write what has been captured since then: it is sent at the next start."""
        self._captured.write()

    def invoke_endpoint(self, params: InvokeEndpointInputTypeDef) -> Answer:
        """See InvokeEndpoint.

        Raises ServiceError: ValidationError for an endpoint that is not in service, a variant it lacks, or
        a body of more than 6,291,456 bytes; ServiceUnavailable while all containers are being restarted;
        ModelError for an answer other than 2xx, one that is too long, or none within a minute.
        """
        begin = time.perf_counter()
        name: str = params["EndpointName"]
        body = blob(params.get("Body", b""))
        self._check(params, body)
        given: Mapping[str, Any] = params
        headers = {header: given[member] for member, header in _HEADERS.items() if given.get(member)}
        while True:
            fleet, variant = self._pick(name, params.get("TargetVariant"))
            with variant.slot() as instance:
                if instance is None and fleet.ended:
                    continue  # it was replaced since it was picked
                capture = fleet.capture if fleet.capture and fleet.capture.samples() else None
                if shadow := fleet.shadows():
                    self._shadows.send(
                        len(body), partial(self._invoke_shadow, shadow, capture, params, body, headers)
                    )
                if instance is None:
                    raise _unavailable(variant)
                answer = self._invoke(name, variant, instance, body=body, headers=headers, begin=begin)
            if capture:
                self._take(capture, variant, params, body, answer)
            return answer

    def _pick(self, name: str, target: str | None) -> tuple[Fleet, Variant]:
        fleet = self._routes.pick(name)
        if fleet is None:
            raise ServiceError(
                "ValidationError", f"Endpoint {name} of account {self.account.config.account_id} not found."
            )
        if not target:
            return fleet, fleet.pick_variant()
        named = {one.spec["name"]: one for one in fleet.production}
        if target not in named:
            raise ServiceError(
                "ValidationError", f"Variant {target} of endpoint {name} not found: it has {list(named)}"
            )
        return fleet, named[target]

    def _invoke_shadow(
        self,
        shadow: Variant,
        capture: DataCapture | None,
        params: InvokeEndpointInputTypeDef,
        body: bytes,
        headers: dict[str, str],
    ) -> None:
        """Send a copy of a request; its answer is counted and captured, and nobody gets it."""
        name, begin = params["EndpointName"], time.perf_counter()
        with shadow.slot() as instance:
            if instance is None:
                return
            try:
                answer = self._invoke(name, shadow, instance, body=body, headers=headers, begin=begin)
            except ServiceError:
                log.debug("the shadow variant of endpoint %s", name, exc_info=True)
                return
        if capture:
            self._take(capture, shadow, params, body, answer)

    def _invoke(
        self,
        name: str,
        variant: Variant,
        instance: ServingInstance,
        *,
        body: bytes,
        headers: dict[str, str],
        begin: float,
    ) -> Params:
        status = 0
        sent = answered = time.perf_counter()
        try:
            instance, response = self._ask(variant, instance, body, headers)
            status, answered = response.status, time.perf_counter()
            return self._answer(name, variant, instance, response)
        except urllib3.exceptions.NewConnectionError:
            raise _unavailable(variant) from None
        except urllib3.exceptions.TimeoutError:
            raise self._model_error(
                name,
                instance,
                0,
                "Your invocation timed out while waiting for a response from container primary. Review the "
                "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
            ) from None
        except urllib3.exceptions.HTTPError:
            raise self._model_error(
                name, instance, 0, f"Amazon SageMaker could not get a response from the {name} endpoint."
            ) from None
        finally:
            end = time.perf_counter()
            model = (answered if status else end) - sent
            self._metrics.record(
                name,
                variant.spec["name"],
                status,
                instances=len(variant.healthy),
                model_us=1e6 * model,
                overhead_us=1e6 * (end - begin - model),
            )

    def _take(
        self,
        capture: DataCapture,
        variant: Variant,
        params: InvokeEndpointInputTypeDef,
        body: bytes,
        answer: Params,
    ) -> None:
        destination = Destination(
            params["EndpointName"], variant.spec["name"], capture.uri, variant.spec["role_arn"]
        )
        invocation = Invocation(
            time.time(),
            Payload(params.get("ContentType"), body),
            Payload(answer["ContentType"], answer["Body"]),
            params.get("InferenceId"),
            params.get("CustomAttributes"),
        )
        self._captured.take(capture, destination, invocation)

    def _check(self, params: InvokeEndpointInputTypeDef, body: bytes) -> None:
        for member in _UNSUPPORTED:
            if params.get(member):
                raise ServiceError(
                    "UnsupportedOperation",
                    f"sagemaker-runtime.InvokeEndpoint with {member} is not supported by the local account",
                )
        if len(body) > MAX_BYTES:
            raise ServiceError(
                "ValidationError",
                f"1 validation error detected: Value at 'body' failed to satisfy constraint: Member must "
                f"have length less than or equal to {MAX_BYTES} (it has {len(body)})",
            )

    def _ask(
        self, variant: Variant, instance: ServingInstance, body: bytes, headers: dict[str, str]
    ) -> tuple[ServingInstance, urllib3.BaseHTTPResponse]:
        """Return what answered and its answer: another instance if the first one ends before it answers."""
        try:
            return instance, self._send(instance, body, headers)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProtocolError):
            with variant.slot(besides=instance) as other:
                if other is None:
                    raise
                return other, self._send(other, body, headers)

    def _send(
        self, instance: ServingInstance, body: bytes, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=2.0, read=self.timeout_seconds)
        pool = instance.pool
        if pool is None:
            raise urllib3.exceptions.HTTPError("the container has not been started")
        try:
            return pool.urlopen("POST", "/invocations", body, headers, timeout=timeout, redirect=False)
        except urllib3.exceptions.ProtocolError:
            # Servers close idle connections after a while; a retry on a new one shows whether that was why.
            try:
                return pool.urlopen("POST", "/invocations", body, headers, timeout=timeout, redirect=False)
            except urllib3.exceptions.NewConnectionError as error:
                # The request made the container exit: a retry, as for "unavailable", would repeat that.
                raise urllib3.exceptions.ProtocolError("the container exited") from error

    def _answer(
        self,
        name: str,
        variant: Variant,
        instance: ServingInstance,
        response: urllib3.BaseHTTPResponse,
    ) -> Params:
        if not 200 <= response.status < 300:
            raise self._model_error(name, instance, response.status, response.data.decode("utf-8", "replace"))
        if len(response.data) > MAX_BYTES:
            raise self._model_error(
                name,
                instance,
                response.status,
                f"The response of {len(response.data)} bytes is longer than {MAX_BYTES}",
            )
        attributes = response.headers.get(_HEADERS["CustomAttributes"])
        return {
            "Body": response.data,
            "ContentType": response.headers.get("Content-Type"),
            "InvokedProductionVariant": variant.spec["name"],
            "CustomAttributes": attributes[:_ATTRIBUTES_LENGTH] if attributes else None,
        }

    def _model_error(self, name: str, instance: ServingInstance, status: int, original: str) -> ServiceError:
        side = "client" if 400 <= status < 500 else "server"
        config = self.account.config
        console = (
            f"{config.console_url}/cloudwatch/home?region={config.region}"
            f"#logEventViewer:group={LOG_GROUP}/{name}"
        )
        return ServiceError(
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{original[:1024]}". See {console} '
            f"in account {config.account_id} for more information.",
            status=424,
            OriginalStatusCode=status,
            OriginalMessage=original[:2048],
            LogStreamArn=instance.stream_arn,
        )


def _unavailable(variant: Variant) -> ServiceError:
    return ServiceError(
        "ServiceUnavailable", f"All containers of variant {variant.spec['name']} are being started; try again"
    )
