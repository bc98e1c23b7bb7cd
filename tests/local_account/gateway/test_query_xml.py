"""Answers of query services are read by clients exactly as those that moto writes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import QueryParser
from moto.core.serialize import QuerySerializer, SerializationContext

from local_account.gateway import query_xml
from local_account.gateway.protocol import service_model

# Values by the kind of the shape: with characters that have to be escaped, and values that are falsy.
VALUES: dict[str, list[Any]] = {
    "string": ["a & b <c> \"d\" 'e' é", ""],
    "integer": [0, 7],
    "long": [0, 7],
    "float": [0.5],
    "double": [1.25, 0.0],
    "boolean": [True, False],
    "timestamp": [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    ],
    "blob": [b"\x00\xff"],
}


def example(shape: Any, number: int, depth: int = 0) -> Any:
    """Return a value of a shape; every second one has empty lists, and misses every second member."""
    if shape.type_name == "structure":
        if depth > 5:
            return {}
        members = list(shape.members.items())[:: 1 + number % 2]
        return {name: example(member, number, depth + 1) for name, member in members}
    if shape.type_name == "list":
        count = 0 if number % 2 or depth > 4 else 2
        return [example(shape.member, one, depth + 1) for one in range(count)]
    if shape.type_name == "map":
        return {f"key {one}": example(shape.value, one, depth + 1) for one in range(2)}
    values = VALUES[shape.type_name]
    return values[number % len(values)]


@pytest.mark.parametrize("service", ["cloudformation", "iam", "sts"])
def test_clients_read_what_moto_would_have_written(service: str) -> None:
    model = service_model(service)
    assert model.protocol == "query"
    loaded = Loader().load_service_model(service, "service-2")
    parser, shapes = QueryParser(), ServiceModel(loaded, service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        output = shapes.operation_model(name).output_shape
        for number in (0, 1):
            result = example(output, number) if output else {}

            def read(body: str, output: Any = output) -> Any:
                return parser.parse({"body": body.encode(), "headers": {}, "status_code": 200}, output)

            theirs = QuerySerializer(operation, SerializationContext(request_id="r")).serialize(result)
            assert read(query_xml.write(operation, result, "r")) == read(theirs["body"]), name
