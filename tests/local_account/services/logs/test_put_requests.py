"""PutLogEvents is decoded by msgspec, and refused in the words of botocore's model."""

import json
from http.client import HTTPConnection
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local_account.foundation.errors import ServiceError
from local_account.gateway import protocol
from local_account.services.logs import Logs
from tests.local_account.services.logs.conftest import LogWriter
from tests.local_account.services.served import Served

TARGET = {"X-Amz-Target": "Logs_20140328.PutLogEvents"}
EVENT = {"timestamp": 1, "message": "x"}
NAMES = {"logGroupName": "g", "logStreamName": "s"}
FITS: list[Any] = [
    {**NAMES, "logEvents": [EVENT]},
    {**NAMES, "logEvents": [EVENT, EVENT], "sequenceToken": "1", "entity": {}},
    {"logGroupName": "/a.b-c_d#/E1", "logStreamName": "2026/11/30/[$LATEST]x y", "logEvents": [EVENT]},
]
DOES_NOT_FIT: list[Any] = [
    [],
    None,
    {**NAMES},
    {**NAMES, "logEvents": []},
    {**NAMES, "logEvents": [{**EVENT, "message": ""}]},
    {**NAMES, "logEvents": [{**EVENT, "message": None}]},
    {**NAMES, "logEvents": [{**EVENT, "message": 1}]},
    {**NAMES, "logEvents": [{**EVENT, "timestamp": "now"}]},
    {**NAMES, "logEvents": [{**EVENT, "timestamp": -1}]},
    {**NAMES, "logEvents": [{"timestamp": 1}]},
    {**NAMES, "logEvents": {"0": EVENT}},
    {**NAMES, "logEvents": [{**EVENT, "more": 1}]},
    {**NAMES, "logGroupName": "with space", "logEvents": [EVENT]},
    {**NAMES, "logGroupName": "newline\n", "logEvents": [EVENT]},
    {**NAMES, "logStreamName": "a:b", "logEvents": [EVENT]},
    {**NAMES, "logStreamName": "x" * 513, "logEvents": [EVENT]},
    {"logStreamName": "s", "logEvents": [EVENT]},
]


def call_of(document: Any) -> tuple[protocol.Call, Request]:
    request = Request(
        EnvironBuilder(method="POST", headers=[*TARGET.items()], data=json.dumps(document)).get_environ()
    )
    return protocol.find_operation("logs", request), request


@pytest.mark.parametrize("document", FITS)
def test_what_fits_is_what_the_model_accepts(document: Any) -> None:
    call, request = call_of(document)
    decoded = protocol.decode(call, request, Logs.requests["PutLogEvents"])
    assert decoded is not None
    assert [event.message for event in decoded["logEvents"]] == [e["message"] for e in document["logEvents"]]
    protocol.validate(call, protocol.parse(call, request), Logs.validation_error)


@pytest.mark.parametrize("document", DOES_NOT_FIT)
def test_what_does_not_fit_is_what_the_model_refuses(document: Any) -> None:
    call, request = call_of(document)
    assert protocol.decode(call, request, Logs.requests["PutLogEvents"]) is None
    with pytest.raises(ServiceError):
        protocol.validate(call, protocol.parse(call, request), Logs.validation_error)


def test_a_refusal_has_the_words_of_the_model(served: Served) -> None:
    body = json.dumps({**NAMES, "logGroupName": "with space", "logEvents": [EVENT]})
    assert send(served, body) == (
        400,
        "InvalidParameterException",
        "1 validation error detected: Value 'with space' at 'logGroupName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
    )
    assert send(served, "no JSON")[1] == "SerializationException"


def test_a_message_that_is_not_text_is_refused(served: Served, writer: LogWriter) -> None:
    writer.stream("s")
    event = {"timestamp": writer.now, "message": "half a pair: \ud800"}
    names = {"logGroupName": writer.group, "logStreamName": "s"}
    assert send(served, json.dumps({**names, "logEvents": [event]}))[1] == "SerializationException"
    plain = json.dumps({**names, "logEvents": [{**event, "message": "~"}]})
    assert send(served, plain.encode().replace(b"~", b"\xff"))[1] == "SerializationException"
    assert writer.read("s") == []


def send(served: Served, body: str | bytes) -> tuple[int, str, str]:
    credential = "AKIALOCALACCOUNT0000/20261130/us-east-1/logs/aws4_request"
    connection = HTTPConnection("127.0.0.1", served.account.config.gateway_port)
    headers = {**TARGET, "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, Signature=x"}
    connection.request("POST", "/", body, headers)
    with connection.getresponse() as response:
        answer = json.loads(response.read() or "{}")
    connection.close()
    return response.status, answer.get("__type", ""), answer.get("message") or answer.get("Message", "")
