"""Data capture: which invocations of an endpoint are captured, and as what.

Contract: SageMaker AI Developer Guide, "Capture data from real-time endpoint", and DataCaptureConfig in the
API. What becomes of the lines is in ``captured_files``.

Differs from AWS: only invocations that the model answers with 2xx are captured; AWS does not say what it does
with others. Text that is not UTF-8 is captured as BASE64, whatever its content type. `CustomAttributes` of a
request are in `eventMetadata.customAttributes`, a list. Source: preprocessing scripts for Model Monitor that
people have published.

Differs from AWS: `DataCaptureConfig.KmsKeyId` is kept and has no effect.
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DataCaptureConfigSummaryTypeDef, DataCaptureConfigUnionTypeDef


class Payload(NamedTuple):
    """A body and its content type; None if the sender has not given one."""

    content_type: str | None
    body: bytes


class Invocation(NamedTuple):
    """A request that the model has answered."""

    time: float
    """When it came, in seconds since 1970."""
    given: Payload
    answer: Payload
    inference_id: str | None
    attributes: str | None
    """CustomAttributes of the request."""

    @property
    def size(self) -> int:
        """How many bytes of memory it takes, about."""
        return len(self.given.body) + len(self.answer.body) + 1024


@dataclass(frozen=True)
class DataCapture:
    """What an endpoint captures."""

    percentage: int
    uri: str
    inputs: bool
    outputs: bool
    csv: frozenset[str]
    """Media types that are captured as CSV, in lower case; those of JSON likewise."""
    json: frozenset[str]

    @classmethod
    def of(cls, config: DataCaptureConfigUnionTypeDef | None) -> DataCapture | None:
        """Return what a configuration asks for, None if it captures nothing."""
        if not config or not config.get("EnableCapture", True):
            return None
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        types = config.get("CaptureContentTypeHeader", {})
        return cls(
            percentage=config["InitialSamplingPercentage"],
            uri=config["DestinationS3Uri"],
            inputs=bool(modes & {"Input", "InputAndOutput"}),
            outputs=bool(modes & {"Output", "InputAndOutput"}),
            csv=frozenset(one.lower() for one in types.get("CsvContentTypes", [])),
            json=frozenset(one.lower() for one in types.get("JsonContentTypes", [])),
        )

    def samples(self) -> bool:
        """Return whether the next invocation is captured: by chance, in the configured share."""
        return self.percentage >= 100 or 100 * random.random() < self.percentage  # noqa: S311 - no secret

    def line(self, one: Invocation) -> bytes:
        """Return an invocation as a line of a capture file."""
        captured = {}
        if self.inputs:
            captured["endpointInput"] = self._part("INPUT", one.given)
        if self.outputs:
            captured["endpointOutput"] = self._part("OUTPUT", one.answer)
        metadata: dict[str, object] = {"eventId": str(uuid.uuid4())}
        if one.attributes:
            metadata["customAttributes"] = [one.attributes]
        if one.inference_id:
            metadata["inferenceId"] = one.inference_id
        metadata["inferenceTime"] = datetime.fromtimestamp(one.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # In ASCII: whoever splits the file with str.splitlines finds no separators of Unicode in the data.
        document = {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    def _part(self, mode: str, payload: Payload) -> dict[str, str]:
        kind = (payload.content_type or "").partition(";")[0].strip().lower()
        encoding = "CSV" if kind in self.csv else "JSON" if kind in self.json else "BASE64"
        try:
            data = "" if encoding == "BASE64" else payload.body.decode()
        except UnicodeDecodeError:
            encoding = "BASE64"
        if encoding == "BASE64":
            data = base64.b64encode(payload.body).decode()
        observed = {"observedContentType": payload.content_type} if payload.content_type else {}
        return {**observed, "mode": mode, "data": data, "encoding": encoding}


def summary(
    config: DataCaptureConfigUnionTypeDef | None, *, serving: bool
) -> DataCaptureConfigSummaryTypeDef | None:
    """Return what DescribeEndpoint says of a configuration.

    There is no KmsKeyId without a key, although the model of the API requires it
    (aws/sagemaker-python-sdk issue 5738).
    """
    if not config:
        return None
    enabled = config.get("EnableCapture", True)
    found: DataCaptureConfigSummaryTypeDef = {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled and serving else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
    }  # type: ignore[typeddict-item]
    if key := config.get("KmsKeyId"):
        found["KmsKeyId"] = key
    return found
