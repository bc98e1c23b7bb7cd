"""Custom resources: a function of the template's author creates, changes and deletes them.

Contract: *Custom resource reference* (request and response objects) and *Custom resources* in the
CloudFormation User Guide. The function answers at an address that is valid for one request: on AWS it belongs
to S3, here to the account (`responses`).

Differs from AWS: the address at which the function of a custom resource answers (`ResponseURL`) belongs to
the account instead of S3. Topics of SNS as `ServiceToken` are refused.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
)
from local_account.services.cloudformation.responses import Responses

PREFIX = "Custom::"
_SECONDS = 3600
"""How long CloudFormation waits for an answer if the template has no ServiceTimeout."""
_SETTINGS = ("ServiceToken", "ServiceTimeout")


class CustomResource(Provider):
    """AWS::CloudFormation::CustomResource and Custom::ANYTHING; ``Ref`` gives what the function says."""

    type = "AWS::CloudFormation::CustomResource"
    any_attribute = True

    def create(self, ctx: Context, props: Properties) -> None:
        """Ask the function to create the resource."""
        _function(props)
        ctx.created(ctx.name)  # until the function names it, and if it never does
        self._request(ctx, "Create", props)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Ask the function to change it; another physical id in the answer replaces the resource."""
        if props["ServiceToken"] != old["ServiceToken"]:
            raise ResourceError("Modifying service token is not allowed.")
        self._request(ctx, "Update", props, OldResourceProperties=_texts(old))

    def delete(self, ctx: Context, props: Properties) -> None:
        """Ask the function to delete it."""
        self._request(ctx, "Delete", props)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The Data of the function's last answer."""
        return ctx.attributes

    def _request(self, ctx: Context, verb: str, props: Properties, **more: Any) -> None:
        function = _function(props)
        request_id = str(uuid.uuid4())
        event = {
            "RequestType": verb,
            "ServiceToken": function,
            "StackId": ctx.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": ctx.logical_id,
            "ResourceType": ctx.resource_type,
            "ResourceProperties": _texts(props),
            **({"PhysicalResourceId": ctx.physical_id} if verb != "Create" else {}),
            **more,
        }
        responses = Responses(ctx.account)
        with responses.expected(request_id) as address:
            responses.ask(ctx.client("lambda"), function, {**event, "ResponseURL": address})
            deadline = time.monotonic() + int(props.get("ServiceTimeout", _SECONDS))

            def answer() -> dict[str, Any] | None:
                if time.monotonic() > deadline:
                    raise ResourceError(
                        "CloudFormation did not receive a response from your Custom Resource. Please check "
                        f"your logs for requestId [{request_id}]. If you are using the Python cfn-response "
                        "module, you may need to update your Lambda function code so that CloudFormation can "
                        "attach the updated version."
                    )
                return responses.received(request_id)

            self._accept(ctx, ctx.wait(answer), request_id)

    def _accept(self, ctx: Context, answer: Mapping[str, Any], request_id: str) -> None:
        status, physical_id = answer.get("Status"), answer.get("PhysicalResourceId")
        if physical_id:
            ctx.created(str(physical_id))
        if status == "FAILED":
            raise ResourceError(
                "Received response status [FAILED] from custom resource. Message returned: "
                f"{answer.get('Reason', '')} (RequestId: {request_id})"
            )
        if status != "SUCCESS":
            raise ResourceError("Invalid response status: the response object needs Status SUCCESS or FAILED")
        if not physical_id:
            raise ResourceError("Invalid PhysicalResourceId")
        data = answer.get("Data") or {}
        if not isinstance(data, dict):
            raise ResourceError("Vendor response doesn't contain an object in Data")
        ctx.attributes = data


def _function(props: Properties) -> str:
    """Return the function's ARN. Raises ResourceError if the token is something else's."""
    token = str(props["ServiceToken"])
    if ":lambda:" not in token:
        raise ResourceError(f"ServiceToken {token}: the local account supports functions only")
    return token


def _texts(value: Any) -> Any:
    """Return properties as functions get them: every scalar is text."""
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items() if key != "ServiceTimeout"}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
