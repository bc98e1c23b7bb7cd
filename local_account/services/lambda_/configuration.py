"""The configuration of a function: names, defaults, and what the local account supports.

The contract is ``CreateFunction``, ``UpdateFunctionConfiguration`` and ``FunctionConfiguration`` of the
Lambda API, and "Lambda quotas".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from mypy_boto3_lambda.literals import (
        ArchitectureType,
        LastUpdateStatusType,
        PackageTypeType,
        RuntimeType,
        StateReasonCodeType,
        StateType,
    )
    from mypy_boto3_lambda.type_defs import (
        EnvironmentResponseTypeDef,
        EphemeralStorageTypeDef,
        LoggingConfigTypeDef,
        SnapStartResponseTypeDef,
        TracingConfigResponseTypeDef,
    )

    from local_account.foundation.account import Account

INVALID = "InvalidParameterValueException"
RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
"""Accepted runtimes; all of them run on the Python of the local account."""

_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_RESERVED = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    )
)
_ENVIRONMENT_LIMIT = 4096
_SETTINGS = (
    "Description",
    "Handler",
    "Role",
    "Runtime",
    "Timeout",
    "MemorySize",
    "EphemeralStorage",
    "Architectures",
)
_UNSUPPORTED: dict[str, Any] = {
    "VpcConfig": lambda value: value.get("SubnetIds") or value.get("SecurityGroupIds"),
    "DeadLetterConfig": lambda value: value.get("TargetArn"),
    "TracingConfig": lambda value: value.get("Mode") == "Active",
    "SnapStart": lambda value: value.get("ApplyOn") == "PublishedVersions",
    "PackageType": lambda value: value != "Zip",
    **dict.fromkeys(
        (
            "FileSystemConfigs",
            "Layers",
            "KMSKeyArn",
            "CodeSigningConfigArn",
            "ImageConfig",
            "TenancyConfig",
            "CapacityProviderConfig",
            "DurableConfig",
            "RuntimeConfig",
            "AcceleratorConfig",
            "PublishTo",
        ),
        bool,
    ),
}
"""Refuses in CreateFunction and UpdateFunctionConfiguration, where it would have an effect."""


class FunctionConfiguration(TypedDict):
    """The configuration of a function or of one version of it, as GetFunctionConfiguration answers."""

    FunctionName: str
    FunctionArn: str
    Description: str
    Runtime: RuntimeType
    Handler: str
    Role: str
    Timeout: int
    """Seconds."""
    MemorySize: int
    """Megabytes."""
    EphemeralStorage: EphemeralStorageTypeDef
    Environment: NotRequired[EnvironmentResponseTypeDef]
    """Missing if it was never given."""
    Architectures: list[ArchitectureType]
    PackageType: PackageTypeType
    TracingConfig: TracingConfigResponseTypeDef
    SnapStart: SnapStartResponseTypeDef
    LoggingConfig: LoggingConfigTypeDef
    Version: str
    """``$LATEST`` or a number."""
    State: StateType
    StateReason: NotRequired[str]
    StateReasonCode: NotRequired[StateReasonCodeType]
    """The two are there while it is Pending."""
    LastUpdateStatus: NotRequired[LastUpdateStatusType]
    """Missing while it is Pending."""
    LastUpdateStatusReason: NotRequired[str]
    LastUpdateStatusReasonCode: NotRequired[str]
    CodeSha256: str
    """Base64."""
    CodeSize: int
    """Bytes of the package."""
    RevisionId: str
    LastModified: str


def parse_name(account: Account, reference: str, qualifier: str | None = None) -> tuple[str, str]:
    """Split a name, partial ARN or ARN into the function's name and the qualifier (``""`` if none)."""
    found = _NAME.fullmatch(reference)
    config = account.config
    if not found:
        raise ServiceError(INVALID, f"'{reference}' is not a function name, partial ARN or ARN")
    if len(found["name"]) > 64:
        raise ServiceError(
            INVALID,
            f"1 validation error detected: Value '{found['name']}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64",
        )
    if (found["region"] or config.region) != config.region:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Functions from '{found['region']}' are not reachable in this region ('{config.region}')",
            status=404,
        )
    if (found["account"] or config.account_id) != config.account_id:
        raise ServiceError(
            "AccessDeniedException", f"{reference} is not in account {config.account_id}", status=403
        )
    if qualifier and found["qualifier"] and qualifier != found["qualifier"]:
        raise ServiceError(
            INVALID, "The derived qualifier from the function name does not match the specified qualifier."
        )
    return found["name"], qualifier or found["qualifier"] or ""


