"""Intrinsic functions, conditions and references of a template.

Contract: *Intrinsic function reference* and *Pseudo parameters reference* in the CloudFormation User Guide.

Refuses: `Fn::Transform`, `Fn::ForEach` and other functions of
AWS::LanguageExtensions.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from local_account.services.cloudformation import function_forms, template_form
from local_account.services.cloudformation.function_forms import fault
from local_account.services.cloudformation.template import (
    POLICIES,
    Template,
    check_policy,
    depends_on,
    invalid,
)

PSEUDO = {
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
}
NO_VALUE = object()
"""What ``!Ref AWS::NoValue`` evaluates to; the property or list item that contains it is left out."""
_VARIABLE = re.compile(r"\$\{([^{}]+)\}")


class PendingError(Exception):
    """A value is known only after its resource has been created or replaced."""

    def __init__(self, logical_id: str, attribute: str | None = None) -> None:
        super().__init__(f"{logical_id}.{attribute}" if attribute else logical_id)
        self.causing_entity = str(self)


class Resources(Protocol):
    """What functions need to know about resources."""

    def ref(self, logical_id: str) -> str:
        """Return what ``Ref`` gives; raise PendingError if it is not known yet."""

    def attribute(self, logical_id: str, name: str) -> Any:
        """Return what ``Fn::GetAtt`` gives; raise PendingError if it is not known yet."""


class Scope:
    """Evaluates the template of one stack."""

    def __init__(  # noqa: PLR0917  (each is a source of values)
        self,
        template: Template,
        parameters: Mapping[str, str | list[str]],
        pseudo: Mapping[str, Any],
        resources: Resources,
        imported: Callable[[str], str],
        zones: Callable[[str], list[str]],
        plain: Callable[[str], str] = str,
    ) -> None:
        self._template = template
        # A parameter whose value is AWS::NoValue is left out, too.
        given = {name: NO_VALUE if one == "AWS::NoValue" else one for name, one in parameters.items()}
        self._names: dict[str, Any] = {**pseudo, "AWS::NoValue": NO_VALUE, **given}
        self._resources = resources
        self._imported = imported
        self._zones = zones
        self.plain = plain
        """Puts the dynamic references in that may be shown; for outputs."""
        self._conditions: dict[str, bool | None] = {}

    def condition(self, name: str) -> bool:
        """Evaluate a condition by name."""
        if name not in self._template.conditions:
            raise invalid(f"Template format error: Unresolved condition dependency {name}")
        if name not in self._conditions:
            self._conditions[name] = None
            self._conditions[name] = _boolean(self.value(self._template.conditions[name]))
        known = self._conditions[name]
        if known is None:
            raise invalid(f"Template format error: Circular dependency in condition {name}")
        return known

    def active(self) -> dict[str, dict[str, Any]]:
        """Return the resources whose condition is true, by logical id; of their policies the values."""
        return {
            logical_id: self._with_policies(logical_id, resource)
            for logical_id, resource in self._template.resources.items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def _with_policies(self, logical_id: str, resource: dict[str, Any]) -> dict[str, Any]:
        # Recorded on AWS without AWS::LanguageExtensions, which the User Guide asks for: LocalStack's tests
        # of cloudformation/engine, test_deletion_policy_with_retain, of January 2026.
        functions = [name for name in POLICIES if function_forms.is_function(resource.get(name))]
        resource = {**resource, **{name: self.value(resource[name]) for name in functions}}
        for name in functions:
            check_policy(logical_id, resource["Type"], name, resource[name])
        return resource

    def outputs(self) -> dict[str, dict[str, Any]]:
        """Return the outputs whose condition is true, evaluated: Value, Description, Export."""
        return {
            name: self.value({key: part for key, part in output.items() if key != "Condition"})
            for name, output in self._template.outputs.items()
            if "Condition" not in output or self.condition(output["Condition"])
        }

    def value(self, node: Any) -> Any:
        """Evaluate a part of the template; ServiceError ValidationError says what is wrong with it."""
        result = self._value(node)
        return None if result is NO_VALUE else result

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [item for item in map(self._value, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                template_form.refuse_extension(name)
                raise invalid(f"Template error: {name} is not supported by the local account")
        evaluated = {str(key): self._value(item) for key, item in node.items()}
        return {key: item for key, item in evaluated.items() if item is not NO_VALUE}

    def references(self, node: Any) -> Iterator[tuple[str, str | None]]:
        """Yield every (name, attribute) that ``node`` refers to; attribute None for Ref.

        Only the branch of Fn::If that applies is considered.
        """
        if isinstance(node, list):
            for item in node:
                yield from self.references(item)
        if not isinstance(node, dict):
            return
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref":
                yield str(argument), None
                return
            if name == "Fn::GetAtt":
                logical_id, attribute = _get_att_parts(argument)
                yield logical_id, attribute if isinstance(attribute, str) else ""
                yield from self.references(attribute)
                return
            if name == "Fn::Sub":
                text, variables = _sub_parts(argument)
                for variable in _VARIABLE.findall(text):
                    if not variable.startswith("!") and variable.strip() not in variables:
                        logical_id, dot, attribute = variable.strip().partition(".")
                        yield logical_id, attribute if dot else None
                yield from self.references(variables)
                return
            if name == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
                yield from self.references(argument[1 if self.condition(argument[0]) else 2])
                return
        for item in node.values():
            yield from self.references(item)

    def check(self, node: Any) -> None:
        """Raise ServiceError ValidationError if a value that ``node`` selects by index or key does not exist.

        What depends on resources that do not exist yet is not known, and not checked.
        """
        if isinstance(node, list):
            for item in node:
                self.check(item)
        if not isinstance(node, dict):
            return
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
                self.check(argument[1 if self.condition(argument[0]) else 2])
                return
            if name in ("Fn::Select", "Fn::FindInMap"):
                with suppress(PendingError):
                    self.value(node)
        for item in node.values():
            self.check(item)

    def check_imports(self, node: Any) -> None:
        """Raise ServiceError ValidationError if ``node`` imports what nobody exports."""
        if isinstance(node, list):
            for item in node:
                self.check_imports(item)
        if not isinstance(node, dict):
            return
        if "Fn::If" in node:
            self.check_imports(node["Fn::If"][1 if self.condition(node["Fn::If"][0]) else 2])
            return
        if "Fn::ImportValue" in node:
            with suppress(PendingError):
                self.value(node)
        for item in node.values():
            self.check_imports(item)

    def dependencies(self) -> dict[str, set[str]]:
        """Return, for every active resource, the active resources that it needs first.

        Raises ServiceError ValidationError for a reference to nothing, and for a cycle.
        """
        active = self.active()
        graph: dict[str, set[str]] = {}
        for logical_id, resource in active.items():
            needs = {name for name in depends_on(resource) if name in active}
            for name, attribute in self.references(resource.get("Properties") or {}):
                self._check_reference(name, attribute, active)
                if name in active:
                    needs.add(name)
            graph[logical_id] = needs
        for name, output in self._template.outputs.items():
            if "Condition" not in output or self.condition(output["Condition"]):
                for target, attribute in self.references({"of": [output["Value"], output.get("Export")]}):
                    self._check_reference(target, attribute, active, f"output {name}")
        if cycle := _cycle(graph):
            raise invalid(f"Circular dependency between resources: [{', '.join(cycle)}]")
        return graph

    def _check_reference(
        self, name: str, attribute: str | None, active: Mapping[str, Any], where: str = ""
    ) -> None:
        if name in active or (attribute is None and name in self._names):
            return
        left_out = name in self._template.resources
        if attribute is not None and not left_out:
            raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
        block = "Outputs" if where else "Resources"
        # CloudFormation leaves the prefix out where an output refers to what a condition leaves out.
        prefix = "" if where and left_out else "Template format error: "
        raise invalid(
            f"{prefix}Unresolved resource dependencies [{name}] in the {block} block of the template"
        )

    # The functions, by their names in the template.

    def _ref(self, name: Any) -> Any:
        if name in self._names:
            return self._names[name]
        if name not in self._template.resources:
            raise invalid(f"Template format error: Unresolved resource dependencies [{name}]")
        return self._resources.ref(name)

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = _get_att_parts(argument)
        return self._resources.attribute(logical_id, self.value(attribute))

    def _sub(self, argument: Any) -> str:
        text, variables = _sub_parts(argument)

        def replace(match: re.Match[str]) -> str:
            name = match.group(1).strip()
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in variables:
                return _string(self.value(variables[name]))
            logical_id, dot, attribute = name.partition(".")
            return _string(self._get_att([logical_id, attribute]) if dot else self._ref(name))

        return _VARIABLE.sub(replace, text)

    def _join(self, argument: Any) -> str:
        delimiter, items = self._arguments(function_forms.JOIN, argument, 2)
        if not isinstance(items, list) or any(isinstance(item, (dict, list)) for item in items):
            raise fault(function_forms.JOIN)
        return str(delimiter).join(_string(item) for item in items)

    def _split(self, argument: Any) -> list[str]:
        delimiter, text = self._arguments(function_forms.SPLIT, argument, 2)
        if isinstance(text, (dict, list)):
            raise fault(function_forms.SPLIT)
        return _string(text).split(str(delimiter))

    def _select(self, argument: Any) -> Any:
        index, items = self._arguments(function_forms.SELECT, argument, 2)
        if not re.fullmatch(r"-?\d+", str(index)) or not isinstance(items, list):
            raise fault(function_forms.SELECT)
        if not 0 <= int(index) < len(items):
            raise fault(f"Fn::Select cannot select nonexistent value at index {index}")
        return items[int(index)]

    def _find_in_map(self, argument: Any) -> Any:
        keys = self._arguments(function_forms.FIND_IN_MAP, argument, 3)
        if str(keys[0]) not in self._template.mappings:
            raise fault(f"Mapping named '{keys[0]}' is not present in the 'Mappings' section of template.")
        found: Any = self._template.mappings
        for key in keys:
            if not isinstance(found, dict) or str(key) not in {str(name) for name in found}:
                raise fault(f"Unable to get mapping for {'::'.join(map(str, keys))}")
            found = next(item for name, item in found.items() if str(name) == str(key))
        return found

    def _if(self, argument: Any) -> Any:
        return self._value(argument[1 if self.condition(argument[0]) else 2])

    def _equals(self, argument: Any) -> bool:
        left, right = self._arguments(function_forms.EQUALS, argument, 2)
        if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
            raise fault(function_forms.EQUALS)
        return _string(left) == _string(right)

    def _import_value(self, argument: Any) -> str:
        return self._imported(_string(self.value(argument)))

    def _cidr(self, argument: Any) -> list[str]:
        block, count, *bits = self.value(argument)
        try:
            network = ipaddress.ip_network(str(block), strict=False)
            prefix = network.max_prefixlen - int(bits[0] if bits else 8)
            subnets = list(itertools.islice(network.subnets(new_prefix=prefix), int(count)))
        except ValueError as error:
            raise fault(f"Fn::Cidr cannot divide {block}: {error}") from error
        if len(subnets) < int(count):
            raise fault(
                f"Fn::Cidr cannot divide {block} into {count} blocks of {network.max_prefixlen - prefix} bits"
            )
        return [str(subnet) for subnet in subnets]

    def _arguments(self, fault_message: str, argument: Any, count: int) -> list[Any]:
        evaluated = self.value(argument)
        if not isinstance(evaluated, list) or len(evaluated) != count:
            raise fault(fault_message)
        return evaluated


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": Scope._ref,
    "Fn::And": lambda scope, argument: all(_boolean(item) for item in scope.value(argument)),
    "Fn::Base64": lambda scope, argument: base64.b64encode(_string(scope.value(argument)).encode()).decode(),
    "Fn::Cidr": Scope._cidr,
    "Fn::Equals": Scope._equals,
    "Fn::FindInMap": Scope._find_in_map,
    "Fn::GetAZs": lambda scope, argument: scope._zones(_string(scope.value(argument))),
    "Fn::GetAtt": Scope._get_att,
    "Fn::If": Scope._if,
    "Fn::ImportValue": Scope._import_value,
    "Fn::Join": Scope._join,
    "Fn::Not": lambda scope, argument: not _boolean(scope.value(argument)[0]),
    "Fn::Or": lambda scope, argument: any(_boolean(item) for item in scope.value(argument)),
    "Fn::Select": Scope._select,
    "Fn::Split": Scope._split,
    "Fn::Sub": Scope._sub,
}


def _get_att_parts(argument: Any) -> tuple[str, Any]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    return str(parts[0]), ".".join(parts[1:]) if len(parts) > 2 else parts[1]


def _sub_parts(argument: Any) -> tuple[str, dict[str, Any]]:
    return (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_string(item) for item in value)
    if isinstance(value, dict):
        raise invalid("Template error: expected a string but found an object")
    return "" if value is None or value is NO_VALUE else str(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise invalid(f"Template error: a condition must evaluate to true or false, not {value!r}")
    return value


def _cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes that cannot be ordered: those on a cycle or after one."""
    left = {node: set(needs) for node, needs in graph.items()}
    while ready := [node for node, needs in left.items() if not needs]:
        for node in ready:
            del left[node]
        for needs in left.values():
            needs.difference_update(ready)
    return list(left)
