#!/usr/bin/env bash
# In a bucket with versioning, moto goes on listing the "folder" of a key that was deleted: ListObjectsV2 with a
# delimiter answers a common prefix under which there is no key. On AWS, a key whose newest version is a delete
# marker is in no list of objects, and so contributes to no common prefix. A program that empties a bucket
# folder by folder never finds it empty. Deleting a key that was never there adds no delete marker in moto
# either; on AWS it does (Amazon S3 User Guide, "Working with delete markers").
#
# Seen with moto 5.2.5 and boto3 1.44.8 on Python 3.11:
#   folders: ['a/'], keys: []
#   keys under a/: []
#   markers after deleting a key that was never there: 0
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'moto[s3]==5.2.5' boto3==1.44.8

cat >"$directory/list.py" <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    s3 = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
    )
    for bucket in ("folders", "markers"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="folders", Key="a/model", Body=b"1")
    s3.delete_object(Bucket="folders", Key="a/model")

    top = s3.list_objects_v2(Bucket="folders", Delimiter="/")
    folders = [one["Prefix"] for one in top.get("CommonPrefixes", [])]
    print(f"folders: {folders}, keys: {[one['Key'] for one in top.get('Contents', [])]}")
    below = s3.list_objects_v2(Bucket="folders", Prefix="a/")
    print(f"keys under a/: {[one['Key'] for one in below.get('Contents', [])]}")

    s3.delete_object(Bucket="markers", Key="never there")
    found = s3.list_object_versions(Bucket="markers").get("DeleteMarkers", [])
    print("markers after deleting a key that was never there:", len(found))
PYTHON

"$directory/venv/bin/python" "$directory/list.py" | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
folders: ['a/'], keys: []
keys under a/: []
markers after deleting a key that was never there: 0
SEEN
echo "as described"
