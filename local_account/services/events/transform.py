"""What a target receives: the event, a constant, a part of the event, or a template filled from it.

The contract is the EventBridge User Guide, "Amazon EventBridge input transformation"; what happens to values
that are missing, or not text, is what EventBridge was seen to do (LocalStack's recordings of it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import TargetUnionTypeDef

    from local_account.services.events.records import Event, RuleReference

_STEP = re.compile(r"\.(\*)|\.([\w\-/]+)|\[(\d+)\]|\[(\*)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_VARIABLE = re.compile(r"<([\w.\-]+)>")
_MISSING = object()
_PREDEFINED = frozenset(
    f"aws.events.{name}" for name in ("rule-arn", "rule-name", "event", "event.json", "event.ingestion-time")
)


class TransformError(ValueError):
    """An input that cannot be applied; the message says why."""


def check_path(path: str) -> None:
    """Raise TransformError unless ``path`` is a JSON path that EventBridge accepts."""
    _steps(path)


def undefined(template: str, names: set[str]) -> str | None:
    """Return the first placeholder of a template that is neither in ``names`` nor predefined."""
    placeholders = _VARIABLE.findall(template)
    return next((name for name in placeholders if name not in names and name not in _PREDEFINED), None)


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
            "aws.events.event": {
                "detailType" if key == "detail-type" else key: value
                for key, value in event.items()
                if key != "detail"
            },
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
        any_member, name, index, star, single, double = found.groups()
        steps.append(int(index) if index is not None else any_member or star or name or single or double)
        position = found.end()
    return steps


def _select(event: Any, path: str) -> Any:
    values = [event]
    steps = _steps(path)
    for step in steps:
        found: list[Any] = []
        for value in values:
            if step == "*":
                found.extend(
                    value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
                )
            elif isinstance(step, int):
                found.extend(value[step : step + 1] if isinstance(value, list) else [])
            elif isinstance(value, dict) and step in value:
                found.append(value[step])
        values = found
    if "*" in steps:
        return values
    return values[0] if values else _MISSING


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _fill(template: str, values: dict[str, Any]) -> str:
    """Fill a template: JSON, or lines of text in quotation marks.

    Raises TransformError if the result is neither: EventBridge delivers nothing then.
    """
    is_text = template.lstrip().startswith('"')
    parts: list[str] = []
    quoted = False
    position = 0
    while position < len(template):
        variable = _VARIABLE.match(template, position)
        if variable:
            value = values.get(variable[1], _MISSING)
            parts.append(_quoted(value, is_text) if quoted else _unquoted(value))
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
        for document in filled.splitlines() if is_text else [filled]:
            json.loads(document)
    except ValueError as error:
        raise TransformError(
            f"the InputTemplate does not produce valid JSON ({error}): {filled[:200]}"
        ) from error
    return filled


def _unquoted(value: Any) -> str:
    return '""' if value is _MISSING else json.dumps(value)


def _quoted(value: Any, is_text: bool) -> str:
    """Return what a variable becomes between quotation marks.

    Of an object or a list, text gets its JSON without quotation marks. JSON gets it as it is, so that it is
    valid only if the value needs no quotation marks.
    """
    if value is _MISSING:
        return ""
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    text = json.dumps(value, separators=(",", ":"))
    return text.replace('\\"', "").replace('"', "") if is_text else text
