"""The plans and templates of a reset, without an account."""

from pathlib import Path
from typing import Any

import pytest

from lab_helpers import exercises, instance_types
from lab_helpers.instructor.reset.mending import _Literals
from lab_helpers.names import Names
from lab_helpers.resources import Resource
from lab_helpers.templates import read_template
from lab_helpers.way_back.plan import Plan, make_plan
from lab_helpers.way_back.state import Execution, LabState, Source, Stack
from lab_helpers.way_back.target import Target, numbers
from tests.checkout import ROOT

NAMES = Names("ana")

REGION = "us-east-1"


def target(number: str) -> Target:
    return Target(number, NAMES, ROOT)


def built(number: str = "03") -> LabState:
    """A lab at the start of notebook 03."""
    main = Source("0" * 40, {"README.md": "r"})
    branches, images = {"main": main}, {}
    for image in target(number).images:
        done = image in target(number).built
        branches[image.branch] = Source("c" * 40, {**main.files, **image.blobs}) if done else main
        images[image.repository] = {"c" * 40: "sha256:1", "latest": "sha256:1"} if done else {}
    stacks = (NAMES.top_stack, NAMES.base_stack, NAMES.model_stack, NAMES.train_stack)
    return LabState(
        names=NAMES,
        region=REGION,
        account="123456789012",
        resources=(),
        stacks={name: Stack(name, "CREATE_COMPLETE") for name in stacks},
        instance="InService",
        branches=branches,
        images=images,
        executions={},
        stages={},
        endpoints={},
        objects={},
        job_version="",
        job={},
        job_images={},
        disabled_rules=(),
        scaling_as_declared=True,
    )


def changed(state: LabState, **members: object) -> LabState:
    return LabState(**{**vars(state), **members})


def resource(kind: str, identity: str) -> Resource:
    return Resource("sagemaker", kind, identity, "ana", None, None, None)


def kinds(plan: Plan) -> list[str]:
    return [action.kind for action in plan.actions]


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_a_lab_at_the_target_needs_only_the_exercises(number: str) -> None:
    assert kinds(make_plan(built(number), target(number))) == ["exercises"]


def test_a_lab_that_does_not_exist_is_created_with_everything_in_it(number: str = "04") -> None:
    nothing = changed(built(), stacks={}, branches={}, images={}, instance="")

    plan = kinds(make_plan(nothing, target(number)))

    assert plan == ["deploy", "seed-repository", "commit", "build", "commit", "build", "train", "exercises"]


def test_a_changed_base_image_also_rebuilds_the_model_image() -> None:
    state = built()
    learner = {**state.branches, "scikit_base": Source("d" * 40, {"Dockerfile": "mine"})}

    plan = make_plan(changed(state, branches=learner), target("03"))

    assert [(action.kind, action.subject) for action in plan.actions][:3] == [
        ("commit", "scikit_base"),
        ("build", "ana-scikit-base"),
        ("build", "ana-iris-model"),
    ]


def test_deletions_come_before_creations() -> None:
    state = built()
    under_way = Execution("e1", "InProgress", ("other",))
    state = changed(
        state,
        executions={NAMES.train_pipeline: (under_way,)},
        stacks={**state.stacks, NAMES.dev_stack: Stack(NAMES.dev_stack, "ROLLBACK_COMPLETE")},
        images={**state.images, NAMES.base_image: {}},
    )

    plan = kinds(make_plan(state, target("03")))

    assert plan == ["stop-executions", "delete-release", "build", "build", "exercises"]


def test_a_drill_is_put_back_before_anything_else_and_what_it_trained_with_is_deleted() -> None:
    under_way = {NAMES.train_pipeline: (Execution("e1", "InProgress", ("the drill's",)),)}
    state = changed(built(), drill="lost-event", drill_objects=3, executions=under_way)

    plan = make_plan(state, target("03"))

    assert kinds(plan) == ["end-drill", "stop-executions", "forget-drills", "exercises"]
    assert plan.actions[0].title == "put back what the drill lost-event has changed"
    assert "forget-drills" not in kinds(make_plan(state, target("04")))


