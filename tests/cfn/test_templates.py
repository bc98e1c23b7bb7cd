"""Every resource of the workshop, their names, and what templates and functions tell each other."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.names import Names
from local_account.services.events.matcher import Matcher
from local_account.services.events.pattern import compile_pattern
from tests.cfn.templates import CFN, EXECUTION, LONGEST, TEMPLATES, resources, text

sys.path.insert(0, str(CFN / "functions"))

NOTES = {
    "m": {
        "MLOpsScikitImageRepo": "AWS::ECR::Repository",
        "MLOpsIrisModelRepo": "AWS::ECR::Repository",
        "MLOpsBucket": "AWS::S3::Bucket",
        "MLOpsRepo": "AWS::CodeCommit::Repository",
        "IAWorkshopNotebookInstance": "AWS::SageMaker::NotebookInstance",
        "IAWorkshopNotebookInstanceLifecycleConfig": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
        "MLOpsCodeBuild": "AWS::IAM::Role",
        "MLOps": "AWS::IAM::Role",
    },
    "build-image": {
        "BuildImageProject": "AWS::CodeBuild::Project",
        "DeployPipeline": "AWS::CodePipeline::Pipeline",
        "PushRule": "AWS::Events::Rule",
    },
    "train-model-pipeline": {
        "Launcher": "AWS::Lambda::Function",
        "Monitor": "AWS::Lambda::Function",
        "MonitorPermission": "AWS::Lambda::Permission",
        "MonitorRule": "AWS::Events::Rule",
        "UploadRule": "AWS::Events::Rule",
        "DriftRule": "AWS::Events::Rule",
        "LabelsRule": "AWS::Events::Rule",
        "TrainPipeline": "AWS::CodePipeline::Pipeline",
    },
    "deploy-model-dev": {
        "Model": "AWS::SageMaker::Model",
        "EndpointConfig": "AWS::SageMaker::EndpointConfig",
        "Endpoint": "AWS::SageMaker::Endpoint",
    },
    "deploy-model-prd": {
        "Model": "AWS::SageMaker::Model",
        "EndpointConfig": "AWS::SageMaker::EndpointConfig",
        "Endpoint": "AWS::SageMaker::Endpoint",
        "ScalableTarget": "AWS::ApplicationAutoScaling::ScalableTarget",
        "ScalingPolicy": "AWS::ApplicationAutoScaling::ScalingPolicy",
    },
}
# By resource type: the property that holds the name, and the longest name that the service accepts.
LIMITS = {
    "AWS::ECR::Repository": ("RepositoryName", 256),
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::CodeCommit::Repository": ("RepositoryName", 100),
    "AWS::SageMaker::NotebookInstance": ("NotebookInstanceName", 63),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": ("NotebookInstanceLifecycleConfigName", 63),
    "AWS::SageMaker::Model": ("ModelName", 63),
    "AWS::SageMaker::EndpointConfig": ("EndpointConfigName", 63),
    "AWS::SageMaker::Endpoint": ("EndpointName", 63),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName", 63),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", 128),
    "AWS::CodeBuild::Project": ("Name", 150),
    "AWS::CodePipeline::Pipeline": ("Name", 100),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("PolicyName", 256),
}
NAMELESS = {
    "AWS::S3::BucketPolicy",
    "AWS::Lambda::Permission",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::CloudFormation::Stack",
}
# Roles take the tags of the stack (test_workshop_templates); their template says why.
UNTAGGED = NAMELESS - {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::CloudFormation::Stack"} | {
    "AWS::IAM::Role",
    "AWS::IAM::ManagedPolicy",
    "AWS::SageMaker::NotebookInstanceLifecycleConfig",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
}


@pytest.mark.parametrize("name", NOTES)
def test_every_resource_of_the_notes_is_there(name: str) -> None:
    found = {logical_id: resource["Type"] for logical_id, resource in TEMPLATES[name]["Resources"].items()}

    assert NOTES[name].items() <= found.items()


@pytest.mark.parametrize("name", TEMPLATES)
def test_parameters_explain_and_constrain_themselves(name: str) -> None:
    template = TEMPLATES[name]
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [parameter for group in interface["ParameterGroups"] for parameter in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"]) == sorted(interface["ParameterLabels"])
    for parameter, about in template["Parameters"].items():
        assert about["Description"].endswith("."), parameter
        assert about["ConstraintDescription"].startswith("must "), parameter
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(about), parameter
        default = about.get("Default")
        if default is not None and "AllowedPattern" in about:
            assert re.fullmatch(about["AllowedPattern"], str(default)), parameter
    assert template["Outputs"]
    assert all(output["Description"] for output in template["Outputs"].values())


@pytest.mark.parametrize("name", TEMPLATES)
def test_resources_carry_lab_and_expiry_and_their_name_fits_with_the_longest_prefix(name: str) -> None:
    for logical_id, resource in TEMPLATES[name]["Resources"].items():
        kind, properties = resource["Type"], resource["Properties"]
        if kind not in UNTAGGED:
            tags = {tag["Key"]: text(tag["Value"]) for tag in properties["Tags"]}
            assert tags["mlops-workshop:lab"] == "abcdefghij", logical_id
            assert tags["mlops-workshop:expires"] == LONGEST["ExpiresAt"], logical_id
        if kind in NAMELESS:
            continue
        property_name, limit = LIMITS[kind]
        value = text(properties[property_name])
        assert LONGEST["NamePrefix"] in value, logical_id
        assert len(value) <= limit, (logical_id, value)
        assert "<" not in value, value


@pytest.mark.parametrize("name", sorted(TEMPLATES.keys() - {"notebook-policies"}))  # nothing there takes tags
def test_a_lab_expires_at_a_time_in_utc_or_never(name: str) -> None:
    from lab_helpers.instructor.ttl import expires_at

    about = TEMPLATES[name]["Parameters"]["ExpiresAt"]

    assert about["Default"] == "never"
    assert re.fullmatch(about["AllowedPattern"], expires_at("3d"))
    assert not re.fullmatch(about["AllowedPattern"], "2026-11-30 18:00")


def test_the_training_pipeline_hands_the_expiry_to_both_endpoints() -> None:
    for stage in ("DeployDev", "DeployPrd"):
        configuration = stages("train-model-pipeline")[stage]["Configuration"]
        assert json.loads(text(configuration["ParameterOverrides"]))["ExpiresAt"] == LONGEST["ExpiresAt"]


def test_the_names_match_those_that_the_helpers_use() -> None:
    names = Names("abcdefghij")
    made = {text(properties[LIMITS[kind][0]]) for kind in LIMITS for _, properties in resources(kind)}
    assert {
        names.base_image,
        names.repository,
        names.bucket(LONGEST["AWS::Region"], LONGEST["AWS::AccountId"]),
        names.notebook_instance,
        names.lifecycle_config,
        names.base_pipeline,
        names.train_pipeline,
        names.launcher,
        names.monitor,
        names.tester,
        names.base_push_rule,
        names.upload_rule,
        names.drift_rule,
        names.labels_rule,
        names.monitor_rule,
        names.dev_endpoint,
        names.prd_endpoint,
        *(names.role(purpose) for purpose in ("notebook", "codebuild", "pipeline", "deploy", "launcher")),
        *(names.role(purpose) for purpose in ("monitor", "tester", "events", "sagemaker")),
    } <= made


def test_the_bucket_is_private_versioned_encrypted_and_notifies_eventbridge() -> None:
    bucket = TEMPLATES["m"]["Resources"]["MLOpsBucket"]["Properties"]

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert any("NoncurrentVersionExpiration" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])


def test_registries_scan_clean_up_and_are_deleted_with_their_stack() -> None:
    for _, registry in resources("AWS::ECR::Repository"):
        assert registry["EmptyOnDelete"] is True
        assert registry["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert json.loads(registry["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]


def stages(name: str) -> dict[str, dict[str, Any]]:
    """Return the one action of each stage of a template's pipeline, in order."""
    ((_, pipeline),) = resources("AWS::CodePipeline::Pipeline", name)
    assert (pipeline["PipelineType"], pipeline["ExecutionMode"]) == ("V2", "QUEUED")
    return {stage["Name"]: stage["Actions"][0] for stage in pipeline["Stages"]}


