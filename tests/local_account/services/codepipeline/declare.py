"""Parts of a pipeline's declaration, and the archive of a source."""

import textwrap
from typing import Any

from tests import zips


def zipped(files: dict[str, str]) -> bytes:
    """Return a zip file of texts, without their indentation."""
    return zips.zipped({name: textwrap.dedent(text) for name, text in files.items()})


def action(name: str, category: str, provider: str, /, **members: Any) -> dict[str, Any]:
    """ActionDeclaration; ``inputs`` and ``outputs`` are names, ``configuration`` may be left out."""
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": members.pop("configuration", {}),
        "inputArtifacts": [{"name": one} for one in members.pop("inputs", [])],
        "outputArtifacts": [{"name": one} for one in members.pop("outputs", [])],
        **members,
    }


def approval(name: str = "Approve", **members: Any) -> dict[str, Any]:
    return action(name, "Approval", "Manual", **members)


def stage(name: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "actions": list(actions)}
