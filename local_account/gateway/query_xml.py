"""Answers in AWS's query protocol, written as text.

Contract: Smithy, "AWS query protocol", XML shape serialization. moto's serializer builds a document and lets
a SAX generator write it, which takes several times as long.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from moto.core.model import OperationModel


def write(operation: OperationModel, result: Mapping[str, Any], request_id: str) -> str:
    """Return the body of the answer to an operation; members that are None are left out."""
    shape = operation.output_shape
    inside = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{shape.name}Result")
        inside = _element(wrapper, _members(shape, result))
    namespace = operation.metadata.get("xmlNamespace")
    attribute = f' xmlns="{escape(namespace)}"' if namespace else ""
    name = f"{operation.name}Response"
    metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return f"<{name}{attribute}>{inside}{metadata}</{name}>"


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _members(shape: Any, value: Mapping[str, Any]) -> str:
    return "".join(
        _named(member.serialization.get("name", name), member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def _named(name: str, shape: Any, value: Any) -> str:
    """Return a value as one element; as several, if it is a flattened list or map."""
    kind = shape.type_name
    if kind == "list":
        if shape.serialization.get("flattened"):
            item = shape.member.serialization.get("name", name)
            return "".join(_named(item, shape.member, one) for one in value)
        item = shape.member.serialization.get("name", "member")
        return _element(name, "".join(_named(item, shape.member, one) for one in value))
    if kind == "map":
        entries = [_entry(shape, key, one) for key, one in value.items()]
        if shape.serialization.get("flattened"):
            return "".join(_element(name, entry) for entry in entries)
        return _element(name, "".join(_element("entry", entry) for entry in entries))
    return _element(name, _members(shape, value) if kind == "structure" else _text(kind, shape, value))


def _entry(shape: Any, key: str, value: Any) -> str:
    return _named(shape.key.serialization.get("name", "key"), shape.key, key) + _named(
        shape.value.serialization.get("name", "value"), shape.value, value
    )


def _text(kind: str, shape: Any, value: Any) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return _time(shape, value)
    if kind == "blob":
        return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
    return escape(str(value))


def _time(shape: Any, value: datetime) -> str:
    if shape.serialization.get("timestampFormat", "iso8601").lower() != "iso8601":
        raise NotImplementedError(f"a time of {shape.name} in another format than ISO 8601")
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if value.microsecond else "%Y-%m-%dT%H:%M:%SZ")
