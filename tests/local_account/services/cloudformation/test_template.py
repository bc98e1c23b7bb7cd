"""Templates are read as CloudFormation reads them, and rejected with the reason."""

import json
import re
from typing import Any

import pytest

from local_account.foundation.errors import ServiceError
from local_account.services.cloudformation import parameters
from local_account.services.cloudformation.intrinsics import PendingError, Scope
from local_account.services.cloudformation.scope import Recorded
from local_account.services.cloudformation.template import Template, parse

TYPES = {"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::Logs::LogGroup"}
BUCKET = "Resources: {B: {Type: AWS::S3::Bucket}}\n"


def scope(text: str, values: dict[str, str] | None = None, **records: Any) -> Scope:
    template = parse(text, TYPES)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (values or {}).items()]
    return Scope(
        template,
        parameters.typed(template, parameters.resolve(template, given, None)),
        {"AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"},
        Recorded(records),
        {"shared-vpc": "vpc-1"}.__getitem__,
        lambda region: [f"{region or 'eu-west-1'}a"],
    )


def evaluated(expression: str, **more: Any) -> Any:
    return scope(BUCKET + f"Outputs: {{X: {{Value: {expression}}}}}", **more).outputs()["X"]["Value"]


def refused(text: str) -> str:
    with pytest.raises(ServiceError) as caught:
        parse(text, TYPES)
    assert caught.value.code == "ValidationError"
    return caught.value.message


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('!Sub "a-${AWS::Region}-${!Literal}"', "a-eu-west-1-${Literal}"),
        ('!Sub ["${a}/${AWS::AccountId}", {a: !Join ["-", [x, 1, true]]}]', "x-1-true/123456789012"),
        ('!Select [1, !Split [",", "a,b,c"]]', "b"),
        ("!Base64 hello", "aGVsbG8="),
        ("!ImportValue shared-vpc", "vpc-1"),
        ("!Select [0, !GetAZs '']", "eu-west-1a"),
        ("!Join [',', !Cidr [10.0.0.0/16, 2, 8]]", "10.0.0.0/24,10.0.1.0/24"),
        ("{'Fn::Join': ['', [{Ref: 'AWS::Region'}, '!']]}", "eu-west-1!"),
        ("2012-10-17", "2012-10-17"),
    ],
)
def test_functions(expression: str, value: str) -> None:
    assert evaluated(expression) == value


def test_conditions_choose_values_resources_and_outputs() -> None:
    text = """
Parameters: {Stage: {Type: String, Default: dev}, Count: {Type: Number, Default: 1}}
Conditions:
  IsPrd: !Equals [!Ref Stage, prd]
  One: !Equals [!Ref Count, 1]
  Both: !And [!Condition IsPrd, !Not [!Condition One]]
  Either: !Or [!Condition IsPrd, !Condition One]
Resources:
  B:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !If [IsPrd, p, d], Tags: !If [Both, [], !Ref AWS::NoValue]}
  P: {Type: AWS::S3::Bucket, Condition: IsPrd, DependsOn: B}
Outputs: {P: {Condition: IsPrd, Value: !Ref P}, E: {Condition: Either, Value: x}}
"""
    dev = scope(text)
    assert list(dev.active()) == ["B"]
    assert dev.value(dev.active()["B"]["Properties"]) == {"BucketName": "d"}
    assert list(dev.outputs()) == ["E"]
    prd = scope(text, {"Stage": "prd"})
    assert prd.dependencies() == {"B": set(), "P": {"B"}}


def test_json_is_read_like_yaml() -> None:
    body = {
        "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "AWS::Region"}}}}
    }
    read = scope(json.dumps(body))
    assert read.value(read.active()["B"]["Properties"]) == {"BucketName": "eu-west-1"}


def test_mappings() -> None:
    mapping = "Mappings: {Sizes: {eu-west-1: {Small: ml.t3.medium}}}\n"
    text = mapping + BUCKET + "Outputs: {X: {Value: !FindInMap [Sizes, !Ref AWS::Region, Small]}}"
    assert scope(text).outputs()["X"]["Value"] == "ml.t3.medium"
    with pytest.raises(ServiceError, match="Unable to get mapping for Sizes::eu-west-1::Big"):
        scope(text.replace("Small]}", "Big]}")).outputs()


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("!Select [2, [a, b]]", "cannot select nonexistent value at index 2"),
        ("!Select [-1, [a, b]]", "cannot select nonexistent value at index -1"),
        ("!Select [bad, [a, b]]", "two elements: an integer index and a list"),
        ("!Join ['', [!Ref B, !Select [1, !Ref List]]]", "cannot select nonexistent value at index 1"),
        ("!FindInMap [Map, a, c]", "Unable to get mapping for Map::a::c"),
        ("!If [No, !Select [2, [a, b]], !Select [1, [a, b]]]", None),
        ("!Select [1, !Split [',', !GetAtt B.Arn]]", None),
        ("!Select [!GetAtt B.Arn, [a, b]]", None),
    ],
)
def test_what_selects_nothing_is_found_before_anything_is_created(
    expression: str, reason: str | None
) -> None:
    text = f"""
Parameters: {{List: {{Type: CommaDelimitedList, Default: a}}}}
Mappings: {{Map: {{a: {{b: c}}}}}}
Conditions: {{No: !Equals [a, b]}}
{BUCKET}
Outputs: {{X: {{Value: {expression}}}}}
"""

    def check() -> None:
        found = scope(text)
        found.check(list(parse(text, TYPES).outputs.values()))

    if reason is None:
        check()
    else:
        with pytest.raises(ServiceError, match=re.escape(reason)):
            check()


