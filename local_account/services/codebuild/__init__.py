"""AWS CodeBuild: buildspecs run in a real shell, with the real Docker Engine."""

from local_account.services.codebuild.service import CodeBuild

__all__ = ["CodeBuild"]
