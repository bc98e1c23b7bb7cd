"""docs/fidelity.md is what the code says, and what it says is true of the code."""

import re
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

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
    "AlarmContributorId": "for alarms with several series, which are refused",
    "CallAs": "for stack sets, which are refused",
    "ClientToken": "a change set of the same name is refused",
    "ContextId": "no quota is of a single resource",
    "DisableValidation": "the validations before a deployment are AWS's own",
    "DisassociateAcceleratorTypes": "accelerators are refused",
    "Force": "for rules that a service manages: there are none",
    "ForceOverwriteReplicaSecret": "replicas are refused",
    "IncludeLinkedAccounts": "there are no linked accounts",
    "LabelOptions": "for dynamic labels, which are refused",
    "MasterRegion": "for Lambda@Edge",
    "PolicyName": "AWS's reference has no such member of GetResourcePolicy",
    "ProviderEndpoint": "the providers that need it are refused",
    "ResourceIdentifier": "imports are refused",
    "SessionExpirationDurationInSeconds": "a notebook instance asks for no login",
    "SkipModelValidation": "no model package is validated",
    "Stage": "a package's life cycle is kept as it is given",
    "StageDescription": "a package's life cycle is kept as it is given",
    "StageStatus": "a package's life cycle is kept as it is given",
    "StrictEntityValidation": "entities are refused",
    "SupportCaseAllowed": "every increase is granted at once",
    "TemplateStage": "both stages are the same without transforms",
    "TemplateSummaryConfig": "for resource types that are not known, which are refused",
    "TraceHeader": "for X-Ray; events do not have it on AWS, either",
    "description": "kept with what it describes",
    "entity": "for Application Signals",
    "filterType": "WILDCARD is the only one",
    "interleaved": "AWS ignores it, too",
    "kmsKey": "kept with the repository's encryptionConfiguration",
}
"""Members of requests that neither the code nor the page names, with why that is right."""
REFUSE_WHAT_THEY_DO_NOT_KNOW = ("StartBuild", "PutTargets")

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

    What the page names is not looked into. S3 reads headers, by other names.
    """
    rooms = [folder for folder, name in standing.folders().items() if name == service]
    sources = [path.read_text() for room in rooms for path in (ROOT / SERVICES / room).rglob("*.py")]
    code, told = words(*sources), words(section(page(FIDELITY), service))
    ignored = set()
    for operation in executed(service):
        for path in members(operation.input_shape, told):
            name = path.rpartition(".")[2]
            if name not in code and not TIMES.fullmatch(name) and name not in WITHOUT_EFFECT:
                ignored.add(f"{operation.name}.{path}")
    assert not ignored


def test_what_has_no_effect_is_a_member_of_a_request() -> None:
    known = {
        path.rpartition(".")[2]
        for service in standing.folders().values()
        for operation in executed(service)
        for path in members(operation.input_shape, set())
    }
    assert WITHOUT_EFFECT.keys() <= known


def words(*texts: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(texts)))


def executed(service: str) -> list[OperationModel]:
    """Return the executed operations of a service, but for those that need no look."""
    (one,) = [one for one in standing.standings(found()) if one.service == service]
    model = botocore.session.get_session().get_service_model(service)
    return [model.operation_model(name) for name in one.executes if name not in REFUSE_WHAT_THEY_DO_NOT_KNOW]


def members(shape: Shape | None, told: set[str], within: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the members of a shape and of theirs, by path, but for those that are told of."""
    if shape is None or shape.name in within:
        return
    within = (*within, shape.name)
    if isinstance(shape, ListShape):
        yield from members(shape.member, told, within)
    elif isinstance(shape, MapShape):
        yield from members(shape.value, told, within)
    elif isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if name not in told:
                yield name
                inner = members(member, told, within) if name not in WITHOUT_EFFECT else ()
                yield from (f"{name}.{path}" for path in inner)


@pytest.mark.parametrize("service", standing.names())
def test_errors_point_to_a_section_that_exists(service: str) -> None:
    message = pointed(f"{service}.Anything is not supported by the local account", service)
    assert message.endswith(f"({FIDELITY}#{service})")
    assert service in anchors(page(FIDELITY))


def test_only_what_the_account_lacks_is_pointed_at() -> None:
    assert pointed("Role r does not exist", "iam") == "Role r does not exist"
    once = pointed("The local account does not support these: [AWS::SNS::Topic]", "cloudformation")
    assert pointed(once, "s3") == once