def test_references_to_what_does_not_exist_yet_are_pending() -> None:
    with pytest.raises(PendingError):
        evaluated("!Ref B")
    record = {"PhysicalResourceId": "bucket-1", "Attributes": {"Arn": "arn:x"}}
    made = scope(BUCKET + "Outputs: {X: {Value: !Sub '${B} ${B.Arn}'}}", B=record)
    assert made.outputs()["X"]["Value"] == "bucket-1 arn:x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Resources: {}", "At least one Resources member"),
        ("Resources: [", "YAML not well-formed.*line 2"),
        ('{"Resources": ', "JSON not well-formed"),
        ("Resources: {B: {Type: AWS::Nope::Thing}}", r"Unrecognized resource types: \[AWS::Nope::Thing\]"),
        ("Resources: {B: {Typ: AWS::S3::Bucket}}", "must contain a Type"),
        ("Resources: {B: {Type: AWS::S3::Bucket, DependsOn: C}}", r"Unresolved resource dependencies \[C\]"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Condition: C}}", "Unresolved condition dependency C"),
        ("Resources: {B: {Type: AWS::S3::Bucket, DeletionPolicy: Snapshot}}", "does not support deletion"),
        ("Resources: {B: {Type: AWS::S3::Bucket, CreationPolicy: {}}}", "CreationPolicy.*not supported"),
        ("Transform: AWS::Serverless-2016-10-31\n" + BUCKET, "Transform is not supported"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Version: '1.0'}}", "Invalid.*property 'Version'"),
        ("Resource: {}\n" + BUCKET, r"Invalid template property or properties \[Resource\]"),
    ],
)
def test_malformed_templates_say_why(text: str, reason: str) -> None:
    assert re.search(reason, refused(text))


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("{A: !Ref Nothing}", r"Unresolved resource dependencies \[Nothing\]"),
        ("{A: !GetAtt Nothing.Arn}", "GetAtt references undefined resource Nothing"),
        ("{A: !Ref C}", r"Circular dependency between resources: \[B, C\]"),
    ],
)
def test_references_are_checked_before_anything_is_created(properties: str, reason: str) -> None:
    text = f"""
Resources:
  B: {{Type: AWS::S3::Bucket, Properties: {properties}}}
  C: {{Type: AWS::S3::Bucket, DependsOn: B}}
"""
    with pytest.raises(ServiceError, match=reason):
        scope(text).dependencies()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Resources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n",
            "[/Resources/B/Properties] 'null' values are not allowed in templates",
        ),
        (
            BUCKET + "Outputs: {X: {Value: null}}",
            "[/Outputs/X/Value] 'null' values are not allowed in templates",
        ),
        (BUCKET + "Outputs:\n", "[/Outputs] 'null' values are not allowed in templates"),
        (
            "Resources: {B: {Type: AWS::S3::Bucket, Properties: {Tags: [{Key: a, Value: null}]}}}",
            "[/Resources/B/Properties/Tags/0/Value] 'null' values are not allowed in templates",
        ),
        ("Parameters: {My-Param: {Type: String}}\n" + BUCKET, "Parameter name My-Param is non alphanumeric."),
        ("Parameters: {'AWS::NoValue': {Type: String}}\n" + BUCKET, "AWS::NoValue is non alphanumeric."),
        ("Parameters: {P: {Default: a}}\n" + BUCKET, "Every Parameters object must contain a Type member."),
        (
            "Parameters: {P: {Type: String, MaximumLength: 1}}\n" + BUCKET,
            "Invalid template parameter property 'MaximumLength'",
        ),
        (BUCKET + "Outputs: {a.b: {Value: x}}", "Output name a.b is non alphanumeric."),
        ("Mappings: {M: {A: b}}\n" + BUCKET, "Every Mappings member A must be a map"),
        (
            "Mappings: {M: {A: {B: {C: d}}}}\n" + BUCKET,
            "Every Mappings attribute must be a String or a List.",
        ),
        (
            "Mappings: {M: {A: {B: !Ref P}}}\n" + BUCKET,
            "Every Mappings attribute must be a String or a List.",
        ),
        (
            "AWSTemplateFormatVersion: 2010-10-09\n" + BUCKET,
            "unsupported value for AWSTemplateFormatVersion.",
        ),
        ("Description: " + "d" * 1025 + "\n" + BUCKET, "'Description' length is greater than 1024"),
    ],
)
def test_what_no_template_may_contain_is_refused_at_once(text: str, reason: str) -> None:
    assert reason in refused(text)


