"""AWS wire protocols from botocore's own service models: route, parse, validate, serialize.

The parsers and serializers are moto's (they cover the ``json``, ``query`` and ``rest-json`` protocols; `cbor`
adds one). Validation is botocore's ``ParamValidator`` for types, and `constraints` for everything that
botocore leaves to the service.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from botocore import xform_name
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import SerializationContext, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from local_account.foundation.errors import Params, ServiceError, pointed
from local_account.gateway import cbor, constraints, query_xml
from local_account.gateway.service import Encoded

UNSUPPORTED = "UnsupportedOperation"
_FORM = "application/x-www-form-urlencoded"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SPECIAL_NUMBERS = {name: float(name) for name in ("NaN", "Infinity", "-Infinity")}
"""Numbers that JSON lacks; SDKs send them as text (Smithy, "AWS JSON 1.0 protocol", Shape serialization)."""
_OWN_NUMBERS = {"cloudwatch"}
"""Services that refuse such a number with an error of their own; to others it is of a wrong type."""


@dataclass(frozen=True)
class Call:
    """One request, matched to its operation."""

    operation: OperationModel
    path_values: Mapping[str, Any]
    protocol: str
    """The one of the service's protocols in which the client speaks."""

    @property
    def method_name(self) -> str:
        """Return the operation's name in boto3's snake case."""
        return str(xform_name(self.operation.name))


@cache
def service_model(service: str) -> ServiceModel:
    """Return moto's facade of botocore's model, set to the protocol that botocore's clients use."""
    model = get_service_model(service)
    if model.metadata["protocol"] not in PROTOCOL_PARSERS:  # CBOR is listed first; see `_spoken`
        model.metadata["protocol"] = next(
            name for name in model.metadata["protocols"] if name in PROTOCOL_PARSERS
        )
    return model


@cache
def _routes(service: str) -> Map:
    rules = []
    for name in service_model(service).operation_names:
        http = service_model(service).operation_model(name).http
        path = re.sub(r"{(\w+)\+}", r"<path:\1>", http["requestUri"].split("?")[0])
        rules.append(Rule(re.sub(r"{(\w+)}", r"<\1>", path), methods=[http["method"]], endpoint=name))
    return Map(rules, strict_slashes=False, merge_slashes=False)


def find_operation(service: str, request: Request) -> Call:
    """Return the operation of ``service`` that a request is for.

    Raises ServiceError UnknownOperationException if the model has none.
    """
    model = service_model(service)
    values: Mapping[str, Any] = {}
    protocol = _spoken(model, request)
    if protocol == cbor.NAME:
        name = request.path.rpartition("/operation/")[2]
    elif protocol == "json":
        name = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    elif protocol in ("query", "ec2"):
        name = dict(parse_qsl(request.get_data(as_text=True))).get("Action", request.args.get("Action", ""))
    else:
        try:
            name, values = _routes(service).bind("", "/").match(request.path, method=request.method)
        except HTTPException:
            name = ""
    if name not in model.operation_names:
        raise ServiceError(
            "UnknownOperationException",
            f"{service} has no operation for {request.method} {request.path} {name}",
        )
    return Call(model.operation_model(name), values, protocol)


def _spoken(model: ServiceModel, request: Request) -> str:
    """Return the protocol of a request: newer SDKs speak CBOR with some services, and older ones forms."""
    others = model.metadata.get("protocols", ())
    if cbor.NAME in others and "Smithy-Protocol" in request.headers:
        return cbor.NAME
    if "query" in others and request.mimetype == _FORM:
        return "query"
    return str(model.protocol)


def parse(call: Call, request: Request) -> Params:
    """Read the request's parameters; raise ServiceError SerializationException on a malformed body."""
    body = _plain(request)
    protocol = call.protocol
    if protocol == cbor.NAME:
        return cbor.read(body)
    if protocol == "json" and body:
        try:
            document = json.loads(body, parse_constant=_refuse_constant)
            if not isinstance(document, dict):
                raise ValueError("the top level is not an object")  # noqa: TRY301, TRY004
            _require_text(body, document)
        except (ValueError, RecursionError) as error:
            raise ServiceError(
                "SerializationException", f"The request body is not valid JSON: {error}"
            ) from error
        shape = call.operation.input_shape
        checked = document
        if shape and call.operation.service_model.service_name in _OWN_NUMBERS:
            checked = _with_numbers(shape, document)
        if shape and ParamValidator().validate(checked, shape).has_errors():
            return document  # the parser would coerce it; validate() reports what is wrong
    values: MultiDict[str, str] = (
        MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
        if protocol in ("query", "ec2")
        else request.args
    )
    # Aware datetimes; moto's own are naive.
    parser = PROTOCOL_PARSERS[protocol](call.operation, timestamp_parser=parse_timestamp, map_type=dict)
    parsed = parser.parse(
        {
            "body": body,
            "headers": request.headers,
            "method": request.method,
            "url_params": call.path_values,
            "url_path": request.path,
            "values": values,
        }
    )
    return parsed if isinstance(parsed, dict) else {}


def decode(call: Call, request: Request, kind: Any) -> Params | None:
    """Read and check a JSON request in one pass; return None if it is not of the kind.

    ``kind`` is a TypedDict that msgspec can decode.
    """
    if call.protocol != "json":
        return None
    try:
        body = _plain(request)
        decoded: Params = _decoder(kind).decode(body)
        _require_text(body, decoded)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return decoded


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _with_numbers(shape: Any, value: Any) -> Any:
    """Return a document in which special numbers are numbers instead of text."""
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            members = shape.members
            return {
                name: _with_numbers(members[name], item) if name in members else item
                for name, item in value.items()
            }
        case "list" if isinstance(value, list):
            return [_with_numbers(shape.member, item) for item in value]
        case "map" if isinstance(value, dict):
            return {key: _with_numbers(shape.value, item) for key, item in value.items()}
        case "float" | "double" if isinstance(value, str):
            return _SPECIAL_NUMBERS.get(value, value)
    return value