def function_arn(account: Account, name: str, qualifier: str = "") -> str:
    """Return the ARN of a function, or of a version of it."""
    return account.arn("lambda", f"function:{name}" + (f":{qualifier}" if qualifier else ""))


def new(name: str, arn: str) -> FunctionConfiguration:
    """Return the default configuration of a function; the request and the package add the rest."""
    defaults = {
        "FunctionName": name,
        "FunctionArn": arn,
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    return cast("FunctionConfiguration", defaults)


def configure(account: Account, config: FunctionConfiguration, params: Mapping[str, Any]) -> None:
    """Apply the settings of a request to ``config``; raise ServiceError before anything is changed.

    Parameters
    ----------
    config
        A FunctionConfiguration, changed in place.
    params
        The request of CreateFunction or UpdateFunctionConfiguration.
    """
    for member, refused in _UNSUPPORTED.items():
        if member in params and refused(params[member]):
            raise ServiceError(
                INVALID, f"{member} is not supported by the local account (value: {params[member]})"
            )
    settings: dict[str, Any] = {member: params[member] for member in _SETTINGS if member in params}
    _check_settings(account, settings)
    if "Environment" in params:
        variables = params["Environment"].get("Variables")
        _check_variables(variables or {})
        settings["Environment"] = {"Variables": variables}
    if "LoggingConfig" in params:
        settings["LoggingConfig"] = _logging(config["LoggingConfig"], params["LoggingConfig"])
    config.update(cast("FunctionConfiguration", settings))
    if "Environment" in settings and settings["Environment"]["Variables"] is None:
        del config["Environment"]


def _check_settings(account: Account, settings: dict[str, Any]) -> None:
    runtime = settings.get("Runtime", RUNTIMES[0])
    if runtime not in RUNTIMES:
        raise ServiceError(
            INVALID,
            f"The runtime parameter of {runtime} is not supported by the local account, "
            f"which runs {', '.join(RUNTIMES)}",
        )
    if settings.get("Timeout", 1) > 900:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{settings['Timeout']}' at 'timeout' failed to satisfy "
            "constraint: Member must have value less than or equal to 900",
        )
    if settings.get("MemorySize", 128) > 10_240:
        raise ServiceError(
            INVALID,
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to "
            "10240",
        )
    if "Role" in settings:
        try:
            account.check_role(settings["Role"], "lambda.amazonaws.com")
        except ServiceError as error:
            raise ServiceError(
                INVALID,
                f"The role defined for the function cannot be assumed by Lambda. {error.message}",
            ) from error


def _check_variables(variables: dict[str, str]) -> None:
    reserved = sorted(_RESERVED & set(variables))
    if reserved:
        raise ServiceError(
            INVALID,
            "Lambda was unable to configure your environment variables because the environment variables you "
            "have provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}",
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > _ENVIRONMENT_LIMIT:
        raise ServiceError(
            INVALID,
            "Lambda was unable to configure your environment variables because the environment variables you "
            f"have provided exceeded the 4KB limit. String measured: {measured}",
        )


def _logging(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**config, **given}
    levels = ("ApplicationLogLevel", "SystemLogLevel")
    if merged["LogFormat"] == "JSON":
        return {**dict.fromkeys(levels, "INFO"), **merged}
    if any(level in given for level in levels):
        raise ServiceError(INVALID, f"{' and '.join(levels)} are only supported when LogFormat is JSON")
    return {member: value for member, value in merged.items() if member not in levels}
