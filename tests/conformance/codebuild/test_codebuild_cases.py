"""Buildspecs, artifacts and whole builds.

- buildspecs: ``text``, and which part of it is asked for.
- artifacts: the names of the files that an artifact of a ``tree`` has.

``YAML_FILE_ERROR`` is the code of a build's phase context; AWS's words are not known.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from local_account.services.codebuild import artifacts
from local_account.services.codebuild.buildspec import ArtifactSpec, BuildspecError, parse
from tests.conformance.cases import Case, identify, load


def _plain(value: Any) -> Any:
    """Return what JSON makes of a part of a buildspec."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", load("codebuild/buildspecs"), ids=identify)
def test_buildspecs(case: Case) -> None:
    try:
        answer = _plain(parse(case.input["text"]))
        for part in case.input["ask"].split("/"):
            answer = answer[part]
    except BuildspecError as error:
        answer = {"error": str(error) if case.account == "refuses" else "YAML_FILE_ERROR"}
    case.check(answer)


@pytest.mark.parametrize("case", load("codebuild/artifacts"), ids=identify)
def test_artifacts(case: Case, tmp_path: Path) -> None:
    base = tmp_path / "src"
    (tmp_path / "outside.txt").touch()
    for name in case.input["tree"]:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    spec = ArtifactSpec(
        files=tuple(case.input["files"]),
        base_directory=case.input.get("base", "."),
        discard_paths=case.input.get("discard", False),
        exclude=tuple(case.input.get("exclude", ())),
    )
    try:
        answer: Any = [name for name, _ in artifacts.collect(spec, [base], lambda _: None)]
    except artifacts.ArtifactError as error:
        answer = {"error": str(error)}
    case.check(answer)
