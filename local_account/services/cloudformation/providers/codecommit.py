"""AWS::CodeCommit::Repository."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Context, Properties, ResourceError
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag


class Repository(SimpleProvider):
    """AWS::CodeCommit::Repository: ``Ref`` gives its id."""

    type = "AWS::CodeCommit::Repository"
    name_property = "RepositoryName"
    name_limit = 100
    service = "codecommit"
    key = "repositoryName"
    create_with = "create_repository"
    ref = ("repositoryMetadata", "repositoryId")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change name, description and tags."""
        codecommit = ctx.client("codecommit")
        for name in ("Code", "Triggers", "KmsKeyId"):
            if props.get(name) != old.get(name):
                raise ResourceError(f"Property {name} is not supported by the local account")
        if props["RepositoryName"] != old["RepositoryName"]:
            codecommit.update_repository_name(oldName=old["RepositoryName"], newName=props["RepositoryName"])
        if props.get("RepositoryDescription") != old.get("RepositoryDescription"):
            codecommit.update_repository_description(
                repositoryName=props["RepositoryName"],
                repositoryDescription=props.get("RepositoryDescription", ""),
            )
        retag(codecommit, "codecommit", _metadata(ctx, props)["Arn"], props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """ARN, addresses, id and name."""
        answer = ctx.client("codecommit").get_repository(repositoryName=props["RepositoryName"])
        metadata = answer["repositoryMetadata"]
        return {
            "Arn": metadata["Arn"],
            "CloneUrlHttp": metadata["cloneUrlHttp"],
            "CloneUrlSsh": metadata["cloneUrlSsh"],
            "Name": metadata["repositoryName"],
            "RepositoryId": metadata["repositoryId"],
        }

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRepository, which does not fail if there is none."""
        ctx.client("codecommit").delete_repository(repositoryName=props["RepositoryName"])


def _metadata(ctx: Context, props: Properties) -> dict[str, Any]:
    answer = ctx.client("codecommit").get_repository(repositoryName=props["RepositoryName"])
    return answer["repositoryMetadata"]  # type: ignore[no-any-return]
