"""Each page shows what really is in the account, and escapes what people and programs wrote."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from lab_helpers.console import Console
from local_account.console import links
from tests.local_account.account_process import AccountProcess
from tests.local_account.console.browser import Browser, Shown
from tests.local_account.iam_roles import make_role
from tests.local_account.services.codebuild.codebuild_lab import CodeBuildLab
from tests.local_account.services.codepipeline.declare import approval, stage
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.local_account.services.lambda_.conftest import zipped
from tests.local_account.services.lambda_.settling import settle
from tests.waiting import Eventually

HOSTILE = "<script>alert('x')</script>"
LISTS = [
    links.overview,
    links.pipelines,
    links.projects,
    links.repositories,
    links.image_repositories,
    links.training_jobs,
    links.tuning_jobs,
    links.transform_jobs,
    links.model_package_groups,
    links.processing_jobs,
    links.endpoints,
    links.notebook_instances,
    links.stacks,
    links.buckets,
    links.functions,
    links.rules,
    links.log_groups,
    links.alarms,
    links.roles,
    links.quota_services,
]


@pytest.fixture
def name() -> str:
    return f"console-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def console(local_account: AccountProcess) -> Console:
    """The links that a lab has."""
    return Console(local_account.endpoint_url, "us-east-1")


def escapes(shown: Shown) -> None:
    """Check that a page shows HOSTILE as text, and has one script, its own."""
    assert shown.status == 200, shown.text
    assert HOSTILE in shown.text
    assert HOSTILE not in shown.answer.text
    assert len(shown.elements("script")) == 1


@pytest.mark.parametrize("address", LISTS, ids=lambda one: one.__name__)
def test_every_list_is_a_page_with_landmarks_and_one_heading(
    browser: Browser, address: Callable[[], str]
) -> None:
    shown = browser.open(address())
    assert shown.status == 200, shown.text
    assert [len(shown.elements(tag)) for tag in ("main", "h1", "header", "footer")] == [1, 1, 1, 1]
    assert next(one["aria-label"] for one in shown.elements("nav")) == "Services"
    assert shown.elements("html") == [{"lang": "en"}]
    assert shown.elements("caption") or shown.elements("p") or shown.elements("ul")


def test_a_pipeline_is_a_graph_with_its_executions(
    browser: Browser, client: Callable[[str], Any], eventually: Eventually, console: Console
) -> None:
    lab = PipelineLab(client, eventually)
    lab.upload({"a.txt": "a"})
    question = approval(
        configuration={"CustomData": "Look", "ExternalEntityLink": f"https://example.com/{HOSTILE}"}
    )
    pipeline = lab.create(lab.source(), stage("Decide", question))
    eventually(lambda: "▶ Waiting" in browser.open(console.pipeline(pipeline)).text)
    shown = browser.open(console.pipeline(pipeline))
    assert shown.status == 200, shown.text
    for words in ("Source", "Decide", "✓ Succeeded", "▶ Waiting", "Executions, newest first"):
        assert words in shown.text
    source = f"/_console/s3/object/{lab.bucket}?prefix=source.zip"
    assert shown.links["object"].startswith(source)
    (revision,) = [address for text, address in shown.links.items() if text.startswith("revision")]
    assert revision == source  # as GetPipelineState has it, which begins with the account's own address
    execution = client("codepipeline").list_pipeline_executions(pipelineName=pipeline)[
        "pipelineExecutionSummaries"
    ][0]
    identity = execution["pipelineExecutionId"]
    shown = browser.open(console.pipeline_execution(pipeline, identity))
    assert shown.status == 200, shown.text
    assert f"Execution {identity}" in shown.text
    assert "Decide: Approve" in shown.text
    assert shown.elements("div")[0]["data-live"] == "1"  # it goes on
    assert browser.open(links.executions(pipeline)).links[identity] == links.execution(pipeline, identity)


def test_a_pipeline_shows_the_rules_of_its_conditions_and_what_was_skipped(
    browser: Browser, client: Callable[[str], Any], eventually: Eventually, console: Console
) -> None:
    lab = PipelineLab(client, eventually)
    lab.upload({"a.txt": "a"})
    check = {
        "name": "IsRelease",
        "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1"},
        "configuration": {"Variable": "draft", "Value": "release", "Operator": "EQ"},
    }
    entry = {"conditions": [{"result": "SKIP", "rules": [check]}]}
    pipeline = lab.create(lab.source(), {**stage("Ask", approval()), "beforeEntry": entry})
    identity = lab.executions(pipeline)[0]["pipelineExecutionId"]
    assert lab.ended(pipeline, identity)["status"] == "Succeeded"
    shown = browser.open(console.pipeline(pipeline))
    for words in ("■ Skipped", "IsRelease", "rule before entry", "✗ Failed", "does not hold"):
        assert words in shown.text
    assert "does not hold" in browser.open(console.pipeline_execution(pipeline, identity)).text


def test_a_link_of_an_action_is_followed_only_to_the_web(
    browser: Browser, client: Callable[[str], Any], eventually: Eventually
) -> None:
    lab = PipelineLab(client, eventually)
    lab.upload({"a.txt": "a"})
    of_aws = "https://eu-west-1.console.aws.amazon.com/s3/object/b?prefix=report.md"
    actions = [
        approval("One", configuration={"ExternalEntityLink": of_aws}),
        approval("Two", configuration={"ExternalEntityLink": "javascript:alert(1)"}),
    ]
    pipeline = lab.create(lab.source(), stage("Decide", *actions))
    eventually(lambda: browser.open(links.pipeline(pipeline)).text.count("Waiting") == 2)
    shown = browser.open(links.pipeline(pipeline))
    assert shown.links["what it is about"] == "/_console/s3/object/b?prefix=report.md"
    assert not any(address.startswith("javascript") for address in shown.links.values())


def test_a_build_has_phases_variables_and_a_log(
    browser: Browser, client: Callable[[str], Any], eventually: Eventually, console: Console
) -> None:
    lab = CodeBuildLab(client, eventually)
    variable = {"name": "WORDS", "value": HOSTILE, "type": "PLAINTEXT"}
    build = lab.run(
        "version: 0.2\nphases: {build: {commands: ['echo \"$WORDS\"', 'false']}}\n",
        environment={"environmentVariables": [variable]},
    )
    shown = browser.open(console.build_log(build["id"]))
    escapes(shown)
    assert "✗ FAILED" in shown.text
    assert "COMMAND_EXECUTION_ERROR" in shown.text
    assert "Environment variables" in shown.text
    assert shown.text.count(HOSTILE) >= 2  # the variable and the line
    assert browser.open(console.build(build["id"])).text.startswith(f"Build {build['id']}")
    project = browser.open(console.build_project(build["projectName"]))
    assert project.links[build["id"]] == links.build(build["id"])
    assert (
        browser.open(f"/codesuite/codebuild/123456789012/projects/{build['projectName']}/history").status
        == 200
    )
    old = f"/codebuild/home?region=us-east-1#/builds/{build['id']}/view/new"
    assert browser.open(old).text.startswith(f"Build {build['id']}")


def test_a_log_grows_on_the_page_and_shows_its_end(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName=f"/test/{name}")
    logs.create_log_stream(logGroupName=f"/test/{name}", logStreamName="a/b[$LATEST]")

    def write(*lines: str) -> None:
        now = int(time.time() * 1000)
        logs.put_log_events(
            logGroupName=f"/test/{name}",
            logStreamName="a/b[$LATEST]",
            logEvents=[{"timestamp": now, "message": line} for line in lines],
        )

    address = console.log_stream(f"/test/{name}", "a/b[$LATEST]")
    assert "Nothing has been written yet." in browser.open(address).text
    write(*(f"line {number}" for number in range(1200)), HOSTILE)
    shown = browser.open(address)
    escapes(shown)
    assert "line 1199" in shown.text
    assert "line 600 " not in shown.text
    older = browser.open(shown.links["Older events"])
    assert "line 600 " in older.text
    assert "line 1199" not in older.text
    assert "line 1199" in browser.open(older.links["Newer events"]).text
    write("the last")
    assert "the last" in browser.open(address).text
    assert browser.open(console.log_group(f"/test/{name}")).links["a/b[$LATEST]"]
    assert browser.open(console.log_stream(f"/test/{name}", "a")).status == 404  # a beginning is not a name


def test_a_repository_has_branches_commits_and_files(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    codecommit = client("codecommit")
    codecommit.create_repository(repositoryName=name)
    empty = browser.open(console.repository(name))
    assert "Nothing has been pushed yet" in empty.text
    first = codecommit.create_commit(
        repositoryName=name,
        branchName="team/main",
        authorName=HOSTILE,
        email="a@example.com",
        commitMessage=f"{HOSTILE}\n\nwhy",
        putFiles=[
            {"filePath": "a/page.html", "fileContent": f"one\n{HOSTILE}\n".encode()},
            {"filePath": "binary", "fileContent": b"\0\1"},
        ],
    )["commitId"]
    second = codecommit.put_file(
        repositoryName=name,
        branchName="team/main",
        parentCommitId=first,
        filePath="a/page.html",
        fileContent=f"two\n{HOSTILE}\n".encode(),
        commitMessage="change",
    )["commitId"]
    shown = browser.open(console.repository(name))
    assert shown.links["a/"] == links.browse(name, "team/main", "a")
    assert browser.open(shown.links["a/"]).links["page.html"] == links.browse(
        name, "team/main", "a/page.html"
    )
    escapes(browser.open(links.browse(name, "team/main", "a/page.html")))
    assert "It is not text." in browser.open(links.browse(name, "team/main", "binary")).text
    escapes(browser.open(shown.links["commits of team/main"]))
    escapes(browser.open(console.commit(name, first)))
    changed = browser.open(console.commit(name, second))
    assert "-one" in changed.text
    assert "+two" in changed.text
    assert browser.open(console.commit(name, "0" * 40)).status == 404


def test_a_bucket_is_a_tree_and_an_object_never_runs(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    key = f"folder/{HOSTILE}.html"
    s3.put_object(
        Bucket=name,
        Key=key,
        Body=HOSTILE.encode() * 3,
        ContentType="text/html",
        Metadata={"kind": "<b>bold</b>"},
    )
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=b"\x1f\x8b\0\0" * 9)
    shown = browser.open(console.bucket(name))
    assert shown.links["folder/"] == links.bucket(name, "folder/")
    inside = browser.open(console.bucket(name, "folder/"))
    # The slash of "</script>" makes the rest of the key a folder's content.
    deeper = browser.open(
        next(address for text, address in inside.links.items() if text.startswith("<script>"))
    )
    assert any(text.endswith(".html") for text in deeper.links)
    page = browser.open(console.object(name, key))
    escapes(page)
    assert "<b>bold</b>" in page.text
    content = browser.request(page.links["Download"])
    assert content.content == HOSTILE.encode() * 3
    assert content.headers["Content-Type"] == "application/octet-stream"
    assert content.headers["Content-Disposition"].startswith("attachment;")
    assert "script-src" not in content.headers["Content-Security-Policy"]
    assert "Content" not in [
        one.get("aria-label") for one in browser.open(links.item(name, "model.tar.gz")).elements("pre")
    ]
    assert browser.open(console.object(name, "missing")).status == 404
    assert browser.open(console.bucket("no-such-bucket-anywhere")).status == 404


def test_a_function_has_its_configuration_and_log(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console, eventually: Eventually
) -> None:
    api = client("lambda")
    api.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=make_role(client("iam"), name, "lambda.amazonaws.com"),
        Code={"ZipFile": zipped("def handler(event, context):\n    print(event)\n")},
        Environment={"Variables": {"WORDS": HOSTILE}},
        Timeout=20,
    )
    settle(api, name)
    assert "Nothing has been written yet." in browser.open(console.function(name)).text
    api.invoke(FunctionName=name, Payload=b'"hello from the test"')
    eventually(lambda: "hello from the test" in browser.open(console.function(name)).text)
    escapes(browser.open(console.function(name)))


def test_a_rule_has_its_pattern_its_targets_and_their_deliveries(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console, eventually: Eventually
) -> None:
    api, role = client("lambda"), make_role(client("iam"), name, "lambda.amazonaws.com")
    function = api.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": zipped("def handler(event, context):\n    print(event)\n")},
    )["FunctionArn"]
    settle(api, name)
    events = client("events")
    rule = f"{name}-rule"
    source = events.put_rule(
        Name=rule,
        Description=HOSTILE,
        EventPattern=json.dumps({"source": ["my.test"], "detail-type": [name]}),
    )["RuleArn"]
    api.add_permission(
        FunctionName=name,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=source,
    )
    events.put_targets(Rule=rule, Targets=[{"Id": "it", "Arn": function, "Input": json.dumps(HOSTILE)}])
    events.put_events(Entries=[{"Source": "my.test", "DetailType": name, "Detail": "{}"}])

    eventually(lambda: "delivered: last 1" in browser.open(console.rule(rule)).answer.text)
    shown = browser.open(console.rule(rule))
    escapes(shown)
    assert '"source": [ "my.test" ]' in shown.text
    assert shown.links[function] == links.function(name)
    assert browser.open(console.function(name)).links[role] == links.role(name)
    listed = browser.open(console.rules())
    assert listed.links[rule] == links.rule(rule)
    assert f"enabled my.test: {name}" in listed.text
    events.remove_targets(Rule=rule, Ids=["it"])
    events.delete_rule(Name=rule)


def test_a_role_has_its_policies_and_a_policy_its_roles(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    iam = client("iam")
    make_role(iam, name, "lambda.amazonaws.com")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="inside", PolicyDocument=document)
    arn = iam.create_policy(PolicyName=f"{name}-policy", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)

    shown = browser.open(console.role(name))
    assert shown.status == 200, shown.text
    assert "Trusted lambda.amazonaws.com" in shown.text
    assert "inside (inline)" in shown.text
    assert f"arn:aws:s3:::{name}/*" in shown.text
    assert shown.links[f"{name}-policy"] == links.policy(arn)
    policy = browser.open(console.policy(arn))
    assert f"arn:aws:s3:::{name}/*" in policy.text
    assert policy.links[name] == links.role(name)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert browser.open(console.policy(arn)).status == 404


def test_a_quota_has_the_value_that_was_granted_beside_the_default(
    browser: Browser, client: Callable[[str], Any], console: Console
) -> None:
    quotas = client("service-quotas")
    quota = quotas.list_service_quotas(ServiceCode="codebuild")["Quotas"][0]
    granted = quota["Value"] + 7
    quotas.request_service_quota_increase(
        ServiceCode="codebuild", QuotaCode=quota["QuotaCode"], DesiredValue=granted
    )
    default = quotas.get_aws_default_service_quota(ServiceCode="codebuild", QuotaCode=quota["QuotaCode"])
    row = f"{quota['QuotaName']} {quota['QuotaCode']} {granted:g} {default['Quota']['Value']:g} yes"
    assert row in browser.open(console.service_quotas("codebuild")).text
    one = browser.open(f"{links.quotas('codebuild')}/{quota['QuotaCode']}")
    assert row in one.text
    assert one.links["codebuild"] == links.quotas("codebuild")


@pytest.mark.parametrize(
    ("arn", "page"),
    [
        ("arn:aws:iam::123456789012:role/service-role/r", links.role("r")),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", links.policy("arn:aws:iam::aws:policy/ReadOnlyAccess")),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:live", links.function("f")),
        ("arn:aws:codepipeline:us-east-1:123456789012:p", links.pipeline("p")),
        ("arn:aws:events:us-east-1:123456789012:rule/r", links.rule("r")),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/a/b:*", links.log_group("/a/b")),
        ("arn:aws:sns:us-east-1:123456789012:t", ""),
        ("no ARN", ""),
    ],
)
def test_an_arn_leads_to_the_page_of_what_it_names(arn: str, page: str) -> None:
    assert links.of_arn(arn) == page


def test_a_stack_has_resources_events_outputs_and_parameters(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    template = """
    {"Parameters": {"Words": {"Type": "String"}},
     "Resources": {"Group": {
       "Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Ref": "AWS::StackName"}}}},
     "Outputs": {"Said": {"Value": {"Ref": "Words"}}, "Page": {"Value":
       "https://us-east-1.console.aws.amazon.com/lambda/home?region=us-east-1#/functions/f"}}}
    """
    api = client("cloudformation")
    parameters = [{"ParameterKey": "Words", "ParameterValue": HOSTILE}]
    identity = api.create_stack(StackName=name, TemplateBody=template, Parameters=parameters)["StackId"]
    api.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    for address in (console.stack(identity), console.stack(name), links.stack(identity)):
        shown = browser.open(address)
        escapes(shown)
        assert "CREATE_COMPLETE" in shown.text
        assert shown.links[name] == links.log_group(name)
    assert "/_console/lambda/home?region=us-east-1#/functions/f" in shown.links.values()
    assert browser.open(links.stacks()).links[name] == links.stack(identity)
    api.delete_stack(StackName=name)
    api.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert browser.open(console.stack(name)).status == 404


def test_an_alarm_has_its_metric_and_history(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    api = client("cloudwatch")
    api.put_metric_data(Namespace="Test", MetricData=[{"MetricName": name, "Value": 7}])
    api.put_metric_alarm(
        AlarmName=f"{name} {HOSTILE}",
        Namespace="Test",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=2,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )
    api.set_alarm_state(AlarmName=f"{name} {HOSTILE}", StateValue="ALARM", StateReason="tried")
    shown = browser.open(console.alarm(f"{name} {HOSTILE}"))
    escapes(shown)
    assert "✗ ALARM" in shown.text
    assert "tried" in shown.text
    assert shown.elements("svg")[0]["role"] == "img"
    assert shown.elements("svg")[0]["aria-label"].startswith(f"{name}. {name}: last 7")
    assert f"{name} {HOSTILE}" in browser.open(links.overview()).text
    api.delete_alarms(AlarmNames=[f"{name} {HOSTILE}"])


def test_a_repository_of_images_shows_tags_and_digests(
    browser: Browser, client: Callable[[str], Any], name: str, console: Console
) -> None:
    ecr = client("ecr")
    ecr.create_repository(repositoryName=f"lab/{name}")
    shown = browser.open(console.image_repository("123456789012", f"lab/{name}"))
    assert "Nothing has been pushed yet." in shown.text
    assert browser.open(links.image_repositories()).links[f"lab/{name}"]


def test_what_does_not_exist_is_not_found_and_says_what(browser: Browser, console: Console) -> None:
    for address in (
        console.pipeline("none"),
        console.build("none:1"),
        console.build_project("none"),
        console.repository("none"),
        console.image_repository("123456789012", "none"),
        console.training_job("none"),
        console.endpoint("none"),
        console.notebook_instance("none"),
        console.function("none"),
        console.alarm("none"),
        console.log_group("none"),
        console.rule("none"),
        console.role("none"),
        console.service_quotas("none"),
    ):
        shown = browser.open(address)
        assert shown.status == 404, (address, shown.text)
        assert "none" in shown.text, shown.text


def test_labs_are_counted_by_their_tag_and_the_beginning_of_names(
    browser: Browser, client: Callable[[str], Any]
) -> None:
    lab = f"l{uuid.uuid4().hex[:6]}"
    codecommit = client("codecommit")
    for repository in ("one", "two"):
        codecommit.create_repository(repositoryName=f"{lab}-{repository}", tags={"mlops-workshop:lab": lab})
    text = browser.open("/").text
    assert f"{lab} 0 0 2 0" in text
    for repository in ("one", "two"):
        codecommit.delete_repository(repositoryName=f"{lab}-{repository}")
