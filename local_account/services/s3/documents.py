"""XML documents of S3 by botocore's model: requests to parameters, results to answers.

Contract: Amazon S3 API Reference; the shapes of botocore's ``s3`` service model (protocol ``rest-xml``). S3
validates strictly: an element that the schema does not have is ``MalformedXML``, as is a missing one.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.model import OperationModel, Shape
from botocore.utils import parse_timestamp

from local_account.gateway import protocol
from local_account.services.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
    | {chr(code): f"&#x{code:x};" for code in range(32) if chr(code) not in "\t\n\r"}
)
# The model lists the regions of one date; the operation itself judges the region.
_OPEN_ENUMS = {"BucketLocationConstraint"}
_OUTSIDE = ("header", "headers", "querystring", "uri", "statusCode")


def escape(text: str) -> str:
    """Return a text as the content of an element."""
    return text.translate(_ESCAPES)


def iso(moment: datetime) -> str:
    """Return a time as S3 writes it in documents: whole seconds, with a fraction of zero, in UTC.

    So the time of a list is that of the header Last-Modified.
    """
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="seconds")[:19] + ".000Z"


@cache
def operation(name: str) -> OperationModel:
    """Return botocore's model of an operation."""
    model: OperationModel = protocol.service_model("s3").operation_model(name)
    return model


def malformed() -> S3Error:
    """Return the error for a document that is not what the operation expects."""
    return S3Error("MalformedXML")


def read(name: str, body: bytes) -> dict[str, Any]:
    """Return the parameters in the body of a request. Raises S3Error MalformedXML.

    Timestamps stay texts (ISO 8601), so that a document can be kept as JSON.
    """
    shape = operation(name).input_shape
    payload = shape.members[shape.serialization["payload"]] if shape else None
    if payload is None:
        raise RuntimeError(f"{name} has no document")
    if not body.strip():
        raise S3Error("MissingRequestBodyError")
    return parse(payload, body)


def parse(shape: Shape, body: bytes) -> dict[str, Any]:
    """Return a document by its shape. Raises S3Error MalformedXML."""
    if b"<!DOCTYPE" in body:
        raise malformed()
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document types, so no entities
    except (ET.ParseError, ValueError) as error:
        raise malformed() from error
    parsed: dict[str, Any] = _structure(shape, root)
    return parsed


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _structure(shape: Any, node: ET.Element) -> dict[str, Any]:
    children: dict[str, list[ET.Element]] = {}
    for child in node:
        children.setdefault(_tag(child), []).append(child)
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        rules = member.serialization
        if rules.get("location") in _OUTSIDE:
            continue
        tag = rules.get("name", name)
        if rules.get("xmlAttribute"):
            attribute = node.get(f"{{{_INSTANCE}}}{tag.rpartition(':')[2]}")
            if attribute is not None:
                result[name] = attribute
            continue
        found = children.pop(tag, None)
        if found is None:
            continue
        if member.type_name == "list":
            items = found if rules.get("flattened") else [one for parent in found for one in parent]
            result[name] = [_value(member.member, one) for one in items]
        elif len(found) > 1:
            raise malformed()
        else:
            result[name] = _value(member, found[0])
    if children or any(name not in result for name in shape.required_members):
        raise malformed()
    return result


def _value(shape: Any, node: ET.Element) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node)
    if len(node):
        raise malformed()
    text = node.text or ""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
            case "timestamp":
                moment = parse_timestamp(text).astimezone(UTC)
                return moment.isoformat(timespec="milliseconds")[:23] + "Z"
    except (ValueError, KeyError) as error:
        raise malformed() from error
    if shape.metadata.get("enum") and shape.name not in _OPEN_ENUMS and text not in shape.metadata["enum"]:
        raise malformed()
    return text


def answer(name: str, result: Mapping[str, Any]) -> bytes:
    """Return the body of an operation's answer; members that are None are left out."""
    shape: Any = operation(name).output_shape
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        return write(member.serialization.get("name", member.name), member, result[payload])
    return write(shape.serialization.get("name", _root(name)), shape, result)


def write(root: str, shape: Shape, value: Mapping[str, Any]) -> bytes:
    """Return a document with the given root element."""
    parts: list[str] = [_DECLARATION, f'<{root} xmlns="{NAMESPACE}">']
    _write_members(shape, value, parts)
    parts.append(f"</{root}>")
    return "".join(parts).encode()


def _root(name: str) -> str:
    """Return the root element of an answer: that of the request's document, or the operation's result."""
    return _ROOTS.get(name, f"{name}Result")


# Answers whose root is not in the model (Amazon S3 API Reference, "Response Syntax").
_ROOTS = {
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
}


def _write_members(shape: Any, value: Mapping[str, Any], parts: list[str]) -> None:
    for name, member in shape.members.items():
        rules = member.serialization
        given = value.get(name)
        if given is None or rules.get("location") in _OUTSIDE or rules.get("xmlAttribute"):
            continue
        tag = rules.get("name", name)
        if member.type_name != "list":
            _write(tag, member, given, parts)
        elif rules.get("flattened"):
            for one in given:
                _write(tag, member.member, one, parts)
        else:
            parts.append(f"<{tag}>")
            for one in given:
                _write(member.member.serialization.get("name", "member"), member.member, one, parts)
            parts.append(f"</{tag}>")


def _write(tag: str, shape: Any, value: Any, parts: list[str]) -> None:
    if shape.type_name != "structure":
        parts.append(f"<{tag}>{escape(_text(value))}</{tag}>")
        return
    attributes = "".join(
        f' xmlns:xsi="{_INSTANCE}" {member.serialization["name"]}="{escape(value[name])}"'
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and name in value
    )
    parts.append(f"<{tag}{attributes}>")
    _write_members(shape, value, parts)
    parts.append(f"</{tag}>")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return iso(value) if isinstance(value, datetime) else str(value)
