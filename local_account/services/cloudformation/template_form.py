"""The form of a template: what every section may contain, whatever its functions evaluate to.

Contract: *Template anatomy*, the pages of its sections, and *Understand CloudFormation quotas* in the
CloudFormation User Guide. The messages are CloudFormation's own, where users report them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_account.foundation.errors import ServiceError

_VERSION, _DESCRIPTION_LENGTH, _NAME_LENGTH = "2010-09-09", 1024, 255
_COUNTS = {
    "Resources": ("Number of resources, {count}, is greater than maximum allowed, {most}", 500),
    "Parameters": ("Parameter count {count} is greater than max allowed {most}", 200),
    "Outputs": ("Outputs count {count} is greater than max allowed {most}", 200),
    "Mappings": ("Mappings count {count} is greater than max allowed {most}", 200),
}
_PARAMETER_ATTRIBUTES = {
    "Type",
    "Default",
    "Description",
    "NoEcho",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
}
_EXTENSIONS = ("Fn::ForEach", "Fn::ToJsonString", "Fn::Length")
_OUTPUT_ATTRIBUTES = {"Value", "Description", "Export", "Condition"}


def check(body: Mapping[str, Any]) -> None:
    """Raise ServiceError ValidationError for what no template may contain."""
    for path in _nulls(body, ""):
        raise _invalid(f"[{path}] 'null' values are not allowed in templates")
    if str(body.get("AWSTemplateFormatVersion", _VERSION)) != _VERSION:
        raise _format_error(f"unsupported value for AWSTemplateFormatVersion. Use {_VERSION}")
    description = body.get("Description", "")
    if not isinstance(description, str):
        raise _format_error("Description must be a string")
    if len(description.encode()) > _DESCRIPTION_LENGTH:
        raise _format_error(f"'Description' length is greater than {_DESCRIPTION_LENGTH}")
    for section, (what, most) in _COUNTS.items():
        if (count := len(body.get(section) or {})) > most:
            raise _format_error(what.format(count=count, most=most))
    for name, declaration in (body.get("Parameters") or {}).items():
        _check_parameter(name, declaration)
    for name, mapping in (body.get("Mappings") or {}).items():
        _check_mapping(name, mapping)
    for name, output in (body.get("Outputs") or {}).items():
        check_name("Output", name)
        if isinstance(output, dict) and (unknown := [key for key in output if key not in _OUTPUT_ATTRIBUTES]):
            raise _format_error(f"Unresolved property {unknown[0]} of output {name}")


def _nulls(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _nulls(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nulls(value, f"{path}/{index}")
    elif node is None:
        yield path


def _check_parameter(name: Any, declaration: Any) -> None:
    check_name("Parameter", name)
    if not isinstance(declaration, dict):
        raise _format_error(f"[/Parameters/{name}] is expected to be an object")
    if "Type" not in declaration:
        raise _format_error(f"Every Parameters object must contain a Type member. [/Parameters/{name}]")
    if unknown := [str(key) for key in declaration if key not in _PARAMETER_ATTRIBUTES]:
        raise _invalid(f"Invalid template parameter property '{unknown[0]}'")
    if isinstance(declaration.get("Default"), (dict, list)):
        raise _format_error("Every Default member must be a string.")
    if not isinstance(declaration.get("AllowedValues", []), list):
        raise _format_error("Every AllowedValues member must be a list.")


def _check_mapping(name: Any, mapping: Any) -> None:
    check_name("Mapping", name)
    if not isinstance(mapping, dict):
        raise _format_error(f"Every Mappings object must be a map. [/Mappings/{name}]")
    for key, attributes in mapping.items():
        if not isinstance(attributes, dict):
            raise _format_error(f"Every Mappings member {key} must be a map")
        for value in attributes.values():
            items = value if isinstance(value, list) else [value]
            if any(isinstance(one, (dict, list)) for one in items):
                raise _format_error("Every Mappings attribute must be a String or a List.")


def check_name(kind: str, name: Any) -> None:
    """Raise ServiceError ValidationError for a name that is not letters and digits, or too long."""
    text = str(name)
    refuse_extension(text)
    if not (text.isascii() and text.isalnum()):
        raise _format_error(f"{kind} name {text} is non alphanumeric.")
    if len(text) > _NAME_LENGTH:
        raise _format_error(f"{kind} name {text} is longer than {_NAME_LENGTH} characters.")


def refuse_extension(name: str) -> None:
    """Raise ServiceError ValidationError for a function that only a transform makes one."""
    if name.startswith(_EXTENSIONS):
        function = "::".join(name.split("::")[:2])
        raise _invalid(
            f"Template error: {function} needs the transform AWS::LanguageExtensions, which the local "
            "account does not have: write out what it stands for"
        )


def refuse_functions(node: Any, where: str = "") -> None:
    """Raise ServiceError ValidationError for a function of a transform, wherever it stands."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "Fn::Transform":
                raise _invalid("Template error: Fn::Transform is not supported by the local account")
            if where != "Metadata":
                refuse_extension(str(name))
            refuse_functions(value, "Metadata" if name == "Metadata" else where)
    elif isinstance(node, list):
        for one in node:
            refuse_functions(one, where)


def _format_error(message: str) -> ServiceError:
    return _invalid(f"Template format error: {message}")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
