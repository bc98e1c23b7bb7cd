"""What all kinds of SageMaker resources share: documents, ARNs, tags, lists with filters."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.store import Table
from local_account.foundation.system_tags import counted
from local_account.gateway.service import Service
from local_account.services.sagemaker.records import (
    CodeRepository,
    Endpoint,
    EndpointConfig,
    LifecycleConfig,
    Model,
    ModelPackage,
    ModelPackageGroup,
    NotebookInstance,
    ProcessingJob,
    TrainingJob,
    TransformJob,
    TuningJob,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

MAX_TAGS = 50
INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again. "
    "(The traceback is in the log of the local account.)"
)
"""FailureReason for what nobody expected."""
D = TypeVar("D", bound=Mapping[str, Any])
D_co = TypeVar("D_co", bound=Mapping[str, Any], covariant=True)
_Place = tuple[float | str, str]
"""Where a document is in a sorted list: the value that it is sorted by, and what only it has."""


def invalid(message: str) -> ServiceError:
    """Return SageMaker's common error for an invalid request."""
    return ServiceError("ValidationException", message)


def limit_exceeded(
    quota: str, allowed: float, used: int, wanted: int, unit: str = "Instances"
) -> ServiceError:
    """Return the refusal of instances for which a quota has no room, in AWS's words."""
    return ServiceError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{quota}' is {allowed:g} {unit}, with current utilization of "
        f"{used} {unit} and a request delta of {wanted} {unit}. Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to "
        "request an increase for this quota.",
    )


def unsupported(what: str) -> ServiceError:
    """Return the error for a documented feature that the local account lacks."""
    return ServiceError("UnsupportedOperation", f"sagemaker: {what} is not supported by the local account")