def test_the_stages_are_those_of_the_notes_and_no_source_is_polled() -> None:
    assert list(stages("build-image")) == ["Source", "Build"]
    assert list(stages("train-model-pipeline")) == [
        "Source",
        "Train",
        "TrainApproval",
        "DeployDev",
        "TestDev",
        "DeployApproval",
        "DeployPrd",
    ]
    for name in ("build-image", "train-model-pipeline"):
        for configuration in variants(stages(name)["Source"]["Configuration"]):
            assert configuration["PollForSourceChanges"] == "false"


def variants(value: dict[str, Any]) -> list[Any]:
    """Return the possible values of a property: both branches of an `Fn::If`."""
    return value["Fn::If"][1:] if "Fn::If" in value else [value]


@pytest.mark.parametrize(
    ("name", "rule"), [("build-image", "PushRule"), ("train-model-pipeline", "UploadRule")]
)
def test_an_event_starts_its_pipeline_with_exactly_the_revision_it_is_about(name: str, rule: str) -> None:
    (target,) = TEMPLATES[name]["Resources"][rule]["Properties"]["Targets"]
    for transformer in variants(target["InputTransformer"]):
        (placeholder,) = transformer["InputPathsMap"]
        given = json.loads(transformer["InputTemplate"].replace(f"<{placeholder}>", "revision"))

        (override,) = given["sourceRevisions"]
        assert override["actionName"] == stages(name)["Source"]["Name"]
        assert override["revisionValue"] == "revision"