def test_the_right_execution_continues_and_others_are_stopped() -> None:
    wanted = target("04").training_job(built().bucket, REGION)
    data = target("04").data
    from hashlib import md5

    state = changed(
        built(),
        job=wanted,
        job_version="v1",
        objects={"training/input/iris.csv": md5(data).hexdigest()},
        executions={NAMES.train_pipeline: (Execution("right", "InProgress", ("v1",)),)},
        stages={"DeployApproval": ("right", "InProgress")},
        stacks={**built().stacks, NAMES.dev_stack: Stack(NAMES.dev_stack, "CREATE_COMPLETE")},
        endpoints={NAMES.dev_endpoint: ("InService", "ana-iris-model-dev-right")},
    )
    assert kinds(make_plan(state, target("04"))) == ["exercises"]

    early = changed(state, stages={}, stacks=built().stacks, endpoints={})
    assert kinds(make_plan(early, target("04"))) == ["follow-training", "exercises"]
    assert kinds(make_plan(state, target("05"))) == ["release", "exercises"]

    more = changed(state, objects={**state.objects, "training/input/labeled/a.csv": "e"})
    plan = kinds(make_plan(more, target("04")))
    assert plan == ["stop-executions", "forget-labeled", "train", "exercises"]

    other = changed(state, job={**wanted, "trainingjob.json": b"{}"})
    plan = kinds(make_plan(other, target("04")))
    assert plan == ["stop-executions", "train", "exercises"]


def test_rules_for_retraining_get_the_states_that_are_declared() -> None:
    state = changed(
        built(), disabled_rules=("ana-iris-train-labels",), switched_on_rules=("ana-iris-train-drift",)
    )

    plan = make_plan(state, target("03"))

    assert [(one.kind, one.subject) for one in plan.actions] == [
        ("disable-rule", "ana-iris-train-drift"),
        ("enable-rule", "ana-iris-train-labels"),
        ("exercises", NAMES.notebook_instance),
    ]


def test_lessons_after_05_begin_with_what_05_begins_with() -> None:
    assert [one for one in numbers(ROOT) if one <= "05"] == ["01", "02", "03", "04", "05"]
    assert "07" in numbers(ROOT)
    state = released("UPDATE_COMPLETE", "new")
    for later in [one for one in numbers(ROOT) if one > "05"]:
        assert kinds(make_plan(state, target(later))) == kinds(make_plan(state, target("05")))


def released(status: str, serves: str, endpoint: str = "InService", deployed: str = "new") -> LabState:
    """A lab whose PRD serves one configuration; its stack has deployed another one, or the same."""
    stack = Stack(NAMES.prd_stack, status, {"EndpointConfigName": f"{NAMES.prd_endpoint}-{deployed}"})
    return changed(
        built(),
        stacks={**built().stacks, NAMES.prd_stack: stack},
        endpoints={NAMES.prd_endpoint: (endpoint, f"{NAMES.prd_endpoint}-{serves}")},
        resources=(
            resource("scalable-target", f"endpoint/{NAMES.prd_endpoint}/variant/AllTraffic"),
            resource("endpoint-config", f"{NAMES.prd_endpoint}-{deployed}"),
            resource("endpoint-config", f"{NAMES.prd_endpoint}-old"),
        ),
    )


@pytest.mark.parametrize(
    ("state", "first"),
    [
        (released("UPDATE_COMPLETE", "old"), []),
        (released("UPDATE_COMPLETE", "deleted"), ["leave"]),
        (released("UPDATE_COMPLETE", "new", "Updating"), []),
        (released("UPDATE_ROLLBACK_COMPLETE", "old", deployed="old"), []),
        (released("UPDATE_ROLLBACK_IN_PROGRESS", "old"), ["wait"]),
        (released("UPDATE_IN_PROGRESS", "old"), ["wait"]),
        (released("UPDATE_ROLLBACK_FAILED", "old"), ["roll-back"]),
        (released("UPDATE_ROLLBACK_FAILED", "old", "UpdateRollbackFailed"), ["roll-back"]),
        (released("UPDATE_ROLLBACK_FAILED", "old", "Failed"), ["delete-release"]),
    ],
)
def test_what_serves_production_is_not_deleted_because_of_a_rollback(
    state: LabState, first: list[str]
) -> None:
    """It is updated by the next release, or left, with the reason."""
    plan = make_plan(state, target("05"))

    assert kinds(plan)[: len(first) + 1] == [*first, "train"]
    assert all("delete" in one.title for one in plan.of("leave"))


def test_dev_is_replaced_if_it_cannot_be_updated() -> None:
    stack = Stack(NAMES.dev_stack, "UPDATE_COMPLETE", {"EndpointConfigName": "new"})
    stacks = {**built().stacks, NAMES.dev_stack: stack}
    lost = changed(built(), stacks=stacks, endpoints={NAMES.dev_endpoint: ("InService", "old")})
    assert kinds(make_plan(lost, target("04"))) == ["delete-release", "train", "exercises"]
    there = changed(lost, resources=(resource("endpoint-config", "old"),))
    assert kinds(make_plan(there, target("04"))) == ["train", "exercises"]


def test_a_plan_gives_reasons() -> None:
    missing = Stack(NAMES.base_stack, "UPDATE_COMPLETE", {}, {"BuildLogs": "/aws/codebuild/ana-scikit-base"})
    state = changed(built(), stacks={**built().stacks, NAMES.base_stack: missing})

    (action, _) = make_plan(state, target("03")).actions

    assert action.title == "deploy it (UPDATE_COMPLETE, deleted by hand: BuildLogs)"


