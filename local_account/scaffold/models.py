"""What botocore's model says about an operation, and which class of the account is to implement it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import botocore.session
from botocore import xform_name

from local_account import services
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway import protocol
from local_account.gateway.service import HttpService, Service
from local_account.moto_backend.backend import SERVICES as MOTO_SERVICES

CONTRIBUTING = "CONTRIBUTING.md"
_TOKENS = ("nexttoken", "marker", "nextmarker")
# Values that fit most of the models' patterns.
_EXAMPLES = (
    "example",
    "0a1b2c3d-0000-4000-8000-000000000001",
    "arn:aws:iam::123456789012:role/example",
    "arn:aws:codebuild:us-east-1:123456789012:project/example",
    "123456789012",
    "2026-11-30T18:00:00Z",
    "s3://example/example",
    "https://example.org/example",
    "AWS/Example",
    "/example",
    "1",
)
_KIND = re.compile(r":([a-z][a-z-]+):.*?\{12\}:\(?([a-z-]+)/")


class ScaffoldError(Exception):
    """Nothing was written; the message says why, and what to do instead."""


@dataclass(frozen=True)
class Operation:
    """One operation that is to be written, and the class that gets the method."""

    service: str
    name: str
    owner: type[Service]
    request: Params
    """The smallest request that the model accepts."""
    answers: tuple[str, ...]
    """Members of the answer, without tokens of pages."""
    errors: tuple[str, ...]
    """Codes of the documented errors."""

    @property
    def method(self) -> str:
        """boto3's name of the operation."""
        return str(xform_name(self.name))

    @property
    def unfit(self) -> str:
        """What the account would say about the request: models have patterns that no example here meets."""
        model = protocol.service_model(self.service)
        call = protocol.Call(model.operation_model(self.name), {}, model.protocol)
        try:
            protocol.validate(call, self.request, "")
        except ServiceError as error:
            return error.message
        return ""

    @property
    def file(self) -> Path:
        """The source of the class."""
        return _source(self.owner)

    @property
    def request_type(self) -> str:
        """Name of boto3-stubs' type of the request; empty if it has none."""
        shape = service_model(self.service).operation_model(self.name).input_shape
        name = f"{shape.name}TypeDef" if shape else ""
        found = find_spec(f"{self.stubs}.type_defs") if name and find_spec(self.stubs) else None
        if found is None or not found.origin:
            return ""
        return name if re.search(rf"^class {name}\b", Path(found.origin).read_text(), re.MULTILINE) else ""

    @property
    def stubs(self) -> str:
        """boto3-stubs' package of the service."""
        return f"mypy_boto3_{self.service.replace('-', '_')}"

    @property
    def folder(self) -> str:
        """The service's folder in `local_account/services`."""
        return self.owner.__module__.split(".")[2]


def find_operation(service: str, name: str, into: str | None = None) -> Operation:
    """Return what has to be written for an operation.

    Raises ScaffoldError for a service or an operation that botocore or the account does not know, for an
    operation that exists already, and if several classes could get the method.
    """
    known = _session().get_available_services()
    if service not in known:
        raise ScaffoldError(f"boto3 has no service {service!r}{_meant(service, known)}")
    model = service_model(service)
    if name not in model.operation_names:
        raise ScaffoldError(f"{service} has no operation {name!r}{_meant(name, model.operation_names)}")
    if service in MOTO_SERVICES:
        raise ScaffoldError(
            f"moto answers for {service} in the local account. To answer {name} here, follow "
            f'"Add a service" in {CONTRIBUTING}'
        )
    leaf = next((one for one in _services() if one.name == service), None)
    if leaf is None:
        raise ScaffoldError(
            f'the local account has no service {service!r} yet: follow "Add a service" in {CONTRIBUTING}'
        )
    if issubclass(leaf, HttpService):
        raise ScaffoldError(
            f"{service} reads its requests itself: add a method for {name} to a class of its noun in "
            f"{relative(_source(leaf).parent)}"
        )
    if found := getattr(leaf, str(xform_name(name)), None):
        line = inspect.getsourcelines(found)[1]
        owner = next(one for one in leaf.__mro__ if found.__name__ in vars(one))
        raise ScaffoldError(f"{service}.{name} exists already: {relative(_source(owner))}:{line}")
    operation = model.operation_model(name)
    output = operation.output_shape
    answers = tuple(one for one in (output.members if output else {}) if one.lower() not in _TOKENS)
    shape = operation.input_shape
    request = _example(shape) if shape else {}
    errors = tuple(one.metadata.get("error", {}).get("code") or one.name for one in operation.error_shapes)
    return Operation(service, name, _owner(leaf, name, into), request, answers, errors)


