"""What a target receives: the event, a constant, a part of the event, or a template filled from it.

The contract is the EventBridge User Guide, "Amazon EventBridge input transformation".
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import TargetUnionTypeDef

    from local_account.services.events.records import Event, RuleReference

_STEP = re.compile(r"\.([\w\-]+)|\[(\d+)\]|\[(\*)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_VARIABLE = re.compile(r"<([\w.\-]+)>")
_MISSING = object()


class TransformError(ValueError):
    """An input that cannot be applied; the message says why."""


def check_path(path: str) -> None:
    """Raise TransformError unless ``path`` is a JSON path that EventBridge accepts."""
    _steps(path)


def check_template(template: str, names: set[str]) -> None:
    """Raise TransformError if a template uses an undefined variable."""
    for name in _VARIABLE.findall(template):
        if name not in names and not name.startswith("aws.events."):
            raise TransformError(f"InputTemplate for target contains the undefined variable <{name}>")


def target_input(target: TargetUnionTypeDef, event: Event, rule: RuleReference, ingested: datetime) -> str:
    """Return the JSON text that ``target`` (PutTargets) receives for ``event``, which ``rule`` matched."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = _select(event, target["InputPath"])
        return json.dumps(None if found is _MISSING else found)
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        values = {name: _select(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
        values |= {
            "aws.events.rule-arn": rule["Arn"],
            "aws.events.rule-name": rule["Name"],
            "aws.events.event.ingestion-time": ingested.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
            "aws.events.event.json": event,
        }
        return _fill(transformer["InputTemplate"], values)
    return json.dumps(event)


def _steps(path: str) -> list[str | int]:
    if not path.startswith("$"):
        raise TransformError(f"Invalid JSON path '{path}': it must begin with $")
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            raise TransformError(f"Invalid JSON path '{path}': invalid from '{path[position:]}' on")
        name, index, star, single, double = found.groups()
        steps.append(int(index) if index is not None else star or name or single or double)
        position = found.end()
    return steps


def _select(event: Any, path: str) -> Any:
    values = [event]
    steps = _steps(path)
    for step in steps:
        found: list[Any] = []
        for value in values:
            if step == "*" and isinstance(value, list):
                found.extend(value)
            elif isinstance(step, int):
                found.extend(value[step : step + 1] if isinstance(value, list) else [])
            elif isinstance(value, dict) and step in value:
                found.append(value[step])
        values = found
    if "*" in steps:
        return values
    return values[0] if values else _MISSING


def _fill(template: str, values: dict[str, Any]) -> str:
    """Fill a template: a variable is text inside quotation marks and JSON outside."""
    parts: list[str] = []
    quoted = False
    position = 0
    while position < len(template):
        variable = _VARIABLE.match(template, position)
        if variable:
            parts.append(_text(values.get(variable[1], _MISSING), quoted))
            position = variable.end()
            continue
        character = template[position]
        if character == "\\" and quoted:
            parts.append(template[position : position + 2])
            position += 2
            continue
        if character == '"':
            quoted = not quoted
        parts.append(character)
        position += 1
    filled = "".join(parts)
    try:
        json.loads(filled)
    except ValueError as error:
        raise TransformError(
            f"the InputTemplate does not produce valid JSON ({error}): {filled[:200]}"
        ) from error
    return filled


def _text(value: Any, quoted: bool) -> str:
    if value is _MISSING:
        return ""
    if not quoted:
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]