def test_the_source_of_an_image_is_a_repository_or_the_zip_file_of_a_push_to_the_bucket() -> None:
    source, rule = stages("build-image")["Source"], TEMPLATES["build-image"]["Resources"]["PushRule"]
    assert source["ActionTypeId"]["Provider"] == {"Fn::If": ["HasRepository", "CodeCommit", "S3"]}
    of_git, of_bucket = variants(source["Configuration"])
    pushed, uploaded = variants(rule["Properties"]["EventPattern"])
    assert pushed["detail"]["referenceName"] == [of_git["BranchName"]]
    assert uploaded["detail"]["object"]["key"] == [of_bucket["S3ObjectKey"]]
    assert uploaded["detail"]["bucket"]["name"] == [of_bucket["S3Bucket"]]


@pytest.mark.parametrize("stage", ["Dev", "Prd"])
def test_a_deploy_action_passes_every_parameter_that_its_template_requires(stage: str) -> None:
    configuration = stages("train-model-pipeline")[f"Deploy{stage}"]["Configuration"]
    template = configuration["TemplatePath"].removeprefix("Source::").removesuffix(".yml")
    overrides = json.loads(text(configuration["ParameterOverrides"]))
    parameters = TEMPLATES[template]["Parameters"]

    assert set(overrides) <= set(parameters)
    assert {name for name, about in parameters.items() if "Default" not in about} <= set(overrides)
    # CodePipeline, CloudFormation action reference: ParameterOverrides has at most 1 kilobyte.
    grown = json.dumps(overrides).replace("#{", "#{" + "x" * 100)
    assert len(grown) < 1024


def test_a_failed_first_dev_is_replaced_but_never_production() -> None:
    modes = {
        n: a["Configuration"]["ActionMode"]
        for n, a in stages("train-model-pipeline").items()
        if "Deploy" in n and "ActionMode" in a["Configuration"]
    }

    assert modes == {"DeployDev": "REPLACE_ON_FAILURE", "DeployPrd": "CREATE_UPDATE"}


def test_production_depends_on_nothing_of_dev() -> None:
    own = TEMPLATES["deploy-model-prd"]["Resources"]
    variant = own["EndpointConfig"]["Properties"]["ProductionVariants"][0]
    names = {
        text(found["Properties"]["ModelName"])
        for found in (own["Model"], TEMPLATES["deploy-model-dev"]["Resources"]["Model"])
    }

    assert variant["ModelName"] == {"Fn::GetAtt": ["Model", "ModelName"]}
    assert len(names) == 2
    assert all(name.endswith(EXECUTION) for name in names)


def test_a_release_of_production_is_rolled_back_by_its_alarms() -> None:
    own = TEMPLATES["deploy-model-prd"]["Resources"]
    config = own["Endpoint"]["Properties"]["DeploymentConfig"]

    alarms = [alarm["AlarmName"]["Ref"] for alarm in config["AutoRollbackConfiguration"]["Alarms"]]
    assert {own[alarm]["Properties"]["MetricName"] for alarm in alarms} == {
        "Invocation5XXErrors",
        "ModelLatency",
    }
    # When the endpoint is first created, there are no metrics yet.
    assert {own[alarm]["Properties"]["TreatMissingData"] for alarm in alarms} == {"notBreaching"}


def test_the_monitor_rule_sleeps_until_the_launcher_wakes_it() -> None:
    rule = TEMPLATES["train-model-pipeline"]["Resources"]["MonitorRule"]["Properties"]

    assert rule["State"] == "DISABLED"
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    jobs, approvals, decisions = rule["EventPattern"]["$or"]
    assert text(jobs["detail"]["TrainingJobName"][0]["prefix"]) == "abcdefghij-iris-model-"
    assert approvals["detail"]["stage"] == ["TrainApproval"]
    assert decisions["detail"]["stage"] == ["DeployApproval"]


def rule(name: str) -> dict[str, Any]:
    found: dict[str, Any] = TEMPLATES["train-model-pipeline"]["Resources"][name]["Properties"]
    return found


