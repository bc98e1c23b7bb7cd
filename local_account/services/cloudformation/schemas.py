"""The registry schemas of resource types, as shipped with cfn-lint: valid properties, and which replace.

Only the JSON files of the types in use are read; cfn-lint itself is not imported.
Contract: *Resource type schema* in the CloudFormation CLI User Guide.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from local_account.foundation.json_schemas import jsonschema
from local_account.services.cloudformation.template import is_custom

# Unicode and POSIX classes of the schemas' regular expressions that Python's re lacks.
_CLASSES = {
    "L": r"\w",
    "N": r"\d",
    "Z": r"\s",
    "ASCII": r"\x00-\x7f",
    "Graph": r"\x21-\x7e",
    "Print": r"\x20-\x7e",
}
# A type that the registry does not list: what every CDK app has in its templates.
_BUILT_IN = {
    "AWS::CDK::Metadata": {"properties": {"Analytics": {"type": "string"}}, "additionalProperties": False}
}
_CUSTOM = {"properties": {}, "required": ["ServiceToken"]}
_JAVA = {
    "object": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
}
"""CloudFormation's words for the types of JSON Schema."""
_SCALARS = {"string", "integer", "number", "boolean"}


class Schema:
    """One resource type."""

    def __init__(self, type_name: str, document: dict[str, Any]) -> None:
        self.type_name = type_name
        self._document: dict[str, Any] = _readable(document)

    @property
    def properties(self) -> dict[str, Any]:
        """Declarations of the top-level properties."""
        return self._document["properties"]  # type: ignore[no-any-return]

    @property
    def read_only(self) -> set[str]:
        """Names of the top-level properties that only the service sets; ``Fn::GetAtt`` returns them."""
        return {path[0] for path in self._paths("readOnlyProperties") if len(path) == 1}

    @property
    def identifiers(self) -> list[str]:
        """Names of the properties that identify a resource."""
        return [path[0] for path in self._paths("primaryIdentifier")]

    @property
    def takes_tags(self) -> bool:
        """Whether resources of the type take the stack's tags, in a property ``Tags`` that is a list."""
        return "array" in _types(self._resolved(self.properties.get("Tags", {})))

    @property
    def takes_system_tags(self) -> bool:
        """Whether CloudFormation adds its own tags: a type whose schema does not say so gets none."""
        return self.takes_tags and self._document.get("tagging", {}).get("cloudFormationSystemTags") is True

    def replacing(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
        """Return the top-level properties whose change requires a new resource."""
        return {path[0] for path in self._create_only if _at(old, path) != _at(new, path)}

    def is_create_only(self, name: str) -> bool:
        """Return whether a top-level property, or a part of it, cannot be changed on the resource."""
        return any(path[0] == name for path in self._create_only)

    def coerce(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties with scalars converted to the schema's types.

        Templates may write a number or a boolean as text, and text as a number.
        """
        return {
            name: _coerced(self, self.properties.get(name, {}), value) for name, value in properties.items()
        }

    def faults(self, properties: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the properties, each as ``#/path: why``; empty if nothing is wrong."""
        found = [
            f"#: extraneous key [{name}] is not permitted" for name in properties if name in self.read_only
        ]
        for error in self._validator.iter_errors(dict(properties)):
            # Of alternatives, the one that came closest to matching says most.
            error = min(error.context, key=lambda each: len(each.context or ()), default=error)  # noqa: PLW2901
            where = "/".join(["#", *(str(part) for part in error.absolute_path)])
            found.append(f"{where}: {_message(error)}")
        return found

    @cached_property
    def _create_only(self) -> list[list[str]]:
        return [*self._paths("createOnlyProperties"), *self._paths("conditionalCreateOnlyProperties")]

    @cached_property
    def _validator(self) -> Any:
        library = jsonschema()
        kind = library.validators.extend(
            library.Draft7Validator,
            {
                "pattern": _pattern,
                "requiredXor": _required_xor,
                "requiredOr": _required_or,
                "dependentRequired": _dependent_required,
                "dependentExcluded": _dependent_excluded,
            },
        )
        return kind(self._document)

    def _paths(self, keyword: str) -> list[list[str]]:
        return [pointer.split("/")[2:] for pointer in self._document.get(keyword, [])]

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].split("/")[1:]:
                found = found[part]
            node = found
        return node


class Schemas:
    """The registry schemas of one region, read at first use."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._schemas: dict[str, Schema] = {}
        self._lock = threading.Lock()

    def get(self, type_name: str) -> Schema:
        """Return the schema of a type; raise KeyError if the registry has none."""
        with self._lock:
            if is_custom(type_name):
                return Schema(type_name, _CUSTOM)
            if type_name not in self._schemas and type_name in _BUILT_IN:
                self._schemas[type_name] = Schema(type_name, _BUILT_IN[type_name])
            if type_name not in self._schemas:
                path = self._folder / "resources" / f"{self._index[type_name]}.json"
                self._schemas[type_name] = Schema(type_name, json.loads(path.read_text()))
            return self._schemas[type_name]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all types that CloudFormation has in the region."""
        return frozenset(self._index) | frozenset(_BUILT_IN)

    @cached_property
    def _folder(self) -> Path:
        package = importlib.util.find_spec("cfnlint")
        if package is None or package.origin is None:
            raise RuntimeError(
                "cfn-lint, which ships the resource schemas, is not installed: pip install cfn-lint"
            )
        return Path(package.origin).parent / "data" / "schemas"

    @cached_property
    def _index(self) -> dict[str, str]:
        path = self._folder / "providers" / f"{self._region}.json"
        if not path.exists():
            path = path.with_name("us-east-1.json")
        return json.loads(path.read_text())  # type: ignore[no-any-return]


def _types(node: Mapping[str, Any]) -> list[str]:
    kind = node.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _coerced(  # noqa: PLR0911  (one per type)
    schema: Schema, node: Mapping[str, Any], value: Any
) -> Any:
    node = schema._resolved(node)
    types = _types(node)
    if isinstance(value, dict):
        declared = node.get("properties", {})
        others: Any = next(iter(node.get("patternProperties", {}).values()), {})
        return {key: _coerced(schema, declared.get(key, others), item) for key, item in value.items()}
    if isinstance(value, list):
        return [_coerced(schema, node.get("items", {}), item) for item in value]
    if not types or not _SCALARS.issuperset(types):
        return value
    if "string" in types:
        return (
            str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else str(value)
        )
    if isinstance(value, str):
        if "boolean" in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if "integer" in types and re.fullmatch(r"-?\d+", value):
            return int(value)
        if "number" in types and re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", value):
            return float(value)
    return value


def _at(value: Any, path: list[str]) -> Any:
    for index, part in enumerate(path):
        if part == "*":
            return [_at(item, path[index + 1 :]) for item in value or []]
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _message(error: Any) -> str:  # noqa: PLR0911  (one per keyword)
    """Return what is wrong in the words of CloudFormation, whose validator is everit-json-schema."""
    given, wanted = error.instance, error.validator_value
    match error.validator:
        case "additionalProperties" if isinstance(given, dict):
            known = error.schema.get("properties", {})
            extra = [key for key in given if key not in known]
            return f"extraneous key [{', '.join(extra)}] is not permitted"
        case "required":
            absent = next((name for name in wanted if f"'{name}'" in error.message), "")
            return f"required key [{absent}] not found"
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            return f"expected type: {_JAVA.get(names[0], names[0])}, found: {_found(given)}"
        case "enum":
            return f"{given} is not a valid enum value"
        case "minLength":
            return f"expected minLength: {wanted}, actual: {len(given)}"
        case "maxLength":
            return f"expected maxLength: {wanted}, actual: {len(given)}"
        case "minItems":
            return f"expected minimum item count: {wanted}, found: {len(given)}"
        case "maxItems":
            return f"expected maximum item count: {wanted}, found: {len(given)}"
        case "minimum":
            return f"{given} is not greater or equal to {wanted}"
        case "maximum":
            return f"{given} is not less or equal to {wanted}"
        case "uniqueItems":
            return "array items are not unique"
        case "pattern":
            return "failed validation constraint for keyword [pattern]"
    return str(error.message)


def _found(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    return {dict: "JSONObject", list: "JSONArray", str: "String", int: "Integer"}.get(
        type(value), "BigDecimal"
    )


# Keywords that JSON Schema draft 7 lacks, as validator functions for jsonschema.


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not re.search(python_pattern(pattern), instance):
        yield jsonschema().ValidationError(f"{instance!r} does not match {pattern!r}")


def _readable(node: Any) -> Any:
    """Return a schema in whose ``patternProperties`` are patterns that jsonschema can use."""
    if isinstance(node, list):
        return [_readable(one) for one in node]
    if not isinstance(node, dict):
        return node
    readable = {key: _readable(value) for key, value in node.items()}
    if isinstance(patterns := readable.get("patternProperties"), dict):
        readable["patternProperties"] = {python_pattern(key): value for key, value in patterns.items()}
    return readable


def python_pattern(pattern: str) -> str:
    """Rewrite the character classes that Python's re lacks, inside brackets and, adding brackets, outside."""
    rewritten, within = "", False
    for part in re.split(r"(\\p\{\w+\}|\\.|[\[\]])", pattern):
        if part.startswith(r"\p{"):
            members = _members(part[3:-1])
            rewritten += members if within else f"[{members}]"
            continue
        within = part == "[" or (within and part != "]")
        rewritten += part
    return rewritten


@cache
def _members(name: str) -> str:
    """Return the members of a class as they are written between brackets; others are general categories."""
    if name in _CLASSES:
        return _CLASSES[name]
    every = range(sys.maxunicode + 1)
    found = [point for point in every if unicodedata.category(chr(point)).startswith(name)]
    if not found:
        raise ValueError(f"\\p{{{name}}} is not a class of characters")
    return "".join(
        f"\\U{run[0]:08x}-\\U{run[-1]:08x}"
        for run in (
            [point for _, point in group]
            for _, group in itertools.groupby(enumerate(found), lambda one: one[1] - one[0])
        )
    )


def _required_xor(_validator: Any, names: list[str], instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict) and sum(name in instance for name in names) != 1:
        yield jsonschema().ValidationError(f"exactly one of [{', '.join(names)}] is required")


def _required_or(_validator: Any, names: list[str], instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict) and not any(name in instance for name in names):
        yield jsonschema().ValidationError(f"one of [{', '.join(names)}] is required")


def _dependent_required(_validator: Any, rules: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    for name, needed in rules.items():
        if isinstance(instance, dict) and name in instance:
            for other in needed:
                if other not in instance:
                    yield jsonschema().ValidationError(f"{name} requires {other}")


def _dependent_excluded(_validator: Any, rules: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    for name, excluded in rules.items():
        if isinstance(instance, dict) and name in instance:
            for other in excluded:
                if other in instance:
                    yield jsonschema().ValidationError(f"{name} and {other} cannot be combined")
