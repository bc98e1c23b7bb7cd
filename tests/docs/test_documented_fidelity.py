"""docs/fidelity.md is what the code says, and what it says is true of the code."""

import re
from functools import cache

import botocore.session
import pytest

from local_account.fidelity import __main__ as generator
from local_account.fidelity import notes, standing
from local_account.fidelity.notes import EVERYWHERE, Note
from local_account.foundation.errors import FIDELITY, pointed
from tests.conformance.counts import Counts, counts
from tests.docs.pages import ROOT, anchors, page, rows, section

SERVICES = "local_account/services"
TIMES = re.compile(r"(Creation|LastModified)Time(Before|After)")
"""SageMaker's filters of lists, whose names are put together."""
WITHOUT_EFFECT = {
    "BatchGetImage.acceptedMediaTypes": "an image has the manifest that was pushed, and no other",
    "CreateChangeSet.ClientToken": "a change set of the same name is refused",
    "CreateChangeSet.DisableValidation": "the validations before a deployment are AWS's own",
    "CreateConnection.ProviderEndpoint": "the providers that need it are refused",
    "CreateModelPackage.SkipModelValidation": "no model is validated",
    "CreatePresignedNotebookInstanceUrl.SessionExpirationDurationInSeconds": "a notebook asks for no login",
    "CreateProject.buildBatchConfig": "kept with the project; batch builds are refused",
    "CreateProject.description": "kept with the project",
    "CreateSecret.ForceOverwriteReplicaSecret": "replicas are refused",
    "CreateStack.DisableValidation": "the validations before a deployment are AWS's own",
    "DeleteRule.Force": "for rules that a service manages: there are none",
    "DescribeAlarmHistory.AlarmContributorId": "for alarms with several series, which are refused",
    "FilterLogEvents.interleaved": "ignored by AWS, too: results are interleaved always",
    "GetMetricData.LabelOptions": "for dynamic labels, which are refused",
    "GetResourcePolicy.PolicyName": "not a member of the request on AWS",
    "GetServiceQuota.ContextId": "no quota is of a single resource",
    "GetTemplate.TemplateStage": "both stages are the same without transforms",
    "GetTemplateSummary.CallAs": "for stack sets, which are refused",
    "GetTemplateSummary.TemplateSummaryConfig": "of resource types that are not known, which are refused",
    "ListFunctions.MasterRegion": "for Lambda@Edge",
    "ListMetrics.IncludeLinkedAccounts": "there are no linked accounts",
    "PutLogEvents.entity": "of Application Signals",
    "PutMetricData.StrictEntityValidation": "entities are refused",
    "RemoveTargets.Force": "for rules that a service manages: there are none",
    "RequestServiceQuotaIncrease.ContextId": "no quota is of a single resource",
    "RequestServiceQuotaIncrease.SupportCaseAllowed": "every increase is granted at once",
    "UpdateNotebookInstance.DisassociateAcceleratorTypes": "accelerators are refused",
    "UpdateProject.buildBatchConfig": "kept with the project; batch builds are refused",
    "UpdateProject.description": "kept with the project",
    "UpdateStack.DisableValidation": "the validations before a deployment are AWS's own",
}
"""Members of requests that neither the code nor the page names, with why that is right."""

COMMAND = "run `python -m local_account.fidelity > docs/fidelity.md`"


@cache
def found() -> list[Note]:
    return notes.read(ROOT / "local_account", standing.folders(), standing.operations())


@cache
def refused() -> dict[str, set[str]]:
    return {one.service: set(one.refuses) for one in standing.standings(found())}


def test_the_page_is_what_the_code_says() -> None:
    text = page(FIDELITY)
    assert text == generator.generate(section(text, "Conformance").strip().split("\n\n")[-1]), COMMAND