def root() -> Path:
    """Return the checkout that this package is part of."""
    return Path(__file__).resolve().parents[2]


def relative(path: Path) -> str:
    """Return a path as authors type it."""
    return str(path.relative_to(root()))


@cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service."""
    return _session().get_service_model(service)


@cache
def _session() -> Any:
    return botocore.session.get_session()


def _source(owner: type[Service]) -> Path:
    return Path(inspect.getfile(owner)).resolve()


def _meant(given: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(given, list(known), 3)
    return f": did you mean {' or '.join(close)}?" if close else ""


@cache
def _services() -> tuple[type[Service], ...]:
    """Return the services, each by the class that puts its parts together."""
    for module in iter_modules(services.__path__, f"{services.__name__}."):
        import_module(module.name)
    found: list[type[Service]] = []
    waiting = [Service]
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        found += [one for one in children if one.__module__.startswith(services.__name__)]
    return tuple(one for one in found if hasattr(one, "name") and not set(one.__subclasses__()) & set(found))


def _owner(leaf: type[Service], name: str, into: str | None) -> type[Service]:
    """Return the class that has the operations most like this one."""
    operations = {str(xform_name(one)): one for one in service_model(leaf.name).operation_names}
    parts = {
        one: [operations[method] for method in vars(one) if method in operations]
        for one in leaf.__mro__
        if one.__module__.startswith(services.__name__)
    }
    parts = {one: methods for one, methods in parts.items() if methods}
    if into:
        for one in parts:
            if one.__name__ == into:
                return one
        raise ScaffoldError(f"{leaf.name} has no class {into!r} with operations: {_listed(parts)}")
    wanted = _words(name)
    likeness = {
        one: max(_alike(wanted, _words(other)) for other in methods) for one, methods in parts.items()
    }
    best = [one for one in parts if likeness[one] == max(likeness.values())]
    if leaf in best:
        return leaf
    if len(best) > 1:
        raise ScaffoldError(f"several classes could have {name}: choose one with --into: {_listed(best)}")
    return best[0]


def _listed(classes: Iterable[type[Service]]) -> str:
    return ", ".join(sorted(one.__name__ for one in classes))


def _alike(one: set[str], other: set[str]) -> float:
    """Return the share of words that both have, 0 to 1: long names have many words by chance."""
    return len(one & other) / max(len(one | other), 1)


def _words(name: str) -> set[str]:
    """Return the words of an operation's name in the singular, without its verb."""
    return {word.removesuffix("s") for word in re.findall(r"[A-Z][a-z0-9]*", name)[1:]}


def _example(shape: Any) -> Any:  # noqa: PLR0911 - one for each type
    """Return the smallest value of a shape that the model accepts, as far as its pattern can be met."""
    rules = shape.metadata
    match shape.type_name:
        case "structure":
            return {name: _example(shape.members[name]) for name in shape.required_members}
        case "list":
            return [_example(shape.member)] * rules.get("min", 1)
        case "map":
            return {_example(shape.key): _example(shape.value)} if rules.get("min") else {}
        case "string":
            return _text(rules)
        case "integer" | "long" | "float" | "double":
            return max(rules.get("min", 1), min(1, rules.get("max", 1)))
        case "boolean":
            return True
        case "timestamp":
            return datetime(2026, 11, 30, 18, tzinfo=UTC)
        case _:
            return b"example"


def _text(rules: dict[str, Any]) -> str:
    if rules.get("enum"):
        return str(rules["enum"][0])
    low, high = rules.get("min", 0), rules.get("max", 1 << 20)
    pattern = rules.get("pattern") or ""
    # A pattern of ARNs says which: arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:cluster/[a-z0-9]{12}
    arns = (f"arn:aws:{a}:us-east-1:123456789012:{b}/0a1b2c3d4e5f" for a, b in _KIND.findall(pattern))
    for example in (*_EXAMPLES, *arns, *str(pattern).strip("^()$").split("|")):  # words: Build|Deploy
        text = example[:high] if high < len(example) else example.ljust(low, "e")
        if _fits(text, pattern):
            return text
    return _EXAMPLES[0]


def _fits(text: str, pattern: str) -> bool:
    try:
        return not pattern or re.fullmatch(pattern, text, re.DOTALL) is not None
    except re.error:  # a Java pattern with classes that Python lacks: the gateway lets it pass as well
        return True
