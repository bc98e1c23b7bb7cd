"""Operations on log groups and log streams, their retention, tags and resource policies.

Kept only (PutResourcePolicy, DeleteResourcePolicy, DescribeResourcePolicies): such policies are about
principals of AWS services, and the account's own need no permission.

Refuses: encryption keys, log classes other than STANDARD, linked accounts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import counted
from local_account.gateway.pages import page
from local_account.gateway.service import Answer
from local_account.services.logs.base import LogsBase, invalid, refuse
from local_account.services.logs.groups import Group, Stream
from local_account.services.logs.retention import DAYS

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import (
        CreateLogGroupRequestTypeDef,
        CreateLogStreamRequestTypeDef,
        DeleteLogGroupRequestTypeDef,
        DeleteLogStreamRequestTypeDef,
        DeleteResourcePolicyRequestTypeDef,
        DeleteRetentionPolicyRequestTypeDef,
        DescribeLogGroupsRequestTypeDef,
        DescribeLogStreamsRequestTypeDef,
        DescribeResourcePoliciesRequestTypeDef,
        ListLogGroupsRequestTypeDef,
        ListTagsForResourceRequestTypeDef,
        ListTagsLogGroupRequestTypeDef,
        PutLogGroupDeletionProtectionRequestTypeDef,
        PutResourcePolicyRequestTypeDef,
        PutRetentionPolicyRequestTypeDef,
        TagLogGroupRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagLogGroupRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

_PAGE = 50
_MOST_TAGS = 50
_MOST_POLICIES = 10
_GROUP_ARN = re.compile(r"arn:aws:logs:[^:]+:\d{12}:log-group:([.\-_/#A-Za-z0-9]+)")
_TIME = re.compile(r"-1|[0-9]{1,18}")
_LINKED = ("accountIdentifiers", "includeLinkedAccounts")


class GroupOperations(LogsBase):
    """Log groups and log streams."""

    # --- groups

    def create_log_group(self, params: CreateLogGroupRequestTypeDef) -> Answer:
        """CreateLogGroup: of the class STANDARD."""
        refuse(params, "kmsKeyId")
        kind = params.get("logGroupClass", "STANDARD")
        if kind != "STANDARD":
            raise invalid(f"logGroupClass {kind} is not supported by the local account: use STANDARD")
        name, tags = params["logGroupName"], params.get("tags")
        if name.startswith("aws/"):
            raise invalid("Log group names can't start with the string aws/")
        protected = params.get("deletionProtectionEnabled", False)
        with self.tags.lock:
            self.groups.create(name, self.milliseconds(), kind, protected=protected)
            if tags:
                self.tags.put(self.arn_of(name), dict(tags))
            else:  # a crash may have left those of a deleted group
                self.tags.delete(self.arn_of(name))
        return {}

    def delete_log_group(self, params: DeleteLogGroupRequestTypeDef) -> Answer:
        """DeleteLogGroup."""
        with self.tags.lock:
            self.groups.delete(params["logGroupName"])
            self.tags.delete(self.arn_of(params["logGroupName"]))
        self.deleted.set()
        return {}

    def put_log_group_deletion_protection(
        self, params: PutLogGroupDeletionProtectionRequestTypeDef
    ) -> Answer:
        """PutLogGroupDeletionProtection."""
        self.groups.protect(self.name_of_group(params), protected=params["deletionProtectionEnabled"])
        return {}

    def describe_log_groups(self, params: DescribeLogGroupsRequestTypeDef) -> Answer:
        """DescribeLogGroups: all, by prefix, by a part of the name, or those that are listed."""
        refuse(params, *_LINKED)
        prefix, part = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern", "")
        if prefix and part:
            raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        limit = params.get("limit", _PAGE)
        after = _read_token(params.get("nextToken"))
        kind = params.get("logGroupClass")
        if identifiers := params.get("logGroupIdentifiers"):
            names = {one.rpartition(":log-group:")[2].removesuffix(":*") for one in identifiers}
            found = [
                (group, count)
                for name in sorted(names)
                if name > after
                for group, count in self.groups.some("", 1, prefix=name)
                if group.name == name
            ][: limit + 1]
        else:
            found = self.groups.some(after, limit + 1, prefix=prefix, part=part, kind=kind)
        return {
            "logGroups": [self._group(group, count) for group, count in found[:limit]],
            "nextToken": _token(found[limit - 1][0].name) if len(found) > limit else None,
        }

    def list_log_groups(self, params: ListLogGroupsRequestTypeDef) -> Answer:
        """ListLogGroups: those whose name contains, or with ``^`` begins with, one of up to five texts."""
        refuse(params, *_LINKED, "dataSources", "fieldIndexNames", "logGroupTags")
        texts = params.get("logGroupNamePattern", "").split("|")
        found = [
            {"logGroupName": one.name, "logGroupArn": self.arn_of(one.name), "logGroupClass": one.kind}
            for one in self._all_groups(params.get("logGroupClass"))
            if any(one.name.startswith(t[1:]) if t.startswith("^") else t in one.name for t in texts)
        ]
        shown, token = page(found, params.get("nextToken"), params.get("limit", _PAGE))
        return {"logGroups": shown, "nextToken": token}

    def _all_groups(self, kind: str | None = None) -> Iterator[Group]:
        after = ""
        while found := self.groups.some(after, 1_000, kind=kind):
            yield from (group for group, _ in found)
            after = found[-1][0].name

    def _group(self, group: Group, filters: int) -> Params:
        return {
            "logGroupName": group.name,
            "creationTime": group.created,
            "retentionInDays": group.retention,
            "metricFilterCount": filters,
            "arn": f"{self.arn_of(group.name)}:*",
            "logGroupArn": self.arn_of(group.name),
            "storedBytes": group.size,
            "logGroupClass": group.kind,
            "deletionProtectionEnabled": bool(group.protected),
        }

    # --- streams

    def create_log_stream(self, params: CreateLogStreamRequestTypeDef) -> Answer:
        """CreateLogStream."""
        self.groups.create_stream(params["logGroupName"], params["logStreamName"], self.milliseconds())
        return {}

    def delete_log_stream(self, params: DeleteLogStreamRequestTypeDef) -> Answer:
        """DeleteLogStream."""
        self.groups.delete_stream(params["logGroupName"], params["logStreamName"])
        self.deleted.set()
        return {}

    def describe_log_streams(self, params: DescribeLogStreamsRequestTypeDef) -> Answer:
        """DescribeLogStreams: by name, or by the time of the last event."""
        group = self.groups.group(self.name_of_group(params))
        prefix = params.get("logStreamNamePrefix", "")
        limit, backward = params.get("limit", _PAGE), params.get("descending", False)
        token = _read_token(params.get("nextToken"))
        if params.get("orderBy") == "LastEventTime":
            if prefix:
                raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
            after = _read_time_token(token) if token else None
            found = self.groups.streams_by_time(group, after, limit + 1, backward=backward)
        else:
            found = self.groups.streams(group, prefix, token or None, limit + 1, backward=backward)
        following = None
        if len(found) > limit:
            last = found[limit - 1]
            by_time = params.get("orderBy") == "LastEventTime"
            following = _token(
                f"{-1 if last.last is None else last.last}:{last.name}" if by_time else last.name
            )
        return {
            "logStreams": [self._stream(group, stream) for stream in found[:limit]],
            "nextToken": following,
        }

    def _stream(self, group: Group, stream: Stream) -> Params:
        return {
            "logStreamName": stream.name,
            "creationTime": stream.created,
            "firstEventTimestamp": stream.first,
            "lastEventTimestamp": stream.last,
            "lastIngestionTime": stream.ingested,
            "arn": f"{self.arn_of(group.name)}:log-stream:{stream.name}",
            "storedBytes": 0,  # "always reported as zero"
        }

    # --- retention

    def put_retention_policy(self, params: PutRetentionPolicyRequestTypeDef) -> Answer:
        """PutRetentionPolicy: expired events are no longer found, and deleted within a minute or so."""
        days = params["retentionInDays"]
        if days not in DAYS:
            raise invalid(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy "
                f"constraint: Member must satisfy enum value set: [{', '.join(map(str, DAYS))}]"
            )
        self.groups.keep(params["logGroupName"], days)
        self.deleted.set()
        return {}

    def delete_retention_policy(self, params: DeleteRetentionPolicyRequestTypeDef) -> Answer:
        """DeleteRetentionPolicy: events do not expire."""
        self.groups.keep(params["logGroupName"], None)
        return {}

    # --- tags

    def tag_resource(self, params: TagResourceRequestTypeDef) -> Answer:
        """TagResource: of a log group."""
        self._tag(_group_in(params["resourceArn"]), dict(params["tags"]))
        return {}

    def untag_resource(self, params: UntagResourceRequestTypeDef) -> Answer:
        """UntagResource."""
        self._untag(_group_in(params["resourceArn"]), list(params["tagKeys"]))
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceRequestTypeDef) -> Answer:
        """ListTagsForResource."""
        return {"tags": self._tags_of(_group_in(params["resourceArn"]))}

    def tag_log_group(self, params: TagLogGroupRequestTypeDef) -> Answer:
        """TagLogGroup, the older form of TagResource."""
        self._tag(params["logGroupName"], dict(params["tags"]))
        return {}

    def untag_log_group(self, params: UntagLogGroupRequestTypeDef) -> Answer:
        """UntagLogGroup, the older form of UntagResource."""
        self._untag(params["logGroupName"], list(params["tags"]))
        return {}

    def list_tags_log_group(self, params: ListTagsLogGroupRequestTypeDef) -> Answer:
        """ListTagsLogGroup, the older form of ListTagsForResource."""
        return {"tags": self._tags_of(params["logGroupName"])}

    def _tags_of(self, name: str) -> dict[str, str]:
        return self.tags.get(self.arn_of(self.groups.group(name).name)) or {}

    def _tag(self, name: str, tags: dict[str, str]) -> None:
        with self.tags.lock:  # so that the group is not deleted meanwhile, and has tags after all
            together = self._tags_of(name) | tags
            if counted(together) > _MOST_TAGS:
                raise ServiceError(
                    "TooManyTagsException", f"A resource can have no more than {_MOST_TAGS} tags."
                )
            self.tags.put(self.arn_of(name), together)

    def _untag(self, name: str, keys: list[str]) -> None:
        with self.tags.lock:
            left = {key: value for key, value in self._tags_of(name).items() if key not in keys}
            self.tags.put(self.arn_of(name), left)

    # --- resource policies

    def put_resource_policy(self, params: PutResourcePolicyRequestTypeDef) -> Answer:
        """PutResourcePolicy: kept. It is about principals of services, and those of the account need none."""
        refuse(params, "resourceArn", "expectedRevisionId")
        name, document = params.get("policyName"), params.get("policyDocument")
        if not name or not document:
            raise invalid("policyName and policyDocument are required")
        try:
            if not isinstance(json.loads(document), dict):
                raise invalid("The policyDocument is not a JSON object")
        except (ValueError, RecursionError) as error:
            raise invalid(f"The policyDocument is not valid JSON: {error}") from error
        now = self.milliseconds()
        with self.database.write() as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM policies")}
            if name not in names and len(names) >= _MOST_POLICIES:
                raise ServiceError("LimitExceededException", "Resource limit exceeded.")
            connection.execute("INSERT OR REPLACE INTO policies VALUES (?, ?, ?)", (name, document, now))
        return {"resourcePolicy": _policy(name, document, now)}

    def describe_resource_policies(self, params: DescribeResourcePoliciesRequestTypeDef) -> Answer:
        """DescribeResourcePolicies: those of the account; log groups have none of their own."""
        refuse(params, "resourceArn")
        with self.database.read() as connection:
            rows = connection.execute("SELECT name, document, updated FROM policies ORDER BY name").fetchall()
        found = [] if params.get("policyScope") == "RESOURCE" else [_policy(*row) for row in rows]
        shown, token = page(found, params.get("nextToken"), params.get("limit", _PAGE))
        return {"resourcePolicies": shown, "nextToken": token}

    def delete_resource_policy(self, params: DeleteResourcePolicyRequestTypeDef) -> Answer:
        """DeleteResourcePolicy."""
        refuse(params, "resourceArn", "expectedRevisionId")
        name = params.get("policyName", "")
        with self.database.write() as connection:
            if connection.execute("DELETE FROM policies WHERE name=?", (name,)).rowcount == 0:
                raise ServiceError("ResourceNotFoundException", f"Policy with name [{name}] does not exist.")
        return {}


def _group_in(arn: str) -> str:
    found = _GROUP_ARN.fullmatch(arn)
    if found is None:
        raise invalid(f"{arn} is not the ARN of a log group: it must not end with :*")
    return found[1]


def _policy(name: str, document: str, updated: int) -> dict[str, Any]:
    return {
        "policyName": name,
        "policyDocument": document,
        "lastUpdatedTime": updated,
        "policyScope": "ACCOUNT",
    }


def _token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode() if token else ""
    except (binascii.Error, ValueError) as error:
        raise invalid("The specified nextToken is invalid.") from error


def _read_time_token(text: str) -> tuple[int, str]:
    time, _, name = text.partition(":")
    if not _TIME.fullmatch(time):
        raise invalid("The specified nextToken is invalid.")
    return int(time), name
