"""Pipeline variables ``#{namespace.key}``: page "Variables reference" of the CodePipeline User Guide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_REFERENCE = re.compile(r"#\{([A-Za-z0-9@\-_]+)\.([A-Za-z0-9@\-_]+)\}")

PIPELINE_NAMESPACE = "variables"
"""Holds the variables that a pipeline declares."""
RESERVED_NAMESPACE = "codepipeline"
"""Holds what CodePipeline knows about each execution: ``PipelineExecutionId``."""


class UnresolvedVariableError(Exception):
    """A reference to a variable that no earlier action produced."""


def references(text: str) -> Iterator[tuple[str, str]]:
    """Yield the (namespace, key) of every reference in a text."""
    for match in _REFERENCE.finditer(text):
        yield match[1], match[2]


def resolve(configuration: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the configuration with references replaced. Raises UnresolvedVariableError naming the key."""

    def value(name: str, match: re.Match[str]) -> str:
        variables = namespaces.get(match[1], {})
        if match[2] not in variables:
            known = ", ".join(f"#{{{match[1]}.{key}}}" for key in sorted(variables)) or "none"
            raise UnresolvedVariableError(
                f"the configuration value {name} refers to {match[0]}, which no earlier action has produced; "
                f"the namespace {match[1]} has: {known}"
            )
        return variables[match[2]]

    return {
        name: _REFERENCE.sub(lambda match, name=name: value(name, match), text)  # type: ignore[misc]
        for name, text in configuration.items()
    }
