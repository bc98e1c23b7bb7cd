"""Buckets of stacks have the settings of their templates, and give them up again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.local_account.services.cloudformation.stack_maker import StackMaker
from tests.refusing import code

TEMPLATE = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: cfn-settings
      Tags: [{Key: team, Value: blue}]
      VersioningConfiguration: {Status: Enabled}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerPreferred}]}
      BucketEncryption:
        ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
      CorsConfiguration:
        CorsRules:
          - {Id: web, AllowedMethods: [GET], AllowedOrigins: ["*"], ExposedHeaders: [ETag], MaxAge: 60}
      LifecycleConfiguration:
        Rules:
          - {Id: big, Status: Enabled, Prefix: tmp/, ObjectSizeGreaterThan: "1000", ExpirationInDays: 3}
"""
GLACIER = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      LifecycleConfiguration:
        Rules: [{Status: Enabled, Transition: {StorageClass: GLACIER, TransitionInDays: 1}}]
"""
PLAIN = "Resources: {Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: cfn-settings}}}"


def test_settings_come_and_go_with_the_template(client: Callable[[str], Any], stacks: StackMaker) -> None:
    s3 = client("s3")
    done = stacks.create("bucket-settings", TEMPLATE)
    assert done["StackStatus"] == "CREATE_COMPLETE", stacks.failures("bucket-settings")
    (rule,) = s3.get_bucket_cors(Bucket="cfn-settings")["CORSRules"]
    assert (rule["ID"], rule["ExposeHeaders"], rule["MaxAgeSeconds"]) == ("web", ["ETag"], 60)
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="cfn-settings")["Rules"]
    assert rule["Filter"] == {"And": {"Prefix": "tmp/", "ObjectSizeGreaterThan": 1000}}
    assert {"Key": "team", "Value": "blue"} in s3.get_bucket_tagging(Bucket="cfn-settings")["TagSet"]
    assert s3.get_bucket_versioning(Bucket="cfn-settings")["Status"] == "Enabled"

    changed = stacks.update("bucket-settings", PLAIN)
    assert changed["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("bucket-settings")
    assert code(s3.get_bucket_cors, Bucket="cfn-settings") == "NoSuchCORSConfiguration"
    lifecycle = code(s3.get_bucket_lifecycle_configuration, Bucket="cfn-settings")
    assert lifecycle == "NoSuchLifecycleConfiguration"
    left = s3.get_bucket_tagging(Bucket="cfn-settings")["TagSet"]
    assert all(tag["Key"].startswith("aws:cloudformation:") for tag in left)
    assert s3.get_bucket_versioning(Bucket="cfn-settings")["Status"] == "Suspended"
    stacks.delete("bucket-settings")
    assert code(s3.head_bucket, Bucket="cfn-settings") == "404"


def test_what_s3_lacks_fails_the_stack_with_its_words(stacks: StackMaker) -> None:
    assert stacks.create("bucket-glacier", GLACIER)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Transitions is not supported by the local account" in str(stacks.failures("bucket-glacier"))