def refuse_unsupported(params: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ServiceError for the first of ``names`` that the request asks for.

    Empty and false members ask for nothing.
    """
    for name in names:
        if params.get(name):
            raise unsupported(name)


class Resources(Service):
    """Base of the classes per kind. Documents hold the members of the Describe response by their API names,
    and whatever else is needed under lower-case names.
    """

    name = "sagemaker"

    @overload
    def table(self, kind: Literal["models"]) -> Table[Model]: ...
    @overload
    def table(self, kind: Literal["model_package_groups"]) -> Table[ModelPackageGroup]: ...
    @overload
    def table(self, kind: Literal["model_packages"]) -> Table[ModelPackage]: ...
    @overload
    def table(self, kind: Literal["endpoint_configs"]) -> Table[EndpointConfig]: ...
    @overload
    def table(self, kind: Literal["endpoints"]) -> Table[Endpoint]: ...
    @overload
    def table(self, kind: Literal["training_jobs"]) -> Table[TrainingJob]: ...
    @overload
    def table(self, kind: Literal["tuning_jobs"]) -> Table[TuningJob]: ...
    @overload
    def table(self, kind: Literal["transform_jobs"]) -> Table[TransformJob]: ...
    @overload
    def table(self, kind: Literal["processing_jobs"]) -> Table[ProcessingJob]: ...
    @overload
    def table(self, kind: Literal["notebook_instances"]) -> Table[NotebookInstance]: ...
    @overload
    def table(self, kind: Literal["lifecycle_configs"]) -> Table[LifecycleConfig]: ...
    @overload
    def table(self, kind: Literal["code_repositories"]) -> Table[CodeRepository]: ...
    @overload
    def table(self, kind: Literal["tags"]) -> Table[dict[str, str]]: ...

    def table(self, kind: str) -> Table[Any]:
        """Return the documents of a kind, such as ``endpoints``."""
        return self.account.store.table(f"sagemaker.{kind}")

    def add(
        self,
        table: Table[D],
        name: str,
        document: D,
        arn: str,
        tags: Iterable[TagTypeDef],
        *,
        in_use: ServiceError,
    ) -> None:
        """Keep a new resource and its tags.

        Raises ``in_use`` if there is one of that name, and ServiceError ValidationException for more than 50
        tags. Then nothing is kept.
        """
        with table.lock, self.table("tags").lock, self.account.store.together():
            if self.exists(arn):
                raise in_use
            self.set_tags(arn, tags)
            table.put(name, document)

    def exists(self, arn: str) -> bool:
        """Return whether there is a resource with this ARN: names that differ in case only have the same."""
        return self.table("tags").get(arn) is not None

    def remove(self, table: Table[D], name: str, arn: str) -> None:
        """Delete a resource and its tags, so that its name is free again."""
        with self.table("tags").lock, self.account.store.together():
            table.delete(name)
            self.table("tags").delete(arn)

    def resource_arn(self, kind: str, name: str) -> str:
        """Return the ARN, in which SageMaker writes names in lower case.

        So names that differ in case only are the same name ("The name is case-insensitive in
        CreateEndpoint").
        """
        return self.account.arn("sagemaker", f"{kind}/{name.lower()}")

    def set_tags(self, arn: str, tags: Iterable[TagTypeDef]) -> list[TagTypeDef]:
        """Add tags to a resource, new values replacing old ones, and return all its tags.

        Raises ServiceError ValidationException for more than 50.
        """
        table = self.table("tags")
        with table.lock:
            merged = {**(table.get(arn) or {}), **{tag["Key"]: tag["Value"] for tag in tags}}
            if (number := counted(merged)) > MAX_TAGS:
                raise invalid(f"{number} tags on {arn}: a resource can have at most {MAX_TAGS}")
            table.put(arn, merged)
        return tag_list(merged)

    def publish(self, detail_type: str, arn: str, detail: Params) -> None:
        """Send a state change to EventBridge ("Events that Amazon SageMaker AI sends to Amazon EventBridge").

        The detail has the form of the Describe response, with times in milliseconds since 1970 and tags as
        a map.
        """
        tags = self.table("tags").get(arn) or {}
        self.account.bus.publish("aws.sagemaker", detail_type, epoch_ms({**detail, "Tags": tags}), [arn])


def tag_list(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Return tags as the API lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def public(document: Mapping[str, Any]) -> Params:
    """Return the members of the Describe response, without those for internal use."""
    return {key: value for key, value in document.items() if key[0].isupper() and value is not None}


def epoch_ms(value: Any) -> Any:
    """Return a JSON document with every datetime as milliseconds since 1970."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, Mapping):
        return {key: epoch_ms(member) for key, member in value.items()}
    if isinstance(value, list):
        return [epoch_ms(member) for member in value]
    return value


class Listable(Protocol[D_co]):
    """What ``list_page`` reads: a table, or something like it."""

    def values(self) -> Sequence[D_co]:
        """Return all documents."""

    def named(self, part: str) -> Sequence[D_co]:
        """Return the documents whose name has a part, and maybe others."""


def list_page(
    params: Mapping[str, Any],
    table: Listable[D],
    *,
    name: str,
    status: str = "",
    sort_by: str = "CreationTime",
    order: str = "Descending",
    only: Callable[[D], bool] = lambda _: True,
    key: str = "",
) -> tuple[list[D], str | None]:
    """Filter, sort and page as the List operations of SageMaker do.

    ``name`` and ``status`` are the members that ``NameContains``, ``StatusEquals`` and ``SortBy`` refer to;
    of documents, only those whose name fits are read. ``only`` is a further condition. ``key`` is a member
    that no other document has, if names are not.
    Returns the page (10 documents unless ``MaxResults`` says otherwise) and ``NextToken``: it says after
    which document the next page begins, so what comes or goes meanwhile moves no other document.
    """
    part = params.get("NameContains", "")
    documents = table.named(part) if part else table.values()
    found = [
        document for document in documents if _matches(params, document, name, status) and only(document)
    ]
    asked = str(params.get("SortBy", sort_by))
    member = {"Name": name, "Status": status}.get(asked, asked)
    descending = params.get("SortOrder", order) == "Descending"
    placed = sorted(
        ((_place(document, member, key or name), document) for document in found),
        key=lambda one: one[0],
        reverse=descending,
    )
    if token := params.get("NextToken"):
        after = _place_of(token, like=placed[0][0] if placed else None)
        placed = [one for one in placed if one[0] != after and (one[0] > after) != descending]
    page = placed[: params.get("MaxResults", 10)]
    return [document for _, document in page], _token(page[-1][0]) if len(page) < len(placed) else None


def _matches(params: Mapping[str, Any], document: Mapping[str, Any], name: str, status: str) -> bool:
    times = {"CreationTime": document["CreationTime"], "LastModifiedTime": document.get("LastModifiedTime")}
    return (
        params.get("NameContains", "").lower() in document[name].lower()
        and params.get("StatusEquals") in (None, document.get(status))
        and all(
            time is None
            or (params.get(f"{member}After", time) <= time <= params.get(f"{member}Before", time))
            for member, time in times.items()
        )
    )


def _place(document: Mapping[str, Any], member: str, key: str) -> _Place:
    value = document[member]
    return (value.timestamp() if isinstance(value, datetime) else value, document[key])


def _token(place: _Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place_of(token: str, *, like: _Place | None) -> _Place:
    try:
        value, key = json.loads(base64.urlsafe_b64decode(token))
        if like is None or (isinstance(value, str), type(key)) == (isinstance(like[0], str), str):
            return value, key
    except (TypeError, ValueError, binascii.Error) as error:
        raise _invalid_token() from error
    raise _invalid_token()


def _invalid_token() -> ServiceError:
    return invalid("Invalid NextToken: pass the token of the previous response unchanged")
