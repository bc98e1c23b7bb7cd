"""Parameters of notebooks: what `name=value` and YAML files mean, and which ones a notebook declares."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml


class PlanError(ValueError):
    """The request does not match the notebooks; nothing has been run."""


class Given(str):
    """The text of a value on the command line; `convert` decides what it means to a notebook."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema; what YAML 1.1 reads in another way is refused, except times and dates.

    In YAML 1.1, `no` is false, `010` is 8, `1:30` is 90, `1e-2` is text, and a day is not text. PyYAML takes
    the last of two values with one name: they are refused, too.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in names:
                raise PlanError(f"line {key.start_mark.line + 1}: {key.value} is there twice; remove one")
            names.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("ambiguous", r"(?i:yes|no|on|off)|[-+]?0[0-9_]+|[-+]?[0-9]+_[0-9_]+", "yYnNoO-+0123456789"),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
):
    _starts = ["" if one == "\0" else one for one in _first]
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _starts)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 0)


def _ambiguous(_: _Loader, node: yaml.ScalarNode) -> None:
    raise PlanError(
        f"line {node.start_mark.line + 1}: {node.value} means different things in YAML 1.1 and 1.2; write "
        "text in quotes, truth values as true or false, and numbers without leading zeros or underscores"
    )


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:ambiguous", _ambiguous)


def read_parameters(given: Iterable[str]) -> dict[str, Any]:
    """Merge `name=value`, `03.name=value` and YAML files; later ones override earlier ones.

    The value of `name=value` stays text (`Given`), see `convert`. Files are YAML 1.2. A mapping under a
    notebook's number or name applies to that notebook only. Raises PlanError for a file that is missing or
    is not a mapping, and for a value that a notebook cannot hold.
    """
    merged: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if equals and not all(name.split(".")):
            raise PlanError(f"--parameters {one} has no name: write it as name=value or 03.name=value")
        try:
            if equals:
                notebook, dot, parameter = name.partition(".")
                document = {notebook: {parameter: Given(value)}} if dot else {name: Given(value)}
            else:
                document = yaml.load(Path(one).read_text(encoding="utf-8"), _Loader) or {}  # noqa: S506
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PlanError(f"--parameters {one}: {reason}; give name=value or a YAML file") from error
        except PlanError as error:
            raise PlanError(f"--parameters {one}, {error}") from error
        except (yaml.YAMLError, ValueError) as error:
            raise PlanError(f"--parameters {one} is not valid YAML: {error}") from error
        if not isinstance(document, dict):
            raise PlanError(f"--parameters {one} must hold a mapping of names to values")
        for key, content in ((str(key), content) for key, content in document.items()):
            there = merged.get(key)
            merged[key] = (
                {**there, **content} if isinstance(there, dict) and isinstance(content, dict) else content
            )
    for name, value in merged.items():
        check(name, value)
    return merged


def check(name: str, value: object) -> None:
    """Raise PlanError unless a notebook's file can hold the value: it is written there as JSON."""
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise PlanError(f"parameter {name}: the key {key!r} is not text; write it in quotes")
            check(f"{name}.{key}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            check(f"{name}[{number}]", one)
    elif not (value is None or isinstance(value, str | int | float)):
        kind = type(value).__name__
        raise PlanError(
            f"parameter {name}: a notebook cannot be given a {kind}; use text, numbers, true, false, null, "
            "lists and mappings"
        )


def convert(name: str, text: str, default: object = None) -> Any:
    """Return what the text of `name=value` means to a notebook whose cell assigns `default`.

    Where the default is text, so is the value. Elsewhere the value is what papermill's own `-p` makes of it:
    `True`, `False`, `None`, what `int()` and `float()` take, otherwise text. Raises PlanError for text that
    papermill and a reader could take for different things, such as `false`, `010`, `[1, 2]` and `"quoted"`.
    """
    if isinstance(default, str) or not text:
        return text
    if text in _NAMED:
        return _NAMED[text]
    advice = f"write it in a YAML file (`{name}: …`) and give that file to --parameters"
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        if re.match(r"[-+]?0\d", text) or not re.fullmatch(r"[-+.\dA-Za-z]+", text, re.ASCII):
            raise PlanError(f"parameter {name}: {text!r} could be the number {value} or text; {advice}")
        if isinstance(value, float) and math.isinf(value) and text.strip("+-")[0].isdigit():
            raise PlanError(f"parameter {name}: {text} is larger than a number can be")
        return value
    if _OTHERWISE.fullmatch(text):
        raise PlanError(
            f"parameter {name}: {text!r} would be text. For a truth value or nothing, write True, False or "
            f"None; for a list, a mapping or text like this, {advice}"
        )
    return text


_NAMED = {"True": True, "False": False, "None": None}
# What YAML reads as something else than text: truth values, null, hexadecimal and octal numbers, lists,
# mappings, and quoted text.
_OTHERWISE = re.compile(
    r"(?i:true|false|yes|no|on|off|null|none|~)|0[xob][0-9a-fA-F_]+|\[.*\]|\{.*\}|\".*\"|'.*'", re.DOTALL
)


def declared_parameters(notebook: Path) -> dict[str, Any]:
    """Return what the notebook's cell tagged `parameters` assigns (papermill, "Parameterize").

    A value that is not a literal counts as None.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", []):
            for statement in ast.parse("".join(cell["source"])).body:
                if not isinstance(statement, ast.Assign | ast.AnnAssign):
                    continue
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                value = _literal(statement.value)
                found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def for_notebook(given: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of one notebook's parameters; raises PlanError, see `convert`."""
    return {
        name: convert(name, value, declared.get(name)) if isinstance(value, Given) else value
        for name, value in given.items()
    }
