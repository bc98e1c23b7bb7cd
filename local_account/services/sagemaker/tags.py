"""AddTags, ListTags and DeleteTags for every kind of resource.

Differs from AWS (AddTags): versions of model packages have no tags, and AWS does not document what its tag
operations answer for them. Here, they are refused. Source: SageMaker API Reference, CreateModelPackage, Tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_account.gateway.service import Answer
from local_account.services.sagemaker.model_packages import ModelPackages
from local_account.services.sagemaker.resources import invalid, tag_list

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        AddTagsInputTypeDef,
        DeleteTagsInputTypeDef,
        ListTagsInputTypeDef,
    )


class TagOperations(ModelPackages):
    """Tags by ARN. A resource has an entry from its creation to its deletion, even if empty."""

    def add_tags(self, params: AddTagsInputTypeDef) -> Answer:
        """See AddTags; an existing tag gets the new value."""
        with self.table("tags").lock:
            self._tags_of(params["ResourceArn"])
            return {"Tags": self.set_tags(params["ResourceArn"], params["Tags"])}

    def list_tags(self, params: ListTagsInputTypeDef) -> Answer:
        """See ListTags; one page has them all (50 at most)."""
        return {"Tags": tag_list(self._tags_of(params["ResourceArn"]))}

    def delete_tags(self, params: DeleteTagsInputTypeDef) -> Answer:
        """See DeleteTags."""
        self._tags_of(params["ResourceArn"])
        with self.table("tags").update(params["ResourceArn"]) as tags:
            for key in params["TagKeys"]:
                tags.pop(key, None)
        return {}

    def _tags_of(self, arn: str) -> dict[str, str]:
        tags = self.table("tags").get(arn)
        if tags is None and self.is_version(arn):
            raise invalid(f"A versioned model package has no tags of its own: {arn} uses those of its group")
        if tags is None:
            raise invalid(f"The resource {arn} does not exist")
        return tags
