"""Model package groups: what the versions of one model belong to.

Differs from AWS (CreateModelPackageGroup): names that differ in case only are different names, and ARNs have
them as they were given; AWS documents neither. Source: github.com/aws-samples/ml-edge-getting-started issue
18.

Differs from AWS (DeleteModelPackageGroup): a group with model packages is refused with `ConflictException`,
whose words AWS does not document.

Refuses (CreateModelPackageGroup): `ManagedConfiguration`.

Kept only (PutModelPackageGroupPolicy): the policy is checked to be a policy, and returned. It is for other
accounts, and there are none here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from local_account.authorization.identities import Identities
from local_account.foundation import acting
from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker.records import ModelPackageGroup
from local_account.services.sagemaker.resources import Resources, invalid, list_page, public, unsupported

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateModelPackageGroupInputTypeDef,
        DeleteModelPackageGroupInputTypeDef,
        DeleteModelPackageGroupPolicyInputTypeDef,
        DescribeModelPackageGroupInputTypeDef,
        GetModelPackageGroupPolicyInputTypeDef,
        ListModelPackageGroupsInputTypeDef,
        PutModelPackageGroupPolicyInputTypeDef,
        UserContextTypeDef,
    )


class ModelPackageGroups(Resources):
    """Model package groups and their resource policies."""

    def create_model_package_group(self, params: CreateModelPackageGroupInputTypeDef) -> Answer:
        """See CreateModelPackageGroup.

        Raises ServiceError ValidationException for a name in use, in the words that AWS uses.
        """
        name = params["ModelPackageGroupName"]
        if params.get("ManagedConfiguration"):
            raise unsupported("ManagedConfiguration")
        arn = self.group_arn(name)
        document = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreatedBy": self.user(),
            "CreationTime": self.account.now(),
            "policy": None,
            "latest": 0,
        }
        group = cast("ModelPackageGroup", document)
        in_use = invalid(f"Model Package Group already exists: {arn}")
        self.add(self.table("model_package_groups"), name, group, arn, params.get("Tags", []), in_use=in_use)
        return {"ModelPackageGroupArn": arn}

    def describe_model_package_group(self, params: DescribeModelPackageGroupInputTypeDef) -> Answer:
        """See DescribeModelPackageGroup."""
        return public(self.model_package_group(params["ModelPackageGroupName"]))

    def list_model_package_groups(self, params: ListModelPackageGroupsInputTypeDef) -> Answer:
        """See ListModelPackageGroups; no other account shares its groups."""
        if params.get("CrossAccountFilterOption") == "CrossAccount":
            return {"ModelPackageGroupSummaryList": []}
        groups, token = list_page(
            params, self.table("model_package_groups"), name="ModelPackageGroupName", order="Ascending"
        )
        return {"ModelPackageGroupSummaryList": [public(group) for group in groups], "NextToken": token}

    def delete_model_package_group(self, params: DeleteModelPackageGroupInputTypeDef) -> Answer:
        """See DeleteModelPackageGroup.

        Raises ServiceError ConflictException while the group has model packages.
        """
        groups = self.table("model_package_groups")
        with groups.lock, self.table("tags").lock, self.account.store.together():
            group = self.model_package_group(params["ModelPackageGroupName"])
            name, arn = group["ModelPackageGroupName"], group["ModelPackageGroupArn"]
            if self.table("model_packages").keys(f"{name}/"):
                raise ServiceError(
                    "ConflictException",
                    f"Model Package Group {arn} cannot be deleted because it has model packages: delete them "
                    "first.",
                )
            self.remove(groups, name, arn)
        return {}

    def get_model_package_group_policy(self, params: GetModelPackageGroupPolicyInputTypeDef) -> Answer:
        """See GetModelPackageGroupPolicy."""
        policy = self._policed(params["ModelPackageGroupName"])["policy"]
        if policy is None:
            raise _no_policy(self.group_arn(params["ModelPackageGroupName"]))
        return {"ResourcePolicy": policy}

    def put_model_package_group_policy(self, params: PutModelPackageGroupPolicyInputTypeDef) -> Answer:
        """See PutModelPackageGroupPolicy; it replaces the policy."""
        policy = params["ResourcePolicy"]
        _check_policy(policy)
        groups = self.table("model_package_groups")
        with groups.lock:
            arn = self._policed(params["ModelPackageGroupName"])["ModelPackageGroupArn"]
            with groups.update(params["ModelPackageGroupName"]) as group:
                group["policy"] = policy
        return {"ModelPackageGroupArn": arn}

    def delete_model_package_group_policy(self, params: DeleteModelPackageGroupPolicyInputTypeDef) -> Answer:
        """See DeleteModelPackageGroupPolicy."""
        groups = self.table("model_package_groups")
        with groups.lock:
            group = self._policed(params["ModelPackageGroupName"])
            if group["policy"] is None:
                raise _no_policy(group["ModelPackageGroupArn"])
            with groups.update(params["ModelPackageGroupName"]) as group:
                group["policy"] = None
        return {}

    def model_package_group(self, name_or_arn: str) -> ModelPackageGroup:
        """Return a group by its name or ARN; raise ServiceError ValidationException if there is none."""
        group = self.table("model_package_groups").get(self.bare(name_or_arn, "model-package-group"))
        if group is None:
            arn = name_or_arn if name_or_arn.startswith("arn:") else self.group_arn(name_or_arn)
            raise invalid(f"ModelPackageGroup {arn} does not exist.")
        return group

    def group_arn(self, name: str) -> str:
        """Return the ARN of a group, with its name as it was given."""
        return self.account.arn("sagemaker", f"model-package-group/{name}")

    def bare(self, name_or_arn: str, kind: str) -> str:
        """Return the name of a resource of a kind, given as it is or as ARN.

        Returns "" for a resource of another account or kind. Raises ServiceError ValidationException for one
        of another region.
        """
        if not name_or_arn.startswith("arn:"):
            return name_or_arn
        region, resource = name_or_arn.split(":")[3], name_or_arn.split(":", 5)[5]
        if region != self.account.config.region:
            raise invalid(f"ARN should be scoped to correct region: {self.account.config.region}")
        name = resource.removeprefix(f"{kind}/")
        return name if name_or_arn == self.account.arn("sagemaker", f"{kind}/{name}") else ""

    def user(self) -> UserContextTypeDef:
        """Return who makes the request, for `CreatedBy` and `LastModifiedBy`."""
        account, who = self.account.config.account_id, acting.caller()
        if who is None:
            return {"IamIdentity": {"Arn": f"arn:aws:iam::{account}:root", "PrincipalId": account}}
        return {"IamIdentity": {"Arn": who.arn, "PrincipalId": Identities(account).user_id(who)}}

    def _policed(self, name: str) -> ModelPackageGroup:
        group = self.table("model_package_groups").get(name)
        if group is None:
            raise invalid(f"Cannot find Model Package Group: {self.group_arn(name)}")
        return group


def _no_policy(arn: str) -> ServiceError:
    return invalid(f"Cannot find resource policy for: {arn}")


def _check_policy(policy: str) -> None:
    try:
        document = json.loads(policy)
    except ValueError as error:
        raise invalid(f"Invalid resource policy: it is not valid JSON ({error})") from error
    statements = document.get("Statement") if isinstance(document, dict) else None
    listed = statements if isinstance(statements, list) else [statements]
    if not all(isinstance(one, dict) and {"Effect", "Principal", "Action"} <= one.keys() for one in listed):
        raise invalid("Invalid resource policy: each statement needs Effect, Principal and Action")
