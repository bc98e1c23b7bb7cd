"""Clients that people use beside boto3: the AWS CLI, s3fs, pandas."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_account.foundation.account import ROOT_CREDENTIALS
from tests.local_account.account_process import AccountProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def aws(account: AccountProcess, *arguments: str) -> str:
    """Run `aws s3`; return what it prints."""
    return subprocess.run(
        ["aws", "s3", *arguments], env=account.environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_the_aws_cli_copies_lists_and_synchronizes(
    local_account: AccountProcess, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    (there / "sub").mkdir(parents=True)
    (there / "a.txt").write_text("a")
    (there / "sub" / "b c.txt").write_text("b")
    (there / "large").write_bytes(os.urandom(9_000_000))  # sent in parts
    aws(local_account, "sync", str(there), f"s3://{bucket}/up", "--only-show-errors")
    assert "9000000 up/large" in aws(local_account, "ls", "--recursive", f"s3://{bucket}")
    assert "PRE sub/" in aws(local_account, "ls", f"s3://{bucket}/up/")
    aws(local_account, "cp", f"s3://{bucket}/up/large", f"s3://{bucket}/copy", "--only-show-errors")
    aws(local_account, "sync", f"s3://{bucket}/up", str(back), "--only-show-errors")
    for name in ("a.txt", "sub/b c.txt", "large"):
        assert (back / name).read_bytes() == (there / name).read_bytes()
    (there / "a.txt").unlink()
    assert "delete: " in aws(local_account, "sync", "--delete", str(there), f"s3://{bucket}/up")
    aws(local_account, "rm", "--recursive", f"s3://{bucket}", "--only-show-errors")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert aws(local_account, "mb", f"s3://{bucket}-2").strip() == f"make_bucket: {bucket}-2"
    aws(local_account, "rb", f"s3://{bucket}-2")


def test_s3fs_reads_and_writes(local_account: AccountProcess, bucket: str) -> None:
    s3fs = pytest.importorskip("s3fs")
    files = s3fs.S3FileSystem(
        key=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        client_kwargs={"endpoint_url": local_account.endpoint_url, "region_name": "us-east-1"},
    )
    with files.open(f"{bucket}/folder/a.csv", "wb") as file:
        file.write(b"x,y\n1,2\n")
    assert files.ls(f"{bucket}/folder") == [f"{bucket}/folder/a.csv"]
    with files.open(f"{bucket}/large", "wb") as file:  # in parts, with an empty x-amz-acl
        file.write(bytes(6_000_000))
    assert files.info(f"{bucket}/large")["size"] == 6_000_000
    assert files.cat(f"{bucket}/folder/a.csv") == b"x,y\n1,2\n"
    files.copy(f"{bucket}/folder/a.csv", f"{bucket}/folder/b.csv")
    files.rm(f"{bucket}/folder", recursive=True)
    assert not files.exists(f"{bucket}/folder/a.csv")


PANDAS = """
import sys
import pandas
options = {"client_kwargs": {"endpoint_url": sys.argv[2], "region_name": "us-east-1"}}
frame = pandas.DataFrame({"x": [1, 2], "y": ["a", "ü"]})
frame.to_csv(f"s3://{sys.argv[1]}/a.csv", index=False, storage_options=options)
assert pandas.read_csv(f"s3://{sys.argv[1]}/a.csv", storage_options=options).equals(frame)
print("read back")
"""


def test_pandas_reads_and_writes(local_account: AccountProcess, bucket: str) -> None:
    pytest.importorskip("s3fs")
    done = subprocess.run(  # pandas would weigh 70 MB on the process of all tests
        [sys.executable, "-W", "ignore", "-c", PANDAS, bucket, local_account.endpoint_url],
        env=local_account.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "read back\n", done.stderr
