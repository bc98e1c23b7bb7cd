#!/usr/bin/env bash
# moto's memory grows with all that was ever created, not with what is there: for its dashboard, it keeps a
# reference to each model object (a role, a policy, an object in S3 with its body) when it is made, and
# deleting the resource does not remove it. Only a reset does. A server that runs for days, or a long test
# session in one process, keeps every body that was ever put.
#
# Seen with moto 5.2.5 and boto3 1.44.8 on Python 3.11:
#   roles listed: 0, kept: 50
#   buckets listed: 0, bytes of deleted bodies kept: 5000000
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'moto[iam,s3]==5.2.5' boto3==1.44.8

cat >"$directory/kept.py" <<'PYTHON'
import gc

import boto3
from moto import mock_aws
from moto.iam.models import Role
from moto.s3.models import FakeKey

with mock_aws():
    given = {"region_name": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
    iam, s3 = boto3.client("iam", **given), boto3.client("s3", **given)
    for number in range(50):
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument="{}")
        iam.delete_role(RoleName=f"role-{number}")
    s3.create_bucket(Bucket="bodies")
    for number in range(5):
        s3.put_object(Bucket="bodies", Key=f"key-{number}", Body=bytes(1_000_000))
        s3.delete_object(Bucket="bodies", Key=f"key-{number}")
    s3.delete_bucket(Bucket="bodies")

    gc.collect()
    alive = gc.get_objects()
    roles = sum(type(one) is Role for one in alive)
    bodies = sum(one.size for one in alive if type(one) is FakeKey)
    print(f"roles listed: {len(iam.list_roles()['Roles'])}, kept: {roles}")
    print(f"buckets listed: {len(s3.list_buckets()['Buckets'])}, bytes of deleted bodies kept: {bodies}")
PYTHON

"$directory/venv/bin/python" "$directory/kept.py" | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
roles listed: 0, kept: 50
buckets listed: 0, bytes of deleted bodies kept: 5000000
SEEN
echo "as described"
