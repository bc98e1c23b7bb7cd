"""Read the cases of a set, and compare an answer with one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
STANDINGS = ("equal", "different", "refuses")


@dataclass(frozen=True)
class Case:
    """One case; the members are those of the file (see the package)."""

    id: str
    input: Any
    expected: Any
    source: str
    account: str = "equal"
    here: Any = None
    why: str = ""

    def check(self, answer: Any) -> None:
        """Fail unless the account's answer stands to AWS's as the case says."""
        match self.account:
            case "equal":
                assert answer == self.expected, f"AWS: {self.expected!r} ({self.source})"
            case "different":
                assert answer == self.here
                assert answer != self.expected, "the account is equal by now: say so"
            case "refuses":
                assert isinstance(answer, dict)
                assert self.here in answer.get("error", ""), answer


def load(name: str) -> list[Case]:
    """Return the cases of a set such as ``events/patterns``."""
    document = json.loads((ROOT / f"{name}.json").read_text())
    return [Case(**{"source": document["source"], **case}) for case in document["cases"]]


def title(name: str) -> str:
    """Return what a set is about, such as ``Event patterns``."""
    return str(json.loads((ROOT / f"{name}.json").read_text())["title"])


def sets() -> list[str]:
    """Return the names of all sets."""
    return [path.relative_to(ROOT).with_suffix("").as_posix() for path in sorted(ROOT.glob("*/*.json"))]


def identify(case: Case) -> str:
    """Return the name of a case in pytest's reports."""
    return case.id
