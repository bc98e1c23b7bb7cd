"""AWS Secrets Manager: secrets, their versions and staging labels.

Contract: the Secrets Manager API Reference, operation by operation; words of errors as recorded by others
(LocalStack's snapshots, public reports).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from local_account.foundation.account import Account
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import counted
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.secretsmanager.passwords import password
from local_account.services.secretsmanager.records import (
    CURRENT,
    Secret,
    Secrets,
    Value,
    attach,
    check_name,
    detach,
    holder,
    in_use,
    not_found,
)

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W_A-Z]+|[A-Z]+")
_OWN_KEY = "alias/aws/secretsmanager"
_PAGE, _BATCH = 100, 20
_WINDOW = range(7, 31)
_DEFAULT_WINDOW = 30
_TAGS = 50


class SecretsManager(Service):
    """The Secrets Manager API. Values are in the account's state, not encrypted.

    Lacks: `RotateSecret`, `CancelRotateSecret`, `PutResourcePolicy`, `DeleteResourcePolicy`,
    `ValidateResourcePolicy`, `ReplicateSecretToRegions`, `RemoveRegionsFromReplication`,
    `StopReplicationToReplica`. So there is no rotation, and no one but roles with permissions of their own
    reads a secret.

    Refuses (CreateSecret): `AddReplicaRegions`, `Type`, and keys of KMS other than
    `alias/aws/secretsmanager`.
    """

    name = "secretsmanager"
    validation_error: ClassVar[str] = "ValidationException"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._secrets = Secrets(account)
        account.tagged.append(self._secrets.tagged)
        account.whole_arn[self.name] = self._secrets.whole_arn

    # Secrets

    def create_secret(self, params: Params) -> Answer:
        """CreateSecret: again with the same token and value, it changes nothing."""
        _refuse(params, "AddReplicaRegions", "Type", "CrossAccountPrimaryARN")
        name, token = params["Name"], _token(params)
        check_name(name)
        _check_key(params)
        value, tags = self._value_of(params), _tags(params.get("Tags", []))
        with self._secrets.table.lock:
            existing = self._secrets.find(name)
            if existing and existing["DeletedDate"]:
                raise ServiceError(
                    "InvalidRequestException",
                    "You can't create this secret because a secret with this name is already scheduled for "
                    "deletion.",
                )
            if existing:
                if value is None or not self._repeats(existing, token, value):
                    raise ServiceError(
                        "ResourceExistsException",
                        f"The operation failed because the secret {name} already exists.",
                    )
                return _short(existing, token)
            now = self.account.now()
            secret: Secret = {
                "ARN": self._secrets.new_arn(name),
                "Name": name,
                "Description": params.get("Description"),
                "KmsKeyId": params.get("KmsKeyId"),
                "CreatedDate": now,
                "LastChangedDate": now,
                "LastAccessedDate": None,
                "DeletedDate": None,
                "DeletionDate": None,
                "Tags": tags or None,
                "Stages": {},
            }
            self._write(secret, token, value, [CURRENT])
        return _short(secret, token if value else None)

    def describe_secret(self, params: Params) -> Answer:
        """DescribeSecret: also one that is marked for deletion."""
        secret = self._secrets.require(params["SecretId"], marked=True)
        return {**_described(secret), "VersionIdsToStages": in_use(secret) or None}

    def list_secrets(self, params: Params) -> Answer:
        """ListSecrets: without those that are marked for deletion, unless asked for."""
        found = [
            secret
            for secret in self._secrets.all()
            if (params.get("IncludePlannedDeletion") or not secret["DeletedDate"])
            and all(_fits(secret, one) for one in params.get("Filters", []))
        ]
        member = {
            "name": "Name",
            "last-accessed-date": "LastAccessedDate",
            "last-changed-date": "LastChangedDate",
        }.get(params.get("SortBy", ""), "CreatedDate")
        oldest = self.account.now() - timedelta(days=365_000)
        found.sort(
            key=lambda secret: secret[member] or oldest,  # type: ignore[literal-required]
            reverse=params.get("SortOrder") == "desc",
        )
        shown, token = page(
            found, params.get("NextToken"), params.get("MaxResults", _PAGE), "InvalidNextTokenException"
        )
        listed = [{**_described(one), "SecretVersionsToStages": in_use(one) or None} for one in shown]
        return {"SecretList": listed, "NextToken": token}

    def update_secret(self, params: Params) -> Answer:
        """UpdateSecret: description, key, and a new current version if there is a value."""
        _refuse(params, "Type")
        token, value = _token(params), self._value_of(params)
        _check_key(params)
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"])
            for member in ("Description", "KmsKeyId"):
                if member in params:
                    secret[member] = params[member]
            if value is None or not self._repeats(secret, token, value):
                secret["LastChangedDate"] = self.account.now()
                self._write(secret, token, value, [CURRENT])
        return _short(secret, token if value else None)

    def delete_secret(self, params: Params) -> Answer:
        """DeleteSecret: after the recovery window, or at once if forced."""
        forced, days = params.get("ForceDeleteWithoutRecovery", False), params.get("RecoveryWindowInDays")
        if forced and days is not None:
            raise _invalid(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
            )
        if days is not None and days not in _WINDOW:
            raise _invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
        now, identifier = self.account.now(), params["SecretId"]
        check_name(identifier)
        with self._secrets.table.lock:
            if forced and self._secrets.find(identifier) is None:
                # "If you forcibly delete an already deleted or nonexistent secret, the operation does not
                # return ResourceNotFoundException."
                name = identifier.split(":", 6)[-1]
                arn = identifier if name != identifier else self._secrets.new_arn(name)
                return {"ARN": arn, "Name": name, "DeletionDate": now}
            secret = self._secrets.require(identifier, marked=forced)
            if forced:
                self._secrets.forget(secret)
            else:
                secret["DeletedDate"] = now
                secret["DeletionDate"] = now + timedelta(days=days or _DEFAULT_WINDOW)
                self._secrets.put(secret)
        return {**_short(secret), "DeletionDate": secret["DeletionDate"] or now}

    def restore_secret(self, params: Params) -> Answer:
        """RestoreSecret: one that is not marked stays as it is."""
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"], marked=True)
            secret["DeletedDate"] = secret["DeletionDate"] = None
            self._secrets.put(secret)
        return _short(secret)

    def get_resource_policy(self, params: Params) -> Answer:
        """GetResourcePolicy: no secret has one, since PutResourcePolicy is refused."""
        return _short(self._secrets.require(params["SecretId"], marked=True))

    def tag_resource(self, params: Params) -> Answer:
        """TagResource."""
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"])
            secret["Tags"] = _limited({**(secret["Tags"] or {}), **_tags(params["Tags"])})
            self._secrets.put(secret)
        return {}

    def untag_resource(self, params: Params) -> Answer:
        """UntagResource."""
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"])
            tags = secret["Tags"] or {}
            secret["Tags"] = {key: tags[key] for key in tags if key not in params["TagKeys"]}
            self._secrets.put(secret)
        return {}

    def get_random_password(self, params: Params) -> Answer:
        """GetRandomPassword."""
        return {"RandomPassword": password(params)}

    # Values

    def get_secret_value(self, params: Params) -> Answer:
        """GetSecretValue: by version or staging label; the day is noted."""
        return self._read(params["SecretId"], params.get("VersionId"), params.get("VersionStage"))

    def batch_get_secret_value(self, params: Params) -> Answer:
        """BatchGetSecretValue: secrets by their ids, or those that match filters."""
        if ("SecretIdList" in params) == ("Filters" in params):
            raise _invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
        if "MaxResults" in params and "Filters" not in params:
            raise _invalid(
                "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided."
            )
        token = None
        if "Filters" in params:
            matching = [
                secret["ARN"]
                for secret in self._secrets.all()
                if not secret["DeletedDate"] and all(_fits(secret, one) for one in params["Filters"])
            ]
            size = params.get("MaxResults", _BATCH)
            wanted, token = page(matching, params.get("NextToken"), size, "InvalidNextTokenException")
        else:
            wanted = list(params["SecretIdList"])
        values, errors = [], []
        for identifier in wanted:
            try:
                values.append(self._read(identifier, None, None))
            except ServiceError as error:
                errors.append({"SecretId": identifier, "ErrorCode": error.code, "Message": error.message})
        return {"SecretValues": values, "Errors": errors, "NextToken": token}

    def put_secret_value(self, params: Params) -> Answer:
        """PutSecretValue: a new version with the labels given, AWSCURRENT if none is."""
        _refuse(params, "RotationToken")
        token, value = _token(params), self._value_of(params)
        if value is None:
            raise ServiceError(
                "InvalidRequestException", "You must provide either SecretString or SecretBinary."
            )
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"])
            if not self._repeats(secret, token, value):
                stages = params.get("VersionStages") or [CURRENT]
                if not secret["Stages"] and CURRENT not in stages:
                    stages = [CURRENT, *stages]  # "the first version": it is attached automatically
                secret["LastChangedDate"] = self.account.now()
                self._write(secret, token, value, stages)
        return {**_short(secret, token), "VersionStages": sorted(secret["Stages"][token])}

    def list_secret_version_ids(self, params: Params) -> Answer:
        """ListSecretVersionIds: those without labels only with IncludeDeprecated."""
        secret = self._secrets.require(params["SecretId"], marked=True)
        versions = [
            {
                "VersionId": version,
                "VersionStages": sorted(stages) or None,
                "CreatedDate": value["CreatedDate"],
                "LastAccessedDate": value.get("LastAccessedDate"),
                "KmsKeyIds": [secret["KmsKeyId"] or "DefaultEncryptionKey"],
            }
            for version, stages in secret["Stages"].items()
            if (stages or params.get("IncludeDeprecated")) and (value := self._secrets.value(secret, version))
        ]
        shown, token = page(
            versions, params.get("NextToken"), params.get("MaxResults", _PAGE), "InvalidNextTokenException"
        )
        return {**_short(secret), "Versions": shown, "NextToken": token}

    def update_secret_version_stage(self, params: Params) -> Answer:
        """UpdateSecretVersionStage: move, attach or remove a label."""
        stage = params["VersionStage"]
        source, target = params.get("RemoveFromVersionId"), params.get("MoveToVersionId")
        with self._secrets.table.lock:
            secret = self._secrets.require(params["SecretId"])
            for version in (source, target):
                if version is not None and version not in secret["Stages"]:
                    raise not_found(
                        f"Secrets Manager can't find the specified secret value for VersionId: {version}"
                    )
            now = holder(secret, stage)
            if target and now and now not in {source, target}:
                given = "is not the version that has the label" if source else "can't be empty"
                raise _invalid(
                    f"The parameter RemoveFromVersionId {given}. Staging label {stage} is currently attached "
                    f"to version {now}, so you must explicitly reference that version in RemoveFromVersionId."
                )
            if source and not target and stage == CURRENT:
                raise _invalid(
                    "You can only move staging label AWSCURRENT to a different secret version. "
                    "It can't be completely removed."
                )
            if source and now != source:
                raise _invalid(f"Staging label {stage} is not attached to version {source}.")
            if target:
                attach(secret, target, [stage])
            else:
                detach(secret, source, stage)
            secret["LastChangedDate"] = self.account.now()
            self._secrets.put(secret)
        return _short(secret)

    # Helpers

    def _read(self, identifier: str, version: str | None, stage: str | None) -> Answer:
        secret = self._secrets.require(identifier)
        found = version or holder(secret, stage or CURRENT)
        value = self._secrets.value(secret, found) if found else None
        if found is None or value is None:
            what = f"VersionId: {version}" if version else f"staging label: {stage or CURRENT}"
            raise not_found(f"Secrets Manager can't find the specified secret value for {what}")
        if version and stage and stage not in secret["Stages"][version]:
            raise ServiceError(
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            )
        self._secrets.note_read(secret, found)
        shown = {name: member for name, member in value.items() if name != "LastAccessedDate"}
        return {**_short(secret, found), "VersionStages": sorted(secret["Stages"][found]) or None, **shown}

    def _value_of(self, params: Params) -> Value | None:
        given = [name for name in ("SecretString", "SecretBinary") if params.get(name) is not None]
        if len(given) > 1:
            raise _invalid(
                "You can't specify both a binary secret value and a string secret value in the same secret."
            )
        if not given:
            return None
        value: Value = {"CreatedDate": self.account.now()}
        value[given[0]] = params[given[0]]  # type: ignore[literal-required]
        return value

    def _repeats(self, secret: Secret, token: str, value: Value) -> bool:
        """Return whether a version of the token has this value. Raises ServiceError if it has another one."""
        known = self._secrets.value(secret, token)
        if known is None:
            return False
        if any(known.get(name) != value.get(name) for name in ("SecretString", "SecretBinary")):
            raise ServiceError(
                "ResourceExistsException",
                f"You can't use ClientRequestToken {token} because that value is already in use for a "
                f"version of secret {secret['ARN']}.",
            )
        return True

    def _write(self, secret: Secret, token: str, value: Value | None, stages: Sequence[str]) -> None:
        with self.account.store.together():
            if value is not None:
                self._secrets.add_value(secret, token, value)
                secret["Stages"][token] = []
                attach(secret, token, stages)
                self._secrets.forget_deprecated(secret)
            self._secrets.put(secret)


def _token(params: Params) -> str:
    token = params.get("ClientRequestToken")
    if not token:
        raise ServiceError(
            "InvalidRequestException",
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        )
    return str(token)


def _check_key(params: Params) -> None:
    key = params.get("KmsKeyId")
    if key and not key.endswith(_OWN_KEY.removeprefix("alias/")):
        raise _invalid(f"The local account does not have keys of KMS: leave KmsKeyId out, or give {_OWN_KEY}")


def _refuse(params: Params, *names: str) -> None:
    for name in names:
        if params.get(name):
            raise _invalid(f"{name} is not supported by the local account")


def _tags(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if any("Key" not in one for one in given):
        raise _invalid("Each tag needs a Key.")
    tags = {one["Key"]: one.get("Value", "") for one in given}
    if len(tags) < len(given):
        raise _invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return _limited(tags)


def _limited(tags: dict[str, str]) -> dict[str, str]:
    if counted(tags) > _TAGS:
        raise _invalid(f"A secret can have at most {_TAGS} tags.")
    return tags


def _short(secret: Secret, version: str | None = None) -> Params:
    return {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version}


def _described(secret: Secret) -> Params:
    apart = ("Tags", "Stages", "DeletionDate")
    tags = secret["Tags"]
    listed = None if tags is None else [{"Key": key, "Value": value} for key, value in tags.items()]
    kept = {name: value for name, value in secret.items() if name not in apart}
    return {**kept, "Description": secret["Description"] or None, "Tags": listed}


def _fits(secret: Secret, wanted: Mapping[str, Any]) -> bool:
    """Return whether a secret matches one of the values of a filter, or none of those that begin with !."""
    key, values = wanted.get("Key", "all"), wanted.get("Values", [])
    matches = _MATCHES[key]
    barred = [value[1:] for value in values if value.startswith("!")]
    allowed = [value for value in values if not value.startswith("!")]
    return not any(matches(secret, value) for value in barred) and (
        not allowed or any(matches(secret, value) for value in allowed)
    )


def _all(secret: Secret, value: str) -> bool:
    tags = secret["Tags"] or {}
    return _has_words(" ".join([secret["Name"], secret["Description"] or "", *tags, *tags.values()]), value)


def _has_words(text: str, wanted: str) -> bool:
    """Return whether each word that is wanted begins a word of the text; ``AppBeta`` has two.

    ListSecrets, Filters, and what was verified on AWS (moto's tests of them).
    """
    words = [word.lower() for word in _WORD.findall(text)]
    begins = [word.lower() for word in _WORD.findall(wanted)]
    return bool(begins) and all(any(word.startswith(begin) for word in words) for begin in begins)


_MATCHES: Mapping[str, Callable[[Secret, str], bool]] = {
    "name": lambda secret, value: secret["Name"].startswith(value),
    "description": lambda secret, value: _has_words(secret["Description"] or "", value),
    "tag-key": lambda secret, value: any(key.startswith(value) for key in secret["Tags"] or {}),
    "tag-value": lambda secret, value: any(one.startswith(value) for one in (secret["Tags"] or {}).values()),
    "primary-region": lambda *_: False,  # nothing is replicated
    "owning-service": lambda *_: False,
    "all": _all,
}


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
