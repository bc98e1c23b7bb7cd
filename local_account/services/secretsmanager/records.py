"""What Secrets Manager keeps: a document for each secret, and one for each version of its value."""

from __future__ import annotations

import re
import secrets as random
import string
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from local_account.foundation.account import Tagged
from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from local_account.foundation.account import Account

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
SECRETS = "secretsmanager.secrets"
MARKED = "You can't perform this operation on the secret because it was marked for deletion."
_VERSIONS = 100
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")
_NAME_WORDS = (
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
)


class Value(TypedDict, total=False):
    """One version of a secret's value: one of the two."""

    SecretString: str
    SecretBinary: bytes
    CreatedDate: datetime
    LastAccessedDate: datetime
    """A day: when this version was last asked for."""


class Secret(TypedDict):
    """A secret, without its values."""

    ARN: str
    Name: str
    Description: str | None
    KmsKeyId: str | None
    CreatedDate: datetime
    LastChangedDate: datetime | None
    LastAccessedDate: datetime | None
    """A day: when it was last asked for."""
    DeletedDate: datetime | None
    """When the deletion was asked for."""
    DeletionDate: datetime | None
    """When it is to be deleted."""
    Tags: dict[str, str] | None
    """None: it never had any."""
    Stages: dict[str, list[str]]
    """The staging labels of each version; a version without any is deprecated."""


class Secrets:
    """The secrets of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.table = account.store.table(SECRETS, Secret)
        self._values = account.store.table("secretsmanager.values", Value)

    def find(self, identifier: str) -> Secret | None:
        """Return a secret by its name, ARN, or ARN without the six random characters."""
        secret = self._named(identifier)
        if secret and (when := secret["DeletionDate"]) and when <= self._account.now():
            self.forget(secret)
            return None
        return secret

    def require(self, identifier: str, *, marked: bool = False) -> Secret:
        """Return a secret; ``marked`` if it may be marked for deletion. Raises ServiceError."""
        check_name(identifier)
        secret = self.find(identifier)
        if secret is None:
            raise not_found("Secrets Manager can't find the specified secret.")
        if secret["DeletedDate"] and not marked:
            raise ServiceError("InvalidRequestException", MARKED)
        return secret

    def all(self) -> Iterator[Secret]:
        """Yield every secret, also those that are marked for deletion."""
        for secret in self.table.values():
            if self.find(secret["Name"]):
                yield secret

    def tagged(self) -> Iterator[Tagged]:
        """Yield the secrets for the tagging API."""
        for secret in self.all():
            yield secret["ARN"], secret["Tags"] or {}

    def new_arn(self, name: str) -> str:
        """Return the ARN of a new secret: AWS adds a hyphen and six random characters to the name."""
        letters = "".join(random.choice(string.ascii_letters + string.digits) for _ in range(6))
        return self._account.arn("secretsmanager", f"secret:{name}-{letters}")

    def value(self, secret: Secret, version: str) -> Value | None:
        """Return a version's value."""
        return self._values.get(f"{secret['ARN']}|{version}")

    def add_value(self, secret: Secret, version: str, value: Value) -> None:
        """Keep a version's value; the caller writes the secret."""
        self._values.put(f"{secret['ARN']}|{version}", value)

    def note_read(self, secret: Secret, version: str) -> None:
        """Keep the day on which a version was read, of the version and of the secret."""
        today = self._account.now().replace(hour=0, minute=0, second=0, microsecond=0)
        value = self.value(secret, version)
        if value is not None and value.get("LastAccessedDate") != today:
            with self.table.lock, self._account.store.together():
                if kept := self.table.get(secret["Name"]):
                    self.add_value(kept, version, {**value, "LastAccessedDate": today})
                    self.put({**kept, "LastAccessedDate": today})

    def put(self, secret: Secret) -> None:
        """Write a secret."""
        self.table.put(secret["Name"], secret)

    def whole_arn(self, arn: str) -> str:
        """Return the ARN that policies are about: with the six characters, unknown if there is no secret."""
        secret = self.find(arn) or self.find(arn.split(":", 6)[-1])
        return secret["ARN"] if secret else f"{arn}-??????"

    def forget_deprecated(self, secret: Secret) -> None:
        """Delete the oldest versions without a label beyond the quota; the caller writes the secret.

        *Secrets Manager quotas*: of more than 100 versions, those without labels go that are a day old.
        """
        before = self._account.now() - timedelta(days=1)
        for version in [version for version, stages in secret["Stages"].items() if not stages]:
            value = self.value(secret, version)
            if len(secret["Stages"]) > _VERSIONS and value and value["CreatedDate"] < before:
                del secret["Stages"][version]
                self._values.delete(f"{secret['ARN']}|{version}")

    def forget(self, secret: Secret) -> None:
        """Delete a secret and its values."""
        with self._account.store.together():
            for version in secret["Stages"]:
                self._values.delete(f"{secret['ARN']}|{version}")
            self.table.delete(secret["Name"])

    def _named(self, identifier: str) -> Secret | None:
        if not identifier.startswith("arn:"):
            return self.table.get(identifier)
        given = identifier.split(":", 6)[-1]
        secret = self.table.get(_SUFFIX.sub("", given))
        if secret and secret["ARN"] == identifier:
            return secret
        # What looks like the suffix may be part of the name.
        secret = self.table.get(given)
        return secret if secret and secret["ARN"].startswith(f"{identifier}-") else None


def check_name(identifier: str) -> None:
    """Raise ServiceError unless this may be a secret's name, or is an ARN."""
    if not identifier.startswith("arn:") and not _NAME.fullmatch(identifier):
        raise ServiceError("ValidationException", _NAME_WORDS)


def not_found(message: str) -> ServiceError:
    """Return the error for a secret or version that does not exist."""
    return ServiceError("ResourceNotFoundException", message)


def holder(secret: Secret, stage: str) -> str | None:
    """Return the version that has a staging label."""
    return next((version for version, stages in secret["Stages"].items() if stage in stages), None)


def attach(secret: Secret, version: str, stages: Iterable[str]) -> None:
    """Move labels to a version. The version that loses AWSCURRENT gets AWSPREVIOUS, and is not pending."""
    for stage in stages:
        before = holder(secret, stage)
        if before == version:
            continue
        detach(secret, before, stage)
        secret["Stages"][version].append(stage)
        if stage == CURRENT and before:
            detach(secret, before, PENDING)
            detach(secret, holder(secret, PREVIOUS), PREVIOUS)
            secret["Stages"][before].append(PREVIOUS)


def detach(secret: Secret, version: str | None, stage: str) -> None:
    """Take a label from a version, if it has it."""
    if version is not None and stage in secret["Stages"].get(version, []):
        secret["Stages"][version].remove(stage)


def in_use(secret: Secret) -> Mapping[str, list[str]]:
    """Return the versions that have labels, and these."""
    return {version: sorted(stages) for version, stages in secret["Stages"].items() if stages}
