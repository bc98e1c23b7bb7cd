#!/usr/bin/env bash
# The state of moto's SSM backend cannot be pickled once it is made, while that of S3, IAM, STS, Logs and EC2
# can: a program that keeps moto's state by pickling its backends has to leave SSM out.
#
# Seen with moto 5.2.5 on Python 3.11: the backend holds a defaultdict whose factory is a lambda.
#   ssm: AttributeError: Can't pickle local object 'SimpleSystemManagerBackend.__init__.<locals>.<lambda>'
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'moto[s3,iam,sts,logs,ec2,ssm]==5.2.5' boto3==1.44.5

cat >"$directory/keep.py" <<'PYTHON'
import pickle

import boto3
from moto import mock_aws
from moto.backends import get_backend


def kept(service):
    backends = get_backend(service)
    try:
        pickle.dumps({account: dict(regions) for account, regions in backends.items()})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "pickled"


with mock_aws():
    def client(name):
        return boto3.client(name, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")

    client("s3").create_bucket(Bucket="one")
    client("iam").create_user(UserName="one")
    client("sts").get_caller_identity()
    client("logs").create_log_group(logGroupName="one")
    client("ec2").describe_vpcs()
    client("ssm").put_parameter(Name="one", Value="1", Type="String")
    for service in ("s3", "iam", "sts", "logs", "ec2", "ssm"):
        print(f"{service}: {kept(service)}")
PYTHON
"$directory/venv/bin/python" "$directory/keep.py" | tee "$directory/seen.txt"
[ "$(grep -c ': pickled$' "$directory/seen.txt")" -eq 5 ]
grep -q "^ssm: AttributeError: Can't pickle local object" "$directory/seen.txt"
echo "as described"
