"""What Parameter Store keeps: a document for each parameter, and one for each version of its value."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from local_account.foundation.account import Tagged
from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from local_account.foundation.account import Account

SECURE = "SecureString"
PARAMETERS = "ssm.parameters"
VERSIONS = 100
"""*Creating and working with parameter versions*: the versions that are kept."""
_PUBLIC = ("/aws/", "aws/")


class Version(TypedDict):
    """One version of a parameter."""

    Value: str
    Description: str | None
    AllowedPattern: str | None
    Tier: str
    LastModifiedDate: datetime
    LastModifiedUser: str


class Parameter(TypedDict):
    """A parameter, with its newest version."""

    Name: str
    Type: str
    Number: int
    """Of the newest version."""
    Newest: Version
    Tags: dict[str, str]


class Parameters:
    """The parameters of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.table = account.store.table(PARAMETERS, Parameter)
        self._versions = account.store.table("ssm.versions", Version)

    def arn(self, name: str) -> str:
        """Return the ARN of a parameter: a path brings its own slash."""
        return self._account.arn("ssm", f"parameter/{name.removeprefix('/')}")

    def find(self, identifier: str) -> Parameter | None:
        """Return a parameter by its name or ARN. Raises ServiceError for AWS's own, which are lacking."""
        name = self.name_of(identifier)
        if name.startswith(_PUBLIC):
            raise ServiceError(
                "UnsupportedOperation",
                f"The local account does not have the parameters of AWS (/aws/…), among them {name}",
            )
        return self.table.get(name)

    def name_of(self, identifier: str) -> str:
        """Return the name in an ARN, which does not say whether it begins with a slash."""
        if not identifier.startswith("arn:"):
            return identifier
        name = identifier.partition(":parameter/")[2]
        return name if "/" not in name and self.table.get(name) else f"/{name}"

    def require(self, identifier: str) -> Parameter:
        """Return a parameter. Raises ServiceError ParameterNotFound."""
        parameter = self.find(identifier)
        if parameter is None:
            raise ServiceError("ParameterNotFound", "")
        return parameter

    def put(self, parameter: Parameter) -> None:
        """Write a parameter and its newest version; forget the one that is too old."""
        name, number = parameter["Name"], parameter["Number"]
        with self._account.store.together():
            self.table.put(name, parameter)
            self._versions.put(f"{name}:{number}", parameter["Newest"])
            self._versions.delete(f"{name}:{number - VERSIONS}")

    def delete(self, parameter: Parameter) -> None:
        """Delete a parameter with its versions."""
        with self._account.store.together():
            for number, _ in self.history(parameter):
                self._versions.delete(f"{parameter['Name']}:{number}")
            self.table.delete(parameter["Name"])

    def version(self, parameter: Parameter, number: int) -> Version | None:
        """Return a version by its number."""
        return self._versions.get(f"{parameter['Name']}:{number}")

    def history(self, parameter: Parameter) -> Iterator[tuple[int, Version]]:
        """Yield the versions that are kept, the oldest first."""
        newest = parameter["Number"]
        for number in range(max(newest - VERSIONS, 0) + 1, newest + 1):
            if version := self.version(parameter, number):
                yield number, version

    def tagged(self) -> Iterator[Tagged]:
        """Yield the parameters for the tagging API."""
        for parameter in self.table.values():
            yield self.arn(parameter["Name"]), parameter["Tags"]


def shown_value(parameter: Parameter, version: Version, decrypted: bool) -> str:
    """Return the value as it is shown: that of a SecureString only if it is to be decrypted."""
    if parameter["Type"] != SECURE or decrypted:
        return version["Value"]
    return base64.b64encode(hashlib.sha512(version["Value"].encode()).digest() * 2).decode()


def metadata(parameter: Parameter, arn: str | None, version: Version, number: int) -> dict[str, Any]:
    """Return what DescribeParameters and GetParameterHistory say; the latter has no ARN."""
    return {
        "Name": parameter["Name"],
        "ARN": arn,
        "Type": parameter["Type"],
        "KeyId": "alias/aws/ssm" if parameter["Type"] == SECURE else None,
        "LastModifiedDate": version["LastModifiedDate"],
        "LastModifiedUser": version["LastModifiedUser"],
        "Description": version["Description"],
        "AllowedPattern": version["AllowedPattern"],
        "Version": number,
        "Tier": version["Tier"],
        "Policies": [],
        "DataType": "text",
    }
