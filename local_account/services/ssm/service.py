"""AWS Systems Manager: parameters, which templates and scripts read.

Contract: the Systems Manager API Reference, operation by operation, and "AWS Systems Manager Parameter Store"
in the Systems Manager User Guide; words of errors as recorded by others (LocalStack's snapshots, moto).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from local_account.foundation.account import Account
from local_account.foundation.acting import caller
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import counted
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.ssm.records import SECURE, Parameter, Parameters, Version, metadata, shown_value

_NAME = re.compile(r"[A-Za-z0-9_./-]+")
_PAGE, _PATH_PAGE = 50, 10
_LEVELS = 15
_STANDARD, _ADVANCED = 4096, 8192
"""Characters of a value, by tier."""
_TAGS = 50
_TOO_MANY_TAGS = f"A resource can have at most {_TAGS} tags."
_RESERVED = re.compile(r"/?(aws|ssm)", re.IGNORECASE)
_KEY = "alias/aws/ssm"
_PATH_WORDS = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can '
    "consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers "
    "and the following 3 symbols .-_"
)
_FILTERS = ("Name", "Type", "Path", "Tier")


class SystemsManager(Service):
    """Parameter Store of the Systems Manager API. Values are in the account's state, not encrypted.

    Lacks: `LabelParameterVersion`, `SendCommand`, `StartSession`, `CreateDocument` and everything else of
    Systems Manager but parameters; among these, AWS's own (`/aws/service/…`) and secrets by
    `/aws/reference/secretsmanager/…`.

    Refuses (PutParameter): `Policies`, data types other than `text`, and keys of KMS other than
    `alias/aws/ssm`.

    Differs from AWS (PutParameter): more than 50 tags are a `TooManyTagsError`, as in AddTagsToResource; AWS
    does not document the error.
    """

    name = "ssm"
    validation_error: ClassVar[str] = "ValidationException"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._parameters = Parameters(account)
        account.tagged.append(self._parameters.tagged)

    def put_parameter(self, params: Params) -> Answer:
        """PutParameter: a new parameter, or with Overwrite a new version of one."""
        _check(params)
        name, overwrite = params["Name"], params.get("Overwrite", False)
        with self._parameters.table.lock:
            old = self._parameters.table.get(name)
            if old and not overwrite:
                raise ServiceError(
                    "ParameterAlreadyExists",
                    "The parameter already exists. To overwrite this value, set the overwrite option in the "
                    "request to true.",
                )
            if old is None and "Type" not in params:
                raise _invalid("A parameter type is required when you create a parameter.")
            if old and params.get("Type", old["Type"]) != old["Type"]:
                raise ServiceError(
                    "HierarchyTypeMismatchException",
                    "Parameter Store does not support changing a parameter type in a hierarchy. For example, "
                    "you can't change a parameter from a String type to a SecureString type. You must create "
                    "a new, unique parameter.",
                )
            new: Parameter = {
                "Name": name,
                "Type": old["Type"] if old else params["Type"],
                "Number": old["Number"] + 1 if old else 1,
                "Newest": self._version(params, old),
                "Tags": old["Tags"] if old else {one["Key"]: one["Value"] for one in params.get("Tags", [])},
            }
            with self.account.store.together():
                self._parameters.put(new)
                self._announce(new, "Update" if old else "Create")
        return {"Version": new["Number"], "Tier": new["Newest"]["Tier"]}

    def get_parameter(self, params: Params) -> Answer:
        """GetParameter: by name or ARN, with a version after a colon."""
        _check_path(params["Name"])
        return {"Parameter": self._read(params["Name"], params.get("WithDecryption", False))}

    def get_parameters(self, params: Params) -> Answer:
        """GetParameters: names without a parameter are listed as invalid."""
        if len(set(params["Names"])) < len(params["Names"]):
            raise _invalid("Duplicate parameter names in the request.")
        found, invalid = [], []
        for name in params["Names"]:
            try:
                found.append(self._read(name, params.get("WithDecryption", False)))
            except ServiceError as error:
                if error.code not in ("ParameterNotFound", "ParameterVersionNotFound"):
                    raise
                invalid.append(name)
        return {"Parameters": found, "InvalidParameters": invalid}

    def get_parameters_by_path(self, params: Params) -> Answer:
        """GetParametersByPath: those directly below a path, or all below it."""
        if params.get("ParameterFilters"):
            raise _invalid("ParameterFilters is not supported by the local account")
        path = params["Path"]
        if not path.startswith("/"):
            raise _invalid(
                "The parameter doesn't meet the parameter name requirements. The parameter name must begin "
                'with a forward slash "/".'
            )
        wanted = (
            one
            for one in self._parameters.table.values()
            if _is_below(one["Name"], path, params.get("Recursive", False))
        )
        found = sorted(wanted, key=lambda one: one["Name"])
        shown, token = page(
            found, params.get("NextToken"), params.get("MaxResults", _PATH_PAGE), "InvalidNextToken"
        )
        decrypted = params.get("WithDecryption", False)
        listed = [self._shown(one, one["Newest"], one["Number"], decrypted) for one in shown]
        return {"Parameters": listed, "NextToken": token}

    def get_parameter_history(self, params: Params) -> Answer:
        """GetParameterHistory: the oldest version first."""
        parameter = self._parameters.require(params["Name"])
        shown, token = page(
            list(self._parameters.history(parameter)),
            params.get("NextToken"),
            params.get("MaxResults", _PAGE),
            "InvalidNextToken",
        )
        decrypted = params.get("WithDecryption", False)
        versions = [
            {
                **metadata(parameter, None, version, number),
                "Value": shown_value(parameter, version, decrypted),
                "Labels": [],
            }
            for number, version in shown
        ]
        return {"Parameters": versions, "NextToken": token}

    def describe_parameters(self, params: Params) -> Answer:
        """DescribeParameters: those that pass every filter."""
        if params.get("Filters") and params.get("ParameterFilters"):
            raise _invalid("You can use either Filters or ParameterFilters in a single request.")
        filters = params.get("ParameterFilters") or params.get("Filters") or []
        # Those that other accounts share are listed instead of one's own; there are no other accounts.
        own = [] if params.get("Shared") else self._parameters.table.values()
        found = sorted(
            (one for one in own if all(_fits(one, f) for f in filters)),
            key=lambda one: one["Name"],
        )
        shown, token = page(
            found, params.get("NextToken"), params.get("MaxResults", _PAGE), "InvalidNextToken"
        )
        listed = [
            metadata(one, self._parameters.arn(one["Name"]), one["Newest"], one["Number"]) for one in shown
        ]
        return {"Parameters": listed, "NextToken": token}

    def delete_parameter(self, params: Params) -> Answer:
        """DeleteParameter."""
        with self._parameters.table.lock:
            self._delete(self._parameters.require(params["Name"]))
        return {}

    def delete_parameters(self, params: Params) -> Answer:
        """DeleteParameters: names without a parameter are listed as invalid."""
        deleted: list[str] = []
        invalid: list[str] = []
        with self._parameters.table.lock:
            for name in params["Names"]:
                if parameter := self._parameters.find(name):
                    self._delete(parameter)
                (deleted if parameter else invalid).append(name)
        return {"DeletedParameters": deleted, "InvalidParameters": invalid}

    def add_tags_to_resource(self, params: Params) -> Answer:
        """AddTagsToResource of a parameter."""
        with self._parameters.table.lock:
            parameter = self._of(params)
            tags = {**parameter["Tags"], **{one["Key"]: one["Value"] for one in params["Tags"]}}
            if counted(tags) > _TAGS:
                raise ServiceError("TooManyTagsError", _TOO_MANY_TAGS)
            self._parameters.table.put(parameter["Name"], {**parameter, "Tags": tags})
        return {}

    def remove_tags_from_resource(self, params: Params) -> Answer:
        """RemoveTagsFromResource of a parameter."""
        with self._parameters.table.lock:
            parameter = self._of(params)
            tags = {key: one for key, one in parameter["Tags"].items() if key not in params["TagKeys"]}
            self._parameters.table.put(parameter["Name"], {**parameter, "Tags": tags})
        return {}

    def list_tags_for_resource(self, params: Params) -> Answer:
        """ListTagsForResource of a parameter."""
        return {"TagList": [{"Key": key, "Value": one} for key, one in self._of(params)["Tags"].items()]}

    # Helpers

    def _of(self, params: Params) -> Parameter:
        if params["ResourceType"] != "Parameter":
            raise ServiceError(
                "InvalidResourceType",
                f"Resources of type {params['ResourceType']} are not supported by the local account",
            )
        parameter = self._parameters.find(params["ResourceId"])
        if parameter is None:
            raise ServiceError("InvalidResourceId", "Invalid Resource Id")
        return parameter

    def _read(self, asked: str, decrypted: bool) -> Params:
        prefix, _, rest = asked.partition(":parameter/") if asked.startswith("arn:") else ("", "", asked)
        name, _, selector = rest.partition(":")
        identifier = f"{prefix}:parameter/{name}" if prefix else name
        parameter = self._parameters.require(identifier)
        number, version = parameter["Number"], parameter["Newest"]
        if selector:
            found = self._parameters.version(parameter, int(selector)) if selector.isdecimal() else None
            if found is None:
                raise ServiceError(
                    "ParameterVersionNotFound",
                    f"Systems Manager could not find version {selector} of {parameter['Name']}. Verify the "
                    "version and try again.",
                )
            number, version = int(selector), found
        shown = self._shown(parameter, version, number, decrypted)
        return {**shown, "Selector": f":{selector}" if selector else None}

    def _shown(self, parameter: Parameter, version: Version, number: int, decrypted: bool) -> Params:
        return {
            "Name": parameter["Name"],
            "Type": parameter["Type"],
            "Value": shown_value(parameter, version, decrypted),
            "Version": number,
            "LastModifiedDate": version["LastModifiedDate"],
            "ARN": self._parameters.arn(parameter["Name"]),
            "DataType": "text",
        }

    def _version(self, params: Params, old: Parameter | None) -> Version:
        before: Mapping[str, Any] = old["Newest"] if old else {}
        value, tier = params["Value"], params.get("Tier") or before.get("Tier", "Standard")
        if tier == "Intelligent-Tiering":
            tier = "Advanced" if len(value) > _STANDARD else "Standard"
        if before.get("Tier") == "Advanced" and tier == "Standard":
            raise _invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
                "advanced-parameter tier to the standard-parameter tier."
            )
        if len(value) > (_STANDARD if tier == "Standard" else _ADVANCED):
            raise _invalid(_too_long(tier))
        who = caller()
        return {
            "Value": value,
            "Description": params.get("Description", before.get("Description")),
            "AllowedPattern": params.get("AllowedPattern", before.get("AllowedPattern")),
            "Tier": tier,
            "LastModifiedDate": self.account.now(),
            "LastModifiedUser": who.arn if who else f"arn:aws:iam::{self.account.config.account_id}:root",
        }

    def _delete(self, parameter: Parameter) -> None:
        with self.account.store.together():
            self._parameters.delete(parameter)
            self._announce(parameter, "Delete")

    def _announce(self, parameter: Parameter, operation: str) -> None:
        """Publish the event of a change (Systems Manager User Guide, "Monitoring parameter changes")."""
        detail = {"operation": operation, "name": parameter["Name"], "type": parameter["Type"]}
        if description := parameter["Newest"]["Description"]:
            detail["description"] = description
        arn = self._parameters.arn(parameter["Name"])
        self.account.bus.publish("aws.ssm", "Parameter Store Change", detail, [arn])


def _check(params: Params) -> None:
    """Raise ServiceError for a request that no parameter can be made of."""
    name, value = params["Name"], params["Value"]
    if not value:
        raise _invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have "
            "length greater than or equal to 1."
        )
    if params.get("Tags") and params.get("Overwrite"):
        raise _invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, "
            "please remove overwrite flag. To update tags for an existing parameter, please use "
            "AddTagsToResource or RemoveTagsFromResource."
        )
    if counted(one["Key"] for one in params.get("Tags", [])) > _TAGS:
        raise ServiceError("TooManyTagsError", _TOO_MANY_TAGS)
    _check_name(name)
    if params.get("Policies"):
        raise _invalid("Policies is not supported by the local account")
    if params.get("DataType") == "aws:ec2:image" or params.get("DataType") == "aws:ssm:integration":
        raise _invalid(f"The data type {params['DataType']} is not supported by the local account")
    if params.get("DataType", "text") != "text":
        raise _invalid(
            f"The following data type is not supported: {params['DataType']} (Data type names are all "
            "lowercase.)"
        )
    if params.get("KeyId") and params.get("Type") != SECURE:
        raise _invalid("KeyId is required for SecureString type parameter only.")
    if params.get("KeyId", _KEY) != _KEY:
        raise ServiceError(
            "InvalidKeyId", f"The local account does not have keys of KMS: leave KeyId out, or give {_KEY}"
        )
    pattern = params.get("AllowedPattern")
    if pattern:
        try:
            matches = re.search(pattern, value)
        except re.error as error:
            raise ServiceError(
                "InvalidAllowedPatternException", f"The request isn't valid. Verify the pattern: {error}"
            ) from error
        if not matches:
            raise ServiceError(
                "ParameterPatternMismatchException",
                f"Parameter value, cannot be validated against allowedPattern: {pattern}",
            )


def _check_path(name: str) -> None:
    if not name.startswith("arn:") and ("//" in name or ("/" in name and not name.startswith("/"))):
        raise _invalid(_PATH_WORDS)


def _check_name(name: str) -> None:
    if _RESERVED.match(name):
        if name.lower().startswith("/aws") and name.count("/") > 1:
            raise ServiceError("AccessDeniedException", f"No access to reserved parameter name: {name}.")
        if "/" in name:
            raise _invalid(_PATH_WORDS)
        raise _invalid('Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).')
    if not _NAME.fullmatch(name) or name.endswith("/") or "//" in name:
        raise _invalid(
            "Invalid characters in parameter name: only letters, numbers and .-_/ are allowed, and no path "
            "ends with a slash."
        )
    if "/" in name and not name.startswith("/"):
        raise _invalid("Parameter name must be a fully qualified name.")
    if name.count("/") > _LEVELS:
        raise ServiceError(
            "HierarchyLevelLimitExceededException", f"A hierarchy can have a maximum of {_LEVELS} levels."
        )


def _too_long(tier: str) -> str:
    if tier == "Standard":
        return (
            f"Standard tier parameters support a maximum parameter value of {_STANDARD} characters. To "
            "create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For "
            "more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/"
            "parameter-store-advanced-parameters.html"
        )
    return f"Advanced tier parameters support a maximum parameter value of {_ADVANCED} characters."


def _is_below(name: str, path: str, recursive: bool) -> bool:
    prefix = f"{path.rstrip('/')}/"
    return f"/{name.removeprefix('/')}".startswith(prefix) and (
        recursive or "/" not in f"/{name.removeprefix('/')}"[len(prefix) :]
    )


def _fits(parameter: Parameter, wanted: Mapping[str, Any]) -> bool:
    key, values = wanted["Key"], wanted.get("Values", [])
    if key.startswith("tag:"):
        held = parameter["Tags"].get(key.removeprefix("tag:"))
        return held is not None and (not values or held in values)
    if key not in _FILTERS:
        raise ServiceError("InvalidFilterKey", f"The filter {key} is not supported by the local account")
    if key == "Path":
        recursive = wanted.get("Option") == "Recursive"
        return any(_is_below(parameter["Name"], value, recursive) for value in values)
    held = parameter["Newest"]["Tier"] if key == "Tier" else parameter[key]  # type: ignore[literal-required]
    return _compared(held, wanted.get("Option", "Equals"), values)


def _compared(held: str, option: str, values: Iterable[str]) -> bool:
    match option:
        case "Equals":
            return held in values
        case "BeginsWith":
            return any(held.startswith(value) for value in values)
        case "Contains":
            return any(value in held for value in values)
    raise ServiceError(
        "InvalidFilterOption",
        f"The following filter option is not valid: {option}. Valid options include: [BeginsWith, Equals].",
    )


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
