"""The S3 objects of a training channel or a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker.type_defs import S3DataSourceUnionTypeDef

_VIRTUAL_HOST = re.compile(r"(.+)\.s3[.-].*amazonaws\.com(?:\.cn)?")


class NoDataError(Exception):
    """S3 has no data in the expected place."""


@dataclass(frozen=True)
class S3Object:
    """An object, and its path below the channel's directory, where the algorithm finds it."""

    bucket: str
    key: str
    path: str


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 URI, or of the https URL of an object.

    An S3 URI is not a URL: in a key, ``#``, ``?`` and ``%`` are characters like any other.

    >>> split("s3://bucket/runs/exp#7/what?/a%20b.csv")
    ('bucket', 'runs/exp#7/what?/a%20b.csv')
    >>> split("https://bucket.s3.eu-west-1.amazonaws.com/models/a%20b.tar.gz")
    ('bucket', 'models/a b.tar.gz')
    >>> split("https://s3.eu-west-1.amazonaws.com/bucket/models/m.tar.gz")
    ('bucket', 'models/m.tar.gz')
    """
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        return host, path
    if virtual := _VIRTUAL_HOST.fullmatch(host):
        return virtual[1], unquote(path)
    bucket, _, key = unquote(path).partition("/")
    return bucket, key


def channel_objects(
    s3: S3Client, source: S3DataSourceUnionTypeDef, region: str, role_arn: str
) -> list[S3Object]:
    """Return the objects of an S3DataSource, at least one. Raises NoDataError.

    ``S3Prefix``: all objects whose key begins with the prefix. ``ManifestFile``: the objects that the JSON
    document ``[{"prefix": "s3://bucket/prefix/"}, "name", …]`` lists. See S3DataSource in the API.
    """
    uri = source["S3Uri"]
    bucket, key = split(uri)
    try:
        if source["S3DataType"] == "ManifestFile":
            objects = list(_manifest_objects(s3, bucket, key))
        else:
            objects = list(_prefix_objects(s3, bucket, key))
    except ClientError as error:
        raise NoDataError(
            f"{_nothing(uri, bucket, region, role_arn)} "
            f"Error message from S3: {error.response['Error']['Message']}"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise NoDataError(
            f'Invalid manifest file "{uri}": it must be JSON of the form '
            f'[{{"prefix": "s3://bucket/prefix/"}}, "relative/name", …] ({error})'
        ) from error
    if not objects:
        raise NoDataError(_nothing(uri, bucket, region, role_arn))
    return objects


def _nothing(uri: str, bucket: str, region: str, role_arn: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
        f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the "
        f'role "{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def opened(s3: S3Client, bucket: str, key: str) -> tuple[IO[bytes], int]:
    """Open an object: its content and its size, as ``archives.Files`` wants them."""
    response = s3.get_object(Bucket=bucket, Key=key)
    return cast("IO[bytes]", response["Body"]), response["ContentLength"]


def list_prefix(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the keys that begin with a prefix, without those of empty "folders"."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/"):
                yield item["Key"]


def _prefix_objects(s3: S3Client, bucket: str, prefix: str) -> Iterator[S3Object]:
    for key in list_prefix(s3, bucket, prefix):
        yield S3Object(bucket, key, relative(key, prefix))


def relative(key: str, prefix: str) -> str:
    """Return the path of an object below its channel's directory.

    >>> relative("training/input/iris.csv", "training/input/")
    'iris.csv'
    >>> relative("training/input/iris.csv", "training/input")
    'iris.csv'
    >>> relative("training/input/iris.csv", "training/input/iris.csv")
    'iris.csv'
    """
    rest = key[len(prefix) :]
    if not prefix.endswith("/") and not rest.startswith("/"):  # the prefix ends within a name
        rest = key[prefix.rfind("/") + 1 :]
    return _safe(rest.lstrip("/"))


def _manifest_objects(s3: S3Client, bucket: str, key: str) -> Iterator[S3Object]:
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    data_bucket, prefix = split(manifest[0]["prefix"])
    for name in manifest[1:]:
        try:
            s3.head_object(Bucket=data_bucket, Key=prefix + name)
        except ClientError as error:
            fault = error.response["Error"]
            raise NoDataError(
                f"s3://{data_bucket}/{prefix}{name}, which the manifest s3://{bucket}/{key} names, cannot be "
                f"read: {fault['Message']} ({fault['Code']})"
            ) from error
        yield S3Object(data_bucket, prefix + name, _safe(name.lstrip("/")))


def _safe(path: str) -> str:
    if ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} leaves the directory of the channel")
    return path
