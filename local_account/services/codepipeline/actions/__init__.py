"""The providers of actions, by category and name.

Each runs in a separate thread and returns an Outcome, or None if an API call ends it later
(PutJobSuccessResult, PutJobFailureResult). Approvals do nothing until PutApprovalResult.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from local_account.services.codepipeline.actions import build, deploy, source
from local_account.services.codepipeline.context import Context, Outcome

Run = Callable[[Context], Outcome]

RUN: Mapping[tuple[str, str], Run] = {
    ("Source", "CodeCommit"): source.codecommit,
    ("Source", "CodeStarSourceConnection"): source.connection,
    ("Source", "S3"): source.s3,
    ("Build", "CodeBuild"): build.codebuild,
    ("Test", "CodeBuild"): build.codebuild,
    ("Deploy", "CloudFormation"): deploy.cloudformation,
}