def test_leftovers_of_production_without_its_stack_are_found() -> None:
    config = resource("endpoint-config", f"{NAMES.prd_endpoint}-1")
    state = changed(built(), resources=(config,))

    (action, _) = make_plan(state, target("03")).actions

    assert (action.kind, action.subject) == ("delete-release", NAMES.prd_stack)


def test_what_the_lesson_of_the_sdk_has_left_is_removed() -> None:
    """Its endpoint, its jobs, and what they wrote; the pipeline's own jobs stay."""
    left = (
        resource("endpoint", NAMES.sdk),
        resource("endpoint-config", NAMES.sdk),
        resource("model", NAMES.sdk),
        resource("tuning-job", f"{NAMES.sdk}-261130-2048"),
        resource("training-job", f"{NAMES.sdk}-261130-2048-001-17aa0e4e"),
        resource("training-job", NAMES.training_job("e" * 36)),
    )

    actions = make_plan(changed(built(), resources=left, sdk_objects=2), target("03")).actions

    assert [one.kind for one in actions] == ["remove-sdk", "exercises"]
    assert "(7)" in actions[0].title


def test_what_the_lesson_of_releases_has_left_is_removed() -> None:
    """Its endpoint with everything that was made for it, in whatever state an interruption has left it."""
    name = NAMES.safe("0a1b2c")
    left = (
        resource("endpoint", name),
        resource("scalable-target", f"endpoint/{name}/variant/AllTraffic"),
        resource("endpoint-config", f"{name}-good"),
        resource("model", f"{name}-good"),
        resource("alarm", f"{name}-wrong-answers"),
        resource("log-group", f"/aws/sagemaker/Endpoints/{name}"),  # a record
    )

    actions = make_plan(changed(built(), resources=left), target("05")).actions

    assert ("remove-safe", f"delete what notebook 06 has left ({len(left) - 1})") in [
        (one.kind, one.title) for one in actions
    ]


# --- sources


def test_the_training_job_is_the_notebooks_own() -> None:
    found: dict[str, Any] = exercises.descriptor(exercises.find(ROOT / "notebooks", "03"), "a-bucket", REGION)

    assert (
        found["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://a-bucket/training/input/"
    )
    assert found["ResourceConfig"]["InstanceType"] == instance_types.training(REGION)
    assert set(found["QualityGate"]) == {"MinimumAccuracy", "MinimumRecall", "MaximumAccuracyDrop"}
    assert set(target("04").training_job("b", REGION)) == {
        "trainingjob.json",
        "deploy-model-dev.yml",
        "deploy-model-prd.yml",
    }


def test_a_notebook_that_lacks_something_is_named(tmp_path: Path) -> None:
    (tmp_path / "03_train.ipynb").write_text('{"cells": []}')

    with pytest.raises(exercises.ExercisesError, match=r"03_train\.ipynb"):
        exercises.descriptor(exercises.find(tmp_path, "03"), "b", REGION)
    with pytest.raises(exercises.ExercisesError, match="no notebook 04"):
        exercises.find(tmp_path, "04")


# --- the template without what is missing


def test_every_reference_to_missing_resources_becomes_a_literal() -> None:
    """Even if all resources of the top stack are missing, nothing refers to them afterwards."""
    template = read_template(ROOT / "cfn" / "m.yml")
    outputs = {key: f"told {key}" for key in template["Outputs"]}
    missing = {key: f"physical-{key}" for key in template["Resources"]}

    found = str(_Literals(template, missing, outputs).put_into(template["Outputs"], set(missing)))
    found += str(_Literals(template, missing, outputs).put_into(template["Resources"], set(missing)))

    for name in template["Resources"]:
        assert f"'Ref': '{name}'" not in found
        assert f"'Fn::GetAtt': ['{name}'" not in found
        assert f"${{{name}" not in found


def test_other_references_stay() -> None:
    template = read_template(ROOT / "cfn" / "m.yml")
    missing = {"MLOpsScikitImageRepo": "ana-scikit-base"}
    literals = _Literals(template, missing, {"BaseImageRepositoryUri": "1.dkr/ana-scikit-base"})

    found = literals.put_into(template["Resources"], set(missing))

    policy = str(found["MLOpsCodeBuild"]["Properties"]["Policies"])
    assert "repository/ana-scikit-base" in policy
    assert "'Fn::GetAtt': ['MLOpsIrisModelRepo', 'Arn']" in policy
    assert "1.dkr/ana-scikit-base" in str(found["IAWorkshopNotebookInstanceLifecycleConfig"])
