"""Git repositories of SageMaker: named addresses, which notebook instances clone.

Contract: CreateCodeRepository and its siblings in the API reference; "Git repositories with SageMaker AI
notebook instances" in the developer guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local_account.gateway.service import Answer
from local_account.services.sagemaker.resources import Resources, invalid, list_page, public

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateCodeRepositoryInputTypeDef,
        DeleteCodeRepositoryInputTypeDef,
        DescribeCodeRepositoryInputTypeDef,
        ListCodeRepositoriesInputTypeDef,
        UpdateCodeRepositoryInputTypeDef,
    )

    from local_account.services.sagemaker.records import CodeRepository

_NAME: Final = "CodeRepositoryName"
_ARN: Final = "CodeRepositoryArn"


class CodeRepositories(Resources):
    """Code repositories; nobody looks at an address before a notebook instance clones it."""

    def create_code_repository(self, params: CreateCodeRepositoryInputTypeDef) -> Answer:
        """See CreateCodeRepository."""
        name, now = params[_NAME], self.account.now()
        arn = self.resource_arn("code-repository", name)
        document: CodeRepository = {
            _NAME: name,
            _ARN: arn,
            "GitConfig": params["GitConfig"],
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        in_use = invalid(f"Cannot create a duplicate Code Repository ({arn})")
        self.add(self.table("code_repositories"), name, document, arn, params.get("Tags", []), in_use=in_use)
        return {_ARN: arn}

    def describe_code_repository(self, params: DescribeCodeRepositoryInputTypeDef) -> Answer:
        """See DescribeCodeRepository."""
        return public(self.code_repository(params[_NAME]))

    def update_code_repository(self, params: UpdateCodeRepositoryInputTypeDef) -> Answer:
        """See UpdateCodeRepository: only the secret can change; what is cloned stays as it is."""
        arn = self.code_repository(params[_NAME])[_ARN]
        with self.table("code_repositories").update(params[_NAME]) as document:
            document["GitConfig"] = {**document["GitConfig"], **params.get("GitConfig", {})}
            document["LastModifiedTime"] = self.account.now()
        return {_ARN: arn}

    def list_code_repositories(self, params: ListCodeRepositoriesInputTypeDef) -> Answer:
        """See ListCodeRepositories."""
        found, token = list_page(
            params, self.table("code_repositories"), name=_NAME, sort_by="Name", order="Ascending"
        )
        return {"CodeRepositorySummaryList": [public(one) for one in found], "NextToken": token}

    def delete_code_repository(self, params: DeleteCodeRepositoryInputTypeDef) -> Answer:
        """See DeleteCodeRepository: instances keep what they have cloned."""
        document = self.code_repository(params[_NAME])
        self.remove(self.table("code_repositories"), params[_NAME], document[_ARN])
        return {}

    def code_repository(self, name: str) -> CodeRepository:
        """Return the document of a repository; raise ServiceError if there is none."""
        document = self.table("code_repositories").get(name)
        if document is None:
            arn = self.resource_arn("code-repository", name)
            raise invalid(f"Cannot find CodeRepository: {arn}")
        return document