def starts(name: str, event: dict[str, Any]) -> bool:
    """Return whether an event matches the pattern of a rule, with the longest lab id."""
    pattern = compile_pattern(json.dumps(resolved(rule(name)["EventPattern"])))
    return Matcher([(name, pattern)]).match(event) == [name]


def resolved(value: Any) -> Any:
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if isinstance(value, dict) and value.keys() <= {"Ref", "Fn::Sub"}:
        return text(value)
    return {key: resolved(one) for key, one in value.items()} if isinstance(value, dict) else value


def stored(key: str) -> dict[str, Any]:
    """S3 User Guide, "EventBridge event message structure"."""
    bucket = text({"Ref": "BucketName"})
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "version-id": "v"}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def alarmed(name: str, state: str) -> dict[str, Any]:
    """CloudWatch User Guide, "Alarm events and EventBridge"."""
    detail = {"alarmName": name, "state": {"value": state}, "previousState": {"value": "OK"}}
    return {"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": detail}


def test_labeled_data_and_zip_start_one_execution_each_and_the_lessons_data_none() -> None:
    keys_and_rules = {
        "training/input/iris.csv": [],
        "training/input/labeled/": [],  # the console makes such an object for a folder
        "training/input/labeled/week-1.csv": ["LabelsRule"],
        "training/input/labeled/2026/12/01.csv": ["LabelsRule"],
        "training/input/labeled/README.md": [],
        "training/source/trainingjob.zip": ["UploadRule"],
        "training/output/job/output/model.tar.gz": [],
    }

    for key, rules in keys_and_rules.items():
        assert [name for name in ("UploadRule", "LabelsRule") if starts(name, stored(key))] == rules, key


def test_only_the_drift_alarm_of_the_own_lab_starts_an_execution_and_only_when_it_goes_off() -> None:
    drift = f"{Names('abcdefghij').prd_endpoint}-drift"

    assert starts("DriftRule", alarmed(drift, "ALARM"))
    assert not starts("DriftRule", alarmed(drift, "OK"))
    assert not starts("DriftRule", alarmed("iris-model-prd-drift", "ALARM"))
    assert not starts("DriftRule", alarmed(drift.replace("drift", "model-latency"), "ALARM"))


@pytest.mark.parametrize(
    ("name", "parameter"), [("DriftRule", "RetrainOnDrift"), ("LabelsRule", "RetrainOnLabels")]
)
def test_retraining_is_off_unless_it_is_asked_for(name: str, parameter: str) -> None:
    assert rule(name)["State"] == {"Ref": parameter}
    (target,) = rule(name)["Targets"]
    assert "InputTransformer" not in target, "the newest zip is trained"
    for template in ("train-model-pipeline", "m"):
        declared = TEMPLATES[template]["Parameters"][parameter]
        assert (declared["Default"], declared["AllowedValues"]) == ("DISABLED", ["DISABLED", "ENABLED"])


@pytest.mark.parametrize("function", ["Launcher", "Monitor", "Tester"])
def test_a_function_finds_its_handler_and_every_setting(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    properties = TEMPLATES["train-model-pipeline"]["Resources"][function]["Properties"]
    assert re.fullmatch(r"python3\.1[3-9]", properties["Runtime"])
    module, _, name = properties["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    environment = {key: text(value) for key, value in properties["Environment"]["Variables"].items()}
    package = module.split(".", maxsplit=1)[0]
    settings = importlib.import_module(
        {"launcher": "launcher.launch", "monitor": "monitor.watch", "tester": "tester.testing"}[package]
    ).Settings

    assert {name.upper() for name in settings.__dataclass_fields__} == set(environment)
    settings.read(environment)
    assert (CFN / properties["Code"] / package / "__init__.py").is_file()


def test_the_longest_training_job_name_fits() -> None:
    launcher = TEMPLATES["train-model-pipeline"]["Resources"]["Launcher"]["Properties"]
    prefix = text(launcher["Environment"]["Variables"]["TRAINING_JOB_PREFIX"])

    assert len(prefix + EXECUTION) <= 63


def test_a_function_logs_to_a_group_with_limited_retention() -> None:
    groups = {
        text(properties["LogGroupName"]): properties for _, properties in resources("AWS::Logs::LogGroup")
    }
    for _, function in resources("AWS::Lambda::Function"):
        assert groups[f"/aws/lambda/{text(function['FunctionName'])}"]["RetentionInDays"]
    assert all(properties["RetentionInDays"] for properties in groups.values())


def test_a_suppression_has_a_reason() -> None:
    for path in sorted(Path(CFN).glob("*.yml")):
        for line in path.read_text().splitlines():
            if "ignore_checks" in line:
                assert re.search(r"\] # .{20,}", line), (path.name, line)
