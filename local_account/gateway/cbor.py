"""The protocol RPC v2 CBOR of newer SDKs: requests and answers as binary documents.

Contract: Smithy, "Smithy RPC v2 CBOR protocol". A request says `Smithy-Protocol: rpc-v2-cbor`, and its path
ends with the service's and the operation's name. Times are seconds with tag 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2

from local_account.foundation.errors import Params, ServiceError

NAME = "smithy-rpc-v2-cbor"
HEADERS = {"Smithy-Protocol": "rpc-v2-cbor"}
CONTENT_TYPE = "application/cbor"


def read(body: bytes) -> Params:
    """Return the parameters of a request. Raises ServiceError SerializationException."""
    if not body:
        return {}
    try:
        document = cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise ServiceError(
            "SerializationException", f"The request body is not valid CBOR: {error}"
        ) from error
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "The request body is not a CBOR map")
    return document


def write(shape: Any, result: Mapping[str, Any]) -> bytes:
    """Return the body of an answer; members that are None or not in the shape are left out."""
    return cbor2.dumps(_fitted(shape, result) if shape else {}, datetime_as_timestamp=True)


def write_error(code: str, message: str, fields: Mapping[str, Any]) -> bytes:
    """Return the body of an error."""
    return cbor2.dumps({"__type": code, "message": message, **fields}, datetime_as_timestamp=True)


def _fitted(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            name: _fitted(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [_fitted(shape.member, one) for one in value]
    if kind == "map":
        return {str(key): _fitted(shape.value, one) for key, one in value.items()}
    if kind in ("double", "float"):
        return float(value)
    if kind == "timestamp" and not isinstance(value, datetime):
        return datetime.fromtimestamp(value).astimezone()
    return value
