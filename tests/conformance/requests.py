"""Requests of a case, one after the other: what the last one answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.conformance.cases import Case

_SAVED = re.compile(r"\{([a-z]+)\.(\w+)\}")


def ask(case: Case, client: Any, defaults: dict[str, Any], change: Callable[[str, Any], Any]) -> None:
    """Send the steps of a case (operation, parameters, name of the answer), and check the last answer.

    ``defaults`` are parameters of every request, ``change`` prepares parameters. Expected are members of the
    answer by path (``Contents.*.Key`` is a list, ``{*}`` any text, alone anything), or an error: its code, or
    with its words.
    """
    saved: dict[str, Any] = {}
    answer: Any = None
    try:
        for operation, params, *name in case.input:
            text = _SAVED.sub(lambda found: _escaped(saved[found[1]][found[2]]), json.dumps(params))
            given = {key: change(key, value) for key, value in json.loads(text).items()}
            answer = getattr(client, xform_name(operation))(**{**defaults, **given})
            saved.update(dict.fromkeys(name, answer))
    except ClientError as error:
        found = error.response["Error"]
        whole = f"{found['Code']}: {found['Message']}"
        only_code = case.expected == {"error": found["Code"]}
        case.check({"error": found["Code"] if only_code else like(case.expected.get("error"), whole)})
        return
    if "Payload" in answer:
        answer["text"] = answer["Payload"].read().decode()
        answer["Payload"] = json.loads(answer["text"]) if answer["text"] else None
    wanted = case.here if case.account == "different" else case.expected
    case.check({path: like(value, _at(answer, path.split("."))) for path, value in wanted.items()})


def named(case: Case) -> Case:
    """Return the case with ``{n}``, a name that no other case has, put in wherever it stands."""

    def filled(node: Any) -> Any:
        return json.loads(json.dumps(node).replace("{n}", f"case-{case.id}"))

    return replace(case, input=filled(case.input), expected=filled(case.expected), here=filled(case.here))


def _escaped(value: str) -> str:
    return json.dumps(value)[1:-1]


def _at(node: Any, path: list[str]) -> Any:
    if not path or node is None:
        return node
    first, *rest = path
    if first == "*":
        return [_at(item, rest) for item in node]
    return _at(node[int(first)] if isinstance(node, list) else node.get(first), rest)


def like(expected: Any, found: Any) -> Any:
    """Return what is expected if that has placeholders and is found, and what is found otherwise."""
    if expected == "{*}" and found is not None:
        return expected
    if not isinstance(expected, str) or not isinstance(found, str) or "{*}" not in expected:
        return found
    pattern = ".*".join(map(re.escape, expected.split("{*}")))
    return expected if re.fullmatch(pattern, found, re.DOTALL) else found