def test_of_a_key_that_is_there_twice_the_last_value_counts() -> None:
    # CloudFormation accepts it: https://github.com/go-to-k/cdk-real-drift/pull/1133
    for text in (
        "Resources: {B: {Type: AWS::S3::Bucket}, B: {Type: AWS::IAM::Role}}",
        '{"Resources": {"B": {"Type": "AWS::S3::Bucket"}, "B": {"Type": "AWS::IAM::Role"}}}',
    ):
        assert parse(text, TYPES).types() == ["AWS::IAM::Role"]


def test_resources_can_have_a_description_and_custom_ones_a_version() -> None:
    # CodeStar described every resource: https://github.com/shalupov/idea-cloudformation/issues/117
    parse("Resources: {B: {Type: AWS::S3::Bucket, Description: Artifacts of the pipeline}}", TYPES)
    parse("Resources: {B: {Type: Custom::Thing, Version: '1.0'}}", {*TYPES, "Custom::Thing"})


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_a_database_with_snapshots_is_refused_for_its_type(policy: str) -> None:
    database = "AWS::RDS::DBInstance"
    with pytest.raises(ServiceError, match=rf"does not support these resource types.*\[{database}\]"):
        parse(f"Resources: {{D: {{Type: {database}, {policy}: Snapshot}}}}", TYPES, {*TYPES, database})


def test_json_with_trailing_commas_and_comments_is_yaml() -> None:
    text = '{\n  # as many templates have it\n  "Resources": {"B": {"Type": "AWS::S3::Bucket",},},\n}'
    assert list(scope(text).active()) == ["B"]


def test_types_that_aws_has_are_not_called_unknown() -> None:
    known = {*TYPES, "AWS::SSM::Parameter"}
    text = "Resources: {B: {Type: AWS::SSM::Parameter}}"
    with pytest.raises(
        ServiceError, match=r"does not support these .* which AWS has: \[AWS::SSM::Parameter\]"
    ):
        parse(text, TYPES, known)
    with pytest.raises(ServiceError, match="Unrecognized resource types"):
        parse(text, TYPES)
    parse(
        "Conditions: {No: !Equals [a, b]}\nResources: {B: {Type: AWS::SSM::Parameter, Condition: No}}",
        TYPES,
        known,
    )


def test_a_parameter_can_be_no_value() -> None:
    text = (
        "Parameters: {P: {Type: String}}\n"
        "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref P}}}"
    )
    made = scope(text, {"P": "AWS::NoValue"})
    assert made.value(made.active()["B"]["Properties"]) == {}


def declared(**declaration: Any) -> Template:
    return parse(
        json.dumps({"Parameters": {"P": declaration}, "Resources": {"B": {"Type": "AWS::S3::Bucket"}}}), TYPES
    )


@pytest.mark.parametrize(
    ("declaration", "value", "reason"),
    [
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", r"must match pattern"),
        ({"Type": "String", "MaxLength": "2"}, "abc", "at most 2"),
        ({"Type": "String", "MinLength": 2}, "a", "at least 2"),
        ({"Type": "Number", "MinValue": 3}, "2", "not less than 3"),
        ({"Type": "Number"}, "two", "must be a number"),
        ({"Type": "List<Number>", "MaxValue": 3}, "1,4", "not greater than 3"),
        (
            {"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "must be x."},
            "y",
            "constraint: must be x.",
        ),
        ({"Type": "Text"}, "y", "Unrecognized parameter type: Text"),
        ({"Type": "AWS::Route53::HostedZone::Id"}, "y", "does not support parameters of type AWS::Route53"),
    ],
)
def test_parameters_are_checked(declaration: dict[str, Any], value: str, reason: str) -> None:
    with pytest.raises(ServiceError, match=reason):
        parameters.resolve(declared(**declaration), [{"ParameterKey": "P", "ParameterValue": value}], None)


def test_parameters_come_from_the_request_the_previous_stack_or_the_default() -> None:
    template = declared(Type="CommaDelimitedList", Default="d1, d2")
    assert parameters.typed(template, parameters.resolve(template, [], None)) == {"P": ["d1", "d2"]}
    previous = parameters.resolve(template, [{"ParameterKey": "P", "UsePreviousValue": True}], {"P": "old"})
    assert previous == {"P": "old"}
    with pytest.raises(ServiceError, match=r"\[P\] must have values"):
        parameters.resolve(declared(Type="String"), [], None)
    with pytest.raises(ServiceError, match=r"\[Q\] do not exist in the template"):
        parameters.resolve(template, [{"ParameterKey": "Q", "ParameterValue": "1"}], None)


def test_no_echo_parameters_are_masked() -> None:
    template = declared(Type="String", NoEcho=True)
    assert parameters.shown(template, {"P": "secret"})[0]["ParameterValue"] == "****"
