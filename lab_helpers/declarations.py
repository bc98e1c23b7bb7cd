"""What a `model.py` declares, read from its text: importing it would take a second and scikit-learn."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_helpers.errors import WorkshopError


class DeclarationError(WorkshopError, ValueError):
    """There is no `model.py` that could be read; the message says why and what to do."""


@dataclass(frozen=True)
class Declared:
    """The names that a training job needs; empty where the text does not spell them out."""

    algorithms: tuple[str, ...]
    """The keys of the dict that `estimators` returns."""
    hyperparameters: tuple[str, ...]
    """The fields of the dataclass `Hyperparameters`."""

    @classmethod
    def read(cls, path: Path) -> Declared:
        """Read a `model.py`. Raises DeclarationError if it is missing or is not Python."""
        try:
            return cls.of(path.read_text(encoding="utf-8"), str(path))
        except FileNotFoundError as error:
            raise DeclarationError(f"{path} does not exist: run notebook 02 to the end") from error
        except SyntaxError as error:
            raise DeclarationError(
                f"{path}, line {error.lineno}: {error.msg}. Correct the cell of notebook 02 that writes it"
            ) from error

    @classmethod
    def of(cls, source: str, name: str = "model.py") -> Declared:
        """Read the text of a `model.py`. Raises SyntaxError."""
        algorithms: list[str] = []
        hyperparameters: list[str] = []
        for node in ast.parse(source, name).body:
            if isinstance(node, ast.ClassDef) and node.name == "Hyperparameters":
                hyperparameters = [
                    one.target.id
                    for one in node.body
                    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
                ]
            elif isinstance(node, ast.FunctionDef) and node.name == "estimators":
                algorithms = _keys(node)
        return cls(tuple(algorithms), tuple(hyperparameters))

    def given(self, chosen: Mapping[str, object]) -> dict[str, str]:
        """Return the chosen hyperparameters that the model has, as the strings that SageMaker takes."""
        known = self.hyperparameters or tuple(chosen)
        return {name: str(value) for name, value in chosen.items() if name in known}


def _keys(function: ast.FunctionDef) -> list[str]:
    """Return the names that a function puts into the dicts that it returns, in order."""
    returned = {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Return)}
    names = {
        node.value.id
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Name)
    }
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Dict) and id(node) in returned:
            found |= dict.fromkeys(_texts(node.keys))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id in names and isinstance(node.value, ast.Dict):
                    found |= dict.fromkeys(_texts(node.value.keys))
                elif (
                    isinstance(target, ast.Subscript)
                    and isinstance(target.value, ast.Name)
                    and target.value.id in names
                ):
                    found |= dict.fromkeys(_texts([target.slice]))
    return list(found)


def _texts(nodes: list[ast.expr | None] | list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
