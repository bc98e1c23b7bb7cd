"""Git repositories that a notebook instance begins with: cloned into its volume at a start.

Contract: "Git repositories with SageMaker AI notebook instances" in the developer guide. Addresses of
CodeCommit lead to the account's own git server; others to wherever this machine reaches them.

Differs from AWS: a repository is cloned at any start at which its directory is missing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from local_account.services.sagemaker.notebook_runs import ScriptError, group

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import GitConfigTypeDef

    from local_account.foundation.account import Account

_SECONDS = 300.0
_HELPER = '!f() { echo "username=$GIT_USERNAME"; echo "password=$GIT_PASSWORD"; }; f'
"""A credential helper of git that answers from the environment."""


class Credentials(NamedTuple):
    """Username and password of a host of git repositories."""

    username: str
    password: str


def directory_of(url: str) -> str:
    """Return the name of the directory that git clones a repository into."""
    return url.rstrip("/").rpartition("/")[2].removesuffix(".git")


def clone(account: Account, name: str, volume: Path, role_arn: str, config: GitConfigTypeDef) -> None:
    """Clone a repository for an instance, unless its directory exists; git's words are a ScriptError's."""
    url = config["RepositoryUrl"]
    target = volume / directory_of(url)
    if target.exists():
        return
    environment = json.loads((volume.parent / "environment.json").read_text())
    options = ["--branch", branch] if (branch := config.get("Branch")) else []
    helper = []
    if secret := config.get("SecretArn"):
        username, password = _credentials(account, role_arn, secret)
        environment |= {"GIT_USERNAME": username, "GIT_PASSWORD": password}
        helper = ["-c", "credential.helper=", "-c", f"credential.helper={_HELPER}"]
    process = account.processes.spawn(
        group(name),
        ["git", *helper, "clone", *options, "--", url, str(target)],
        env=environment,
        cwd=volume,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said = process.communicate(timeout=_SECONDS)[0].decode(errors="replace").strip()
    except subprocess.TimeoutExpired:
        process.kill()
        raise ScriptError(f"Cloning {url} took longer than {_SECONDS / 60:g} minutes.") from None
    if process.returncode != 0:
        raise ScriptError(f"Failed to clone {url}: {' '.join(_last(said))}")


def _credentials(account: Account, role_arn: str, secret_arn: str) -> Credentials:
    """Read a secret with the instance's role: JSON with username and password."""
    try:
        secrets = account.client("secretsmanager", role_arn)
        found = json.loads(secrets.get_secret_value(SecretId=secret_arn)["SecretString"])
        return Credentials(str(found["username"]), str(found["password"]))
    except ClientError as error:
        raise ScriptError(f"The secret {secret_arn} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ScriptError(
            f'The secret {secret_arn} must be JSON with username and password: {{"username": "…", '
            '"password": "…"}'
        ) from error


def _last(said: str) -> Iterator[str]:
    for line in said.splitlines():
        if line.startswith(("fatal:", "error:", "remote:", "warning:")):
            yield line