def _require_text(body: bytes, document: object) -> None:
    """Raise UnicodeEncodeError for half of a surrogate pair, which JSON can express, and which is no text."""
    if _SURROGATE.search(body):
        msgspec.json.encode(document)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _plain(request: Request) -> bytes:
    """Return the body, decompressed: clients compress long ones where the model allows it (PutMetricData)."""
    body = request.get_data()
    if request.headers.get("Content-Encoding", "") != "gzip":
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ServiceError(
            "SerializationException", f"The request body is not valid gzip: {error}"
        ) from error


def validate(call: Call, params: Params, error_code: str) -> None:
    """Check parameters against the service's model.

    Raises ServiceError with all the faults found: ``error_code`` for constraints that they break,
    SerializationException for values of a wrong type.
    """
    shape = call.operation.input_shape
    if shape is None:
        return
    report = ParamValidator().validate(params, shape)
    if faults := constraints.faults(shape, params):
        plural = "error" if len(faults) == 1 else "errors"
        raise ServiceError(error_code, f"{len(faults)} validation {plural} detected: {'; '.join(faults)}")
    if report.has_errors():
        reason = report.generate_report()
        raise ServiceError(error_code if "Unknown parameter" in reason else "SerializationException", reason)


def answer(call: Call, result: Mapping[str, Any] | Encoded, request_id: str) -> Response:
    """Serialize the result of an operation."""
    if isinstance(result, Encoded):
        response = Response(result.body, content_type="application/x-amz-json-1.1")
        response.headers["x-amzn-RequestId"] = request_id
        return response
    if call.protocol == cbor.NAME:
        body = cbor.write(call.operation.output_shape, result)
        return _cbor(body, 200, request_id)
    if call.protocol == "query":
        response = Response(query_xml.write(call.operation, result, request_id), content_type="text/xml")
        response.headers["x-amzn-RequestId"] = request_id
        return response
    response = _serialize(call, result, request_id)
    shape = call.operation.output_shape
    for name, member in (shape.members if shape else {}).items():
        if result.get(name) is None:
            continue
        where = member.serialization
        if where.get("location") == "statusCode":  # moto leaves it out
            response.status_code = result[name]
        elif where.get("location") == "header" and where.get("name", "").lower() == "content-type":
            response.headers["Content-Type"] = result[name]  # moto always says application/json
    return response


def answer_error(call: Call, error: ServiceError, request_id: str) -> Response:
    """Serialize an error in the protocol of the operation's service."""
    shape = _error_shape(call, error)
    message = pointed(error.message, call.operation.service_model.service_name)
    if shape is not None and "Type" in shape.members:  # Lambda says whose fault it is
        error.fields.setdefault("Type", "User" if error.status < 500 else "Service")
    if call.protocol == cbor.NAME:
        status = (shape.metadata.get("error", {}) if shape else {}).get("httpStatusCode", error.status)
        name = shape.name if shape else error.code
        return _cbor(cbor.write_error(name, message, error.fields), status, request_id, error.code)
    exception = type(error.code, (Exception,), {"code": error.code, "message": message, **error.fields})(
        message
    )
    response = _serialize(call, exception, request_id)
    if "httpStatusCode" not in (shape.metadata.get("error", {}) if shape else {}):
        response.status_code = error.status
    return response


def _error_shape(call: Call, error: ServiceError) -> Any:
    # Two may have one code, such as two of CloudWatch: the operation's own go first.
    for shape in (*call.operation.error_shapes, *call.operation.service_model.error_shapes):
        if error.code in (shape.error_code, shape.name):
            return shape
    return None


def _serialize(call: Call, result: Any, request_id: str) -> Response:
    service = call.operation.service_model.service_name
    serializer = get_serializer_class(service, call.protocol)(
        call.operation, SerializationContext(request_id=request_id)
    )
    serialized = serializer.serialize(result)
    response = Response(serialized["body"], serialized["status_code"], serialized["headers"])
    response.headers["x-amzn-RequestId"] = request_id
    return response


def _cbor(body: bytes, status: int, request_id: str, query_code: str = "") -> Response:
    response = Response(body, status, cbor.HEADERS, content_type=cbor.CONTENT_TYPE)
    response.headers["x-amzn-RequestId"] = request_id
    if query_code:  # the code that the service had before, by which boto3 names its exception
        response.headers["x-amzn-query-error"] = f"{query_code};{'Sender' if status < 500 else 'Receiver'}"
    return response


def plain_error(service: str, error: ServiceError, request_id: str) -> Response:
    """Answer an error for an unknown operation: JSON for JSON services, XML for S3 and query services."""
    message = pointed(error.message, service)
    if service_model(service).protocol in ("json", "rest-json"):
        body, kind = (
            json.dumps({"__type": error.code, "message": message}),
            "application/x-amz-json-1.1",
        )
    else:
        escaped = message.replace("&", "&amp;").replace("<", "&lt;")
        fault = f"<Error><Code>{error.code}</Code><Message>{escaped}</Message></Error>"
        wrap = service != "s3"
        body = f"<ErrorResponse>{fault}</ErrorResponse>" if wrap else f"<?xml version='1.0'?>{fault}"
        kind = "text/xml"
    response = Response(body, error.status, content_type=kind)
    response.headers["x-amzn-RequestId"] = request_id
    if service_model(service).protocol == "rest-json":
        response.headers["X-Amzn-Errortype"] = error.code
    return response
