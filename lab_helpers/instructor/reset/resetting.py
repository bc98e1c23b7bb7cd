"""Carry out a plan, read the lab again, and repeat until it is at the target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import keys, scaling
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.instructor.clean import deletions, running
from lab_helpers.instructor.clean.cleaning import clean
from lab_helpers.instructor.clean.order import in_order, stack_for
from lab_helpers.instructor.clean.stacks import StackLeftError, delete_stack
from lab_helpers.instructor.clean.waiting import Patience
from lab_helpers.instructor.fleet.provision import Plan as FleetPlan
from lab_helpers.instructor.fleet.provision import bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.instructor.inventory import Resource, expirations, list_resources
from lab_helpers.instructor.package import package
from lab_helpers.instructor.reset.mending import MendError, mend_stack
from lab_helpers.instructor.reset.plan import LONG, PHASES, Action, Plan, make_plan, of_sdk_lesson
from lab_helpers.instructor.reset.releases import Releases, ResetError
from lab_helpers.instructor.reset.sources import SourceError, in_bucket, remote_of
from lab_helpers.instructor.reset.state import LabState, as_lab, read_state
from lab_helpers.instructor.reset.target import Target
from lab_helpers.instructor.ttl import DEFAULT_TTL, expires_at
from lab_helpers.nested_stacks import StackError, deploy_nested
from lab_helpers.reset_request import Answer, Request, RequestError
from lab_helpers.stacks import DeployError, find_stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lab_helpers.instructor.fleet.provision import LabState as FleetLab

LOOKS = 6
ANSWER_SECONDS = 120.0
REASON = "The lab is being reset."
Report = Callable[[str], None]

_KEPT = ("SourceProvider", "NotebookInstanceType", "DevInstanceType", "PrdInstanceType")
"""Parameters of the top stack that a lab keeps when it is created again."""


@dataclass
class Outcome:
    """What a reset did."""

    done: list[Action] = field(default_factory=list)
    answer: Answer | None = None
    """What the notebook instance reported about the exercises."""


def carry_out(
    clients: Clients,
    target: Target,
    region: str,
    account: str,
    *,
    plan: Plan | None = None,
    report: Report = lambda _line: None,
    stopping: threading.Event | None = None,
) -> Outcome:
    """Bring a lab to the target and return what was done; pass `plan` if it was just made.

    Safe to interrupt and to repeat: what to do is read from the account each time. Raises ResetError if a
    step fails or the lab is not at the target after LOOKS attempts; botocore's exceptions pass through.
    """
    stopping = stopping or threading.Event()
    outcome = Outcome()
    try:
        for _ in range(LOOKS):
            plan = plan or make_plan(read_state(clients, target.names, region, account), target)
            if plan.settled and outcome.answer:
                return outcome
            outcome.done += plan.actions
            answer = _Run(clients, target, plan.state, report, stopping).carry_out(plan)
            outcome.answer = answer or outcome.answer
            if plan.settled:
                return outcome
            left, plan = plan.actions, None
    except (
        DeployError,
        MendError,
        SourceError,
        StackError,
        StackLeftError,
        RequestError,
        TimeoutError,
    ) as error:
        raise ResetError(str(error)) from error
    except BaseException:
        stopping.set()
        raise
    still = ", ".join(f"{one.kind} {one.subject}" for one in left[:5])
    raise ResetError(f"the lab is not at the target after {LOOKS} attempts; still to do: {still}")


class _Run:
    """Carries out one plan for one lab."""

    def __init__(
        self, clients: Clients, target: Target, state: LabState, report: Report, stopping: threading.Event
    ) -> None:
        self._clients, self._target, self._state = clients, target, state
        self._names, self._report, self._stopping = target.names, report, stopping
        lab = as_lab(clients, target.names, state.region, state.account)
        self._lab = lab
        remote = remote_of(clients, target.names, state.clone_url)
        self._releases = Releases(clients, lab, remote, report, stopping)
        self._images = {image.repository: image for image in target.images}
        self._branches = {image.branch: image for image in target.images}
        self._rules = {
            self._names.base_branch: self._names.base_push_rule,
            self._names.model_branch: self._names.model_push_rule,
        }

    def carry_out(self, plan: Plan) -> Answer | None:
        """Carry out every action in order. Return None if the lab must be read again first."""
        for action in plan.of("leave"):
            raise ResetError(f"{action.subject}: {action.title}")
        for kinds in PHASES:
            self._side_by_side(plan.of(*kinds))
            if {"deploy", "mend", "roll-back", "wait"} & {one.kind for one in plan.of(*kinds)}:
                return None  # everything may have changed
        with ThreadPoolExecutor(1, thread_name_prefix="exercises") as pool:
            asked: Future[Answer] | None = None
            long = plan.of(*LONG)
            try:
                for number, action in enumerate(long):
                    if asked is None and not any(one.kind == "commit" for one in long[number:]):
                        asked = pool.submit(self._exercises)  # the branches no longer change
                    self._do(action)
                return (asked or pool.submit(self._exercises)).result()
            except BaseException:
                self._stopping.set()
                raise

    def _side_by_side(self, actions: Sequence[Action]) -> None:
        nested = [action for action in actions if action.kind == "nested"]
        if nested:
            self._nested(nested)
            return
        if len(actions) < 2:
            for action in actions:
                self._do(action)
            return
        with ThreadPoolExecutor(len(actions), thread_name_prefix="reset") as pool:
            try:
                done, _ = wait([pool.submit(self._do, one) for one in actions], return_when=FIRST_EXCEPTION)
                for ended in done:
                    ended.result()
            except BaseException:
                self._stopping.set()
                raise

    def _do(self, action: Action) -> None:
        self._report(f"{action.subject}: {action.title}")
        _DO[action.kind](self, action.subject)

    # --- running work

    def _stop_executions(self, pipeline: str) -> None:
        running.stop_executions(self._clients("codepipeline"), pipeline, REASON)

    def _stop_builds(self, project: str) -> None:
        running.stop_builds(self._clients("codebuild"), project)

    def _stop_training(self, job: str) -> None:
        running.stop_training(self._clients("sagemaker"), job)

    def _remove_sdk(self, _name: str) -> None:
        """Delete what notebook 03a has left; running jobs are stopped first."""
        left = of_sdk_lesson(self._state)
        running.stop_all(self._clients, left, REASON)
        self._delete(in_order(left))

    # --- stacks

    def _delete_release(self, stack: str) -> None:
        """Delete a DEV or PRD stack, and any of its resources that exist without it."""
        delete_stack(self._clients, stack, self._stopping)
        left = list_resources(self._clients, self._state.region, self._state.account, [self._names.lab_id])
        for kind in ("scaling-policy", "scalable-target", "endpoint", "endpoint-config", "model", "alarm"):
            self._delete([one for one in left if one.kind == kind and stack_for(one) == stack])

    def _delete(self, resources: list[Resource]) -> None:
        patience = Patience(self._stopping)
        while resources:
            busy = []
            for one in resources:
                try:
                    deletions.delete(self._clients, one)
                except deletions.BusyError:
                    busy.append(one)
            resources = busy
            if busy:
                patience.pause(lambda busy=busy: f"{busy[0].kind} {busy[0].id} can't be deleted")  # type: ignore[misc]

    def _deploy(self, _stack: str) -> None:
        lab, region, account = self._names.lab_id, self._state.region, self._state.account
        end = expirations(self._clients).get(lab)
        # Keep the choices: the account may lack CodeCommit, or quotas for other instance types.
        chosen = {name: value for name, value in self._given().items() if name in _KEPT}
        if self._state.resources:
            cleaned = clean(self._clients, region, account, [lab], report=lambda _, text: self._report(text))
            if not cleaned.empty:
                raise ResetError(
                    f"{len(cleaned.remaining)} resources can't be deleted: {'; '.join(cleaned.faults[:3])}"
                )
        future = end and end > datetime.now(UTC) + timedelta(minutes=1)
        self._provision(f"{end:%Y-%m-%dT%H:%M:%SZ}" if future else expires_at(DEFAULT_TTL), chosen)

    def _given(self) -> dict[str, str]:
        """Return the parameters of the top stack; empty if there is no stack."""
        stack = find_stack(self._clients("cloudformation"), self._names.top_stack)
        parameters = stack.get("Parameters", []) if stack else []
        return {one["ParameterKey"]: one.get("ParameterValue", "") for one in parameters}

    def _provision(self, expires: str = "never", parameters: Mapping[str, str] | None = None) -> None:
        """Deploy stack and instance as `fleet up` does, and wait until the instance is provisioned."""
        plan = FleetPlan(
            self._state.region,
            self._state.account,
            package(self._target.root),
            self._target.root / "cfn" / "m.yml",
            parameters=parameters or {},
            expires=expires,
        )
        said = ""

        def observe(states: Sequence[FleetLab]) -> None:
            nonlocal said
            now = f"{states[0].phase} {states[0].detail}".strip()
            if now != said:
                self._report(now)
                said = now
            if self._stopping.is_set():
                raise ResetError("interrupted")

        (ended,) = bring_up(
            self._clients, [Participant("", "", self._names.lab_id)], plan, observe, look_seconds=0.3
        )
        if ended.phase != "ready":
            raise ResetError(ended.detail)

    def _mend(self, name: str) -> None:
        stack, missing = self._state.stacks[name], dict(self._state.stacks[name].missing)
        if self._state.instance == "Failed":
            self._delete([one for one in self._state.resources if one.kind == "notebook-instance"])
            missing |= self._instance_of(name)
        mend_stack(self._clients, name, missing, stack.outputs)
        if self._lab.bucket in missing.values() and self._state.instance == "InService":
            # The instance's report was in there: it writes a new one when it starts.
            self._clients("sagemaker").stop_notebook_instance(
                NotebookInstanceName=self._names.notebook_instance
            )
        self._provision()

    def _instance_of(self, stack: str) -> dict[str, str]:
        found = self._clients("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in found
            if one["ResourceType"] == "AWS::SageMaker::NotebookInstance"
        }

    def _roll_back(self, name: str) -> None:
        """Bring a stack whose update and rollback failed to a state in which it can be updated.

        Resources that cannot be rolled back are skipped (CloudFormation ContinueUpdateRollback,
        ResourcesToSkip).
        """
        cloudformation = self._clients("cloudformation")
        skip: list[str] = []
        for _ in range(5):
            stack = find_stack(cloudformation, name)
            if stack is None:
                return
            if stack["StackStatus"] == "UPDATE_FAILED":
                cloudformation.rollback_stack(StackName=name)
            elif stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
                cloudformation.continue_update_rollback(StackName=name, ResourcesToSkip=skip)
            else:
                return
            self._wait(name)
            resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
            failed = {r["LogicalResourceId"] for r in resources if r["ResourceStatus"] == "UPDATE_FAILED"}
            skip = sorted({*skip, *failed})
        raise ResetError(f"stack {name} can't be rolled back: delete the lab with clean --participant")

    def _wait(self, name: str) -> None:
        cloudformation, patience = self._clients("cloudformation"), Patience(self._stopping)
        while (stack := find_stack(cloudformation, name)) and stack["StackStatus"].endswith("_IN_PROGRESS"):
            if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                return
            patience.pause(lambda: f"an operation on stack {name} is still in progress")

    def _nested(self, actions: Sequence[Action]) -> None:
        """Delete the broken nested stacks and deploy the missing ones."""
        broken = [one.subject for one in actions if one.subject in self._state.stacks]
        for action in actions:
            self._report(f"{action.subject}: {action.title}")
        with ThreadPoolExecutor(len(actions)) as pool:
            list(pool.map(lambda name: delete_stack(self._clients, name, self._stopping), broken))
        names = self._names
        top = self._state.stacks[names.top_stack].outputs
        if broken:  # what forced deletions left behind
            left = list_resources(self._clients, self._state.region, self._state.account, [names.lab_id])
            self._delete([one for one in left if one.kind != "stack" and stack_for(one) in broken])
        given = self._given()
        settings = {
            "LAB_ID": names.lab_id,
            "NAME_PREFIX": names.prefix,
            "BUCKET": top["BucketName"],
            "REPOSITORY": "" if in_bucket(self._state.clone_url) else top["RepositoryName"],
            "BASE_IMAGE_REPOSITORY_URI": top["BaseImageRepositoryUri"],
            "MODEL_IMAGE_REPOSITORY_URI": top["ModelImageRepositoryUri"],
            "EXPIRES_AT": given.get("ExpiresAt", "never"),
            "REGION": self._state.region,
            "DEV_INSTANCE_TYPE": given.get("DevInstanceType", ""),
            "PRD_INSTANCE_TYPE": given.get("PrdInstanceType", ""),
        }
        for role in (
            "Pipeline",
            "CodeBuild",
            "Deploy",
            "Launcher",
            "Monitor",
            "Tester",
            "Events",
            "SageMaker",
        ):
            settings[f"{role.upper()}_ROLE_ARN"] = top[f"{role}RoleArn"]
        deploy_nested(self._clients, settings, self._target.root / "cfn", self._report)

    def _start_instance(self, _name: str) -> None:
        self._provision()

    # --- source, images, training: see `Releases`

    def _seed_repository(self, _repository: str) -> None:
        readme = self._target.root / "lifecycle-config" / "repository-readme.md"
        self._releases.seed_repository(readme.read_bytes())

    def _seed_branch(self, branch: str) -> None:
        self._releases.seed_branch(branch, self._rules[branch])

    def _enable_rule(self, rule: str) -> None:
        self._clients("events").enable_rule(Name=rule)

    def _scaling(self, endpoint: str) -> None:
        scaling.apply(self._lab, endpoint, scaling.declared(self._lab))

    def _commit(self, branch: str) -> None:
        self._releases.commit(self._branches[branch], self._rules[branch])

    # --- the notebook instance

    def _exercises(self) -> Answer:
        """Request the exercises from the instance and wait for its answer."""
        s3, bucket = self._clients("s3"), self._lab.bucket
        request = Request.new(self._target.number, datetime.now(UTC).isoformat(timespec="seconds"))
        s3.put_object(
            Bucket=bucket, Key=keys.RESET_REQUEST, Body=request.to_json(), ContentType="application/json"
        )
        patience = Patience(self._stopping, ANSWER_SECONDS)
        self._report(f"{self._names.notebook_instance}: waiting for the exercises")
        while True:
            answer = self._answer(s3, bucket)
            if answer and answer.id == request.id:
                if answer.error:
                    raise ResetError(f"the notebook instance could not restore the exercises: {answer.error}")
                return answer
            patience.pause(
                lambda: (
                    f"the notebook instance {self._names.notebook_instance} does not answer. The request "
                    "stays in the bucket: stop and start the instance, then run the same command again"
                )
            )

    @staticmethod
    def _answer(s3: S3Client, bucket: str) -> Answer | None:
        try:
            return Answer.from_json(s3.get_object(Bucket=bucket, Key=keys.RESET_ANSWER)["Body"].read())
        except ClientError as error:
            if not is_gone(error):
                raise
            return None


_DO: dict[str, Callable[[_Run, str], object]] = {
    "stop-executions": _Run._stop_executions,
    "stop-builds": _Run._stop_builds,
    "stop-training": _Run._stop_training,
    "remove-sdk": _Run._remove_sdk,
    "delete-release": _Run._delete_release,
    "deploy": _Run._deploy,
    "roll-back": _Run._roll_back,
    "wait": _Run._wait,
    "mend": _Run._mend,
    "start-instance": _Run._start_instance,
    "empty-registry": lambda run, repository: run._releases.empty_registry(repository),
    "forget-training": lambda run, bucket: run._releases.forget_training(bucket),
    "seed-repository": _Run._seed_repository,
    "seed-branch": _Run._seed_branch,
    "enable-rule": _Run._enable_rule,
    "scaling": _Run._scaling,
    "commit": _Run._commit,
    "build": lambda run, repository: run._releases.build(run._images[repository]),
    "tag-latest": lambda run, repository: run._releases.tag_latest(run._images[repository]),
    "train": lambda run, _: run._releases.train(run._target),
    "follow-training": lambda run, _: run._releases.follow_training(),
    "release": lambda run, _: run._releases.release(),
}
"""The method for each kind of action; nested stacks are done together, the exercises last."""
