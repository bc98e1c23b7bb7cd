"""The zip file of a branch whose repository is in a bucket: its key, and the commit that it holds.

Contract: git-remote-s3 (awslabs), README, "Repo as S3 Source for AWS CodePipeline".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

PREFIX = "source"
"""Prefix of a lab's repository in its bucket, as `cfn/m.yml` gives it to git."""


def key(branch: str, prefix: str = PREFIX) -> str:
    """Return the key of the zip file that a push to `branch` writes beside the branch's history."""
    return f"{prefix}/refs/heads/{branch}/repo.zip"


def disposition(commit: str) -> str:
    """Return the Content-Disposition of the zip file of a commit."""
    return f"attachment; filename={_name(commit)}"


def is_of(head: HeadObjectOutputTypeDef, commit: str) -> bool:
    """Return whether a zip file holds this commit, from its S3 HeadObject response."""
    return _name(commit) in head.get("ContentDisposition", "")


def _name(commit: str) -> str:
    return f"repo-{commit[:8]}.zip"
