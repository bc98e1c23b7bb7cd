#!/usr/bin/env bash
# Renaming an IAM user to a name that is taken succeeds in moto, and the user who had the name is gone: with
# its access keys and policies. AWS answers EntityAlreadyExists (409) and changes nothing (IAM API Reference,
# UpdateUser). A test that expects the refusal passes on AWS only, and a script that renames two users
# in a row loses one of them in moto without a word.
#
# Seen with moto 5.2.5 and boto3 1.44.8 on Python 3.11:
#   before: ['ana', 'bo'], key of bo: 1
#   renamed ana to bo: HTTP 200
#   after: ['bo'], key of bo: 0
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'moto[iam]==5.2.5' boto3==1.44.8

cat >"$directory/rename.py" <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    iam = boto3.client(
        "iam", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
    )
    for name in ("ana", "bo"):
        iam.create_user(UserName=name)
    iam.create_access_key(UserName="bo")

    def users():
        names = sorted(user["UserName"] for user in iam.list_users()["Users"])
        return f"{names}, key of bo: {len(iam.list_access_keys(UserName='bo')['AccessKeyMetadata'])}"

    print("before:", users())
    answer = iam.update_user(UserName="ana", NewUserName="bo")
    print("renamed ana to bo: HTTP", answer["ResponseMetadata"]["HTTPStatusCode"])
    print("after:", users())
PYTHON

"$directory/venv/bin/python" "$directory/rename.py" | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
before: ['ana', 'bo'], key of bo: 1
renamed ana to bo: HTTP 200
after: ['bo'], key of bo: 0
SEEN
echo "as described"