def test_the_table_of_conformance_claims_no_more_than_there_is() -> None:
    *areas, (total, *numbers) = rows(section(page(FIDELITY), "Conformance"))
    known = counts()
    for area, *row in areas:
        cases, equal, different, lacking = map(int, row)
        assert cases == equal + different + lacking
        assert cases <= known.get(area, Counts(0, 0, 0, 0)).cases, f"{area}: {COMMAND}"
    assert total == "total"
    assert [int(one) for one in numbers] == [sum(int(row[i]) for row in areas) for i in (1, 2, 3, 4)]


def test_every_operation_of_botocore_stands_somewhere_once() -> None:
    for one in standing.standings(found()):
        named = [*one.executes, *one.keeps, *one.refuses]
        assert sorted(named) == sorted(standing.operations()[one.service].values())


def test_what_people_look_for_is_refused() -> None:
    lacking = [note for note in found() if note.kind == "Lacks"]
    assert len(lacking) > 10
    for note in lacking:
        names = set(re.findall(r"`([\w-]+)`", note.text))
        known = set(standing.names()) if note.section == EVERYWHERE else set()
        assert not names & known, f"{note.where}: the account has {names & known}"
        if note.section != EVERYWHERE:
            assert names <= refused()[note.section], f"{note.where}: {names - refused()[note.section]}"


def test_notes_name_operations_of_their_service() -> None:
    for note in found():
        known = set(standing.operations().get(note.section, {}).values())
        assert set(note.subject) <= known, f"{note.where}: {set(note.subject) - known}"


def test_what_looks_like_a_note_is_read_as_one() -> None:
    form = r'^\s*(?:"""|# )?(Differs from AWS|Kept only|Refuses|Lacks)\b[^.]*?:\s'
    written = re.compile(form, re.MULTILINE)
    for path in (ROOT / "local_account").rglob("*.py"):
        where = path.relative_to(ROOT / "local_account").as_posix()
        if not where.startswith(("fidelity/", "scaffold/")):
            count = len(written.findall(path.read_text()))
            members = path.read_text().count('"""Refuses in ')
            assert count + members == sum(note.where == where for note in found()), where


@pytest.mark.parametrize("service", sorted({*standing.folders().values()} - {"s3"}))
def test_no_member_of_a_request_is_ignored_without_a_word(service: str) -> None:
    """Whatever a request of an executed operation can have is named in the service, or on the page.

    S3 reads headers, by other names. StartBuild refuses each member that it does not know.
    """
    rooms = [folder for folder, name in standing.folders().items() if name == service]
    sources = [path.read_text() for room in rooms for path in (ROOT / SERVICES / room).rglob("*.py")]
    named = set(re.findall(r"\w+", " ".join([*sources, section(page(FIDELITY), service)])))
    (one,) = [one for one in standing.standings(found()) if one.service == service]
    model = botocore.session.get_session().get_service_model(service)
    ignored = {
        f"{operation}.{member}"
        for operation in one.executes
        for member in getattr(model.operation_model(operation).input_shape, "members", ())
        if member not in named and operation != "StartBuild" and not TIMES.fullmatch(member)
    }
    assert ignored <= WITHOUT_EFFECT.keys()


def test_what_has_no_effect_is_a_member_of_an_executed_operation() -> None:
    known = set()
    for one in standing.standings(found()):
        model = botocore.session.get_session().get_service_model(one.service)
        for operation in one.executes:
            members = getattr(model.operation_model(operation).input_shape, "members", ())
            known |= {f"{operation}.{member}" for member in members}
    assert WITHOUT_EFFECT.keys() <= known


@pytest.mark.parametrize("service", standing.names())
def test_errors_point_to_a_section_that_exists(service: str) -> None:
    message = pointed(f"{service}.Anything is not supported by the local account", service)
    assert message.endswith(f"({FIDELITY}#{service})")
    assert service in anchors(page(FIDELITY))


def test_only_what_the_account_lacks_is_pointed_at() -> None:
    assert pointed("Role r does not exist", "iam") == "Role r does not exist"
    once = pointed("The local account does not support these: [AWS::SNS::Topic]", "cloudformation")
    assert pointed(once, "s3") == once
