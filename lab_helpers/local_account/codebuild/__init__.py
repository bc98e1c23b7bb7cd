"""AWS CodeBuild: buildspecs run in a real shell, with the real Docker Engine."""

from lab_helpers.local_account.codebuild.service import CodeBuild

__all__ = ["CodeBuild"]
