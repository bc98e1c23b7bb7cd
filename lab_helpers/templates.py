"""Templates with local code: upload the code to S3 and point the template to it.

Does what `aws cloudformation package` does for functions (AWS CLI reference, "package"), without the CLI's
start-up time. The same files always give the same zip file, so that nothing is updated if nothing has
changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EPOCH = (1980, 1, 1, 0, 0, 0)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads the short form of intrinsic functions (`!Sub`) as the long form (`Fn::Sub`)."""


def _intrinsic(loader: Any, name: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_template(path: Path) -> dict[str, Any]:
    """Return a YAML template with intrinsic functions in their long form."""
    return parse_template(path.read_text(encoding="utf-8"))


def parse_template(text: str) -> dict[str, Any]:
    """Return the same from the text of a template in YAML or JSON."""
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    return template


def package(path: Path, s3: S3Client, bucket: str, prefix: str) -> dict[str, Any]:
    """Return the template at `path` with the code of its functions in `s3://bucket/prefix/`.

    If the `Code` of an AWS::Lambda::Function is a path relative to the template, it becomes a zip file named
    by the MD5 of its content, as with the CLI; an existing file is not uploaded again.
    """
    template = read_template(path)
    uploaded: dict[str, str] = {}
    for resource in template["Resources"].values():
        code = resource["Properties"].get("Code") if resource["Type"] == "AWS::Lambda::Function" else None
        if isinstance(code, str):
            if code not in uploaded:
                uploaded[code] = _upload(zipped(path.parent / code), s3, bucket, prefix)
            resource["Properties"]["Code"] = {"S3Bucket": bucket, "S3Key": uploaded[code]}
    return template


def zipped(directory: Path) -> bytes:
    """Return a zip file of a directory, without compiled Python; the same files give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes())
    return content.getvalue()


def _upload(content: bytes, s3: S3Client, bucket: str, prefix: str) -> str:
    key = f"{prefix}/{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
            raise
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key


def body(template: dict[str, Any]) -> str:
    """Return a template as CloudFormation takes it: JSON of at most 51,200 bytes (TemplateBody)."""
    return json.dumps(template, separators=(",", ":"))
