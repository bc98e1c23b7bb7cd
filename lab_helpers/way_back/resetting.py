"""Carry out a plan, read the lab again, and repeat until it is at the target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import deletions, keys, running, safe_releases, scaling
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.deletion_order import in_order, stack_for
from lab_helpers.drills import conduct
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.names import Names
from lab_helpers.nested_stacks import StackError, deploy_nested
from lab_helpers.patience import Patience, StoppedError
from lab_helpers.reset_request import Answer, Request, RequestError
from lab_helpers.resources import Resource
from lab_helpers.stack_deletion import StackLeftError, delete_stack
from lab_helpers.stacks import DeployError, find_stack
from lab_helpers.way_back.plan import EXERCISES, LONG, PHASES, Action, Plan, make_plan, of_sdk_lesson
from lab_helpers.way_back.releases import Releases, ResetError
from lab_helpers.way_back.sources import SourceError, in_bucket, remote_of
from lab_helpers.way_back.state import LabState, as_lab, read_state
from lab_helpers.way_back.target import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOOKS = 6
ANSWER_SECONDS = 120.0
REASON = "The lab is being reset."
Report = Callable[[str], None]


@dataclass(frozen=True)
class Account:
    """Where a lab is, and how far the caller can look and act in it."""

    clients: Clients
    region: str
    id: str
    look: Callable[[Names], Sequence[Resource]]
    """Returns what the lab owns, as far as the caller may list it."""
    more: Mapping[str, Callable[[Run, str], object]] = field(default_factory=dict)
    """Kinds of actions that this module does not have, and what carries them out on their subject."""

    def state(self, names: Names) -> LabState:
        """Read a lab. Raises botocore's ClientError."""
        return read_state(self.clients, names, self.region, self.id, self.look(names))


@dataclass
class Outcome:
    """What a reset did."""

    done: list[Action] = field(default_factory=list)
    answer: Answer | None = None
    """What the notebook instance reported about the exercises."""


def carry_out(
    account: Account,
    target: Target,
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
            plan = plan or make_plan(account.state(target.names), target)
            if plan.settled and outcome.answer:
                return outcome
            outcome.done += plan.actions
            answer = Run(account, target, plan.state, report, stopping).carry_out(plan)
            # A second look at the exercises finds nothing to keep: where the changes went was said at first.
            if answer and (answer.kept or not (outcome.answer and outcome.answer.kept)):
                outcome.answer = answer
            if plan.settled:
                return outcome
            left, plan = plan.actions, None
    except (
        DeployError,
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


class Run:
    """Carries out one plan for one lab."""

    def __init__(
        self, account: Account, target: Target, state: LabState, report: Report, stopping: threading.Event
    ) -> None:
        clients = account.clients
        self.account, self.target, self.state = account, target, state
        self.clients, self.names, self.report, self.stopping = clients, target.names, report, stopping
        self.lab: Lab = as_lab(clients, target.names, state.region, state.account)
        remote = remote_of(clients, target.names, state.clone_url)
        self._releases = Releases(clients, self.lab, remote, report, stopping)
        self._do_by_kind = {**_DO, **account.more}
        self._images = {image.repository: image for image in target.images}
        self._branches = {image.branch: image for image in target.images}
        self._rules = {
            self.names.base_branch: self.names.base_push_rule,
            self.names.model_branch: self.names.model_push_rule,
        }

    def carry_out(self, plan: Plan) -> Answer | None:
        """Carry out every action in order. Return None if the lab must be read again first."""
        for action in plan.of("leave"):
            raise ResetError(f"{action.subject}: {action.title}")
        for action in plan.actions:
            if action.kind not in self._do_by_kind and action.kind not in {"nested", EXERCISES}:
                raise ResetError(f"{action.subject}: {action.title}. That takes an instructor")
        for kinds in PHASES:
            self._side_by_side(plan.of(*kinds))
            if {"end-drill", "deploy", "mend", "roll-back", "wait"} & {one.kind for one in plan.of(*kinds)}:
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
                self.stopping.set()
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
                self.stopping.set()
                raise

    def _do(self, action: Action) -> None:
        self.report(f"{action.subject}: {action.title}")
        self._do_by_kind[action.kind](self, action.subject)

    # --- running work

    def _stop_executions(self, pipeline: str) -> None:
        running.stop_executions(self.clients("codepipeline"), pipeline, REASON)

    def _stop_builds(self, project: str) -> None:
        running.stop_builds(self.clients("codebuild"), project)

    def _stop_training(self, job: str) -> None:
        running.stop_training(self.clients("sagemaker"), job)

    def _end_drill(self) -> None:
        """Put a drill back; what is too broken for that is what the rest of the reset repairs."""
        try:
            conduct.end(self.lab)
        except (WorkshopError, ClientError) as error:
            self.report(f"the drill could not be put back ({error}): the reset goes on without it")
            conduct.abandon(self.lab)

    def _remove_sdk(self, _name: str) -> None:
        """Delete what notebook 03a has left; running jobs are stopped first, and wrote their last object."""
        left = of_sdk_lesson(self.state)
        running.stop_all(self.clients, left, REASON)
        self.delete(in_order(left))
        if self.state.has("bucket", self.state.bucket):
            self._releases.forget(self.state.bucket, keys.SDK)

    def _remove_safe(self, _names: str) -> None:
        """Delete what notebook 06 has left; a release that is under way is rolled back first."""

        def pause(seconds: float) -> None:
            if self.stopping.wait(seconds):
                raise StoppedError

        safe_releases.remove(self.lab, sleep=pause)

    def _forget_training(self, bucket: str) -> None:
        self._releases.forget(bucket, keys.TRAINING)
        self._releases.forget_versions(self.names.model_package_group)

    # --- stacks

    def _delete_release(self, stack: str) -> None:
        """Delete a DEV or PRD stack, and any of its resources that exist without it."""
        delete_stack(self.clients, stack, self.stopping)
        left = self.account.look(self.names)
        for kind in ("scaling-policy", "scalable-target", "endpoint", "endpoint-config", "model", "alarm"):
            self.delete([one for one in left if one.kind == kind and stack_for(one) == stack])

    def delete(self, resources: list[Resource]) -> None:
        """Delete resources in the given order, and wait until they are gone."""
        patience = Patience(self.stopping)
        while resources:
            busy = []
            for one in resources:
                try:
                    deletions.delete(self.clients, one)
                except deletions.BusyError:
                    busy.append(one)
            resources = busy
            if busy:
                patience.pause(lambda busy=busy: f"{busy[0].kind} {busy[0].id} can't be deleted")  # type: ignore[misc]

    def given(self) -> dict[str, str]:
        """Return the parameters of the top stack; empty if there is no stack."""
        stack = find_stack(self.clients("cloudformation"), self.names.top_stack)
        parameters = stack.get("Parameters", []) if stack else []
        return {one["ParameterKey"]: one.get("ParameterValue", "") for one in parameters}

    def _roll_back(self, name: str) -> None:
        """Bring a stack whose update and rollback failed to a state in which it can be updated.

        Resources that cannot be rolled back are skipped (CloudFormation ContinueUpdateRollback,
        ResourcesToSkip).
        """
        cloudformation = self.clients("cloudformation")
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
        cloudformation, patience = self.clients("cloudformation"), Patience(self.stopping)
        while (stack := find_stack(cloudformation, name)) and stack["StackStatus"].endswith("_IN_PROGRESS"):
            if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                return
            patience.pause(lambda: f"an operation on stack {name} is still in progress")

    def _nested(self, actions: Sequence[Action]) -> None:
        """Delete the broken nested stacks and deploy the missing ones."""
        broken = [one.subject for one in actions if one.subject in self.state.stacks]
        for action in actions:
            self.report(f"{action.subject}: {action.title}")
        with ThreadPoolExecutor(len(actions)) as pool:
            list(pool.map(lambda name: delete_stack(self.clients, name, self.stopping), broken))
        names = self.names
        top = self.state.stacks[names.top_stack].outputs
        if broken:  # what forced deletions left behind
            left = self.account.look(names)
            self.delete([one for one in left if one.kind != "stack" and stack_for(one) in broken])
        given = self.given()
        settings = {
            "LAB_ID": names.lab_id,
            "NAME_PREFIX": names.prefix,
            "BUCKET": top["BucketName"],
            "REPOSITORY": "" if in_bucket(self.state.clone_url) else top["RepositoryName"],
            "BASE_IMAGE_REPOSITORY_URI": top["BaseImageRepositoryUri"],
            "MODEL_IMAGE_REPOSITORY_URI": top["ModelImageRepositoryUri"],
            "EXPIRES_AT": given.get("ExpiresAt", "never"),
            "REGION": self.state.region,
            "DEV_INSTANCE_TYPE": given.get("DevInstanceType", ""),
            "PRD_INSTANCE_TYPE": given.get("PrdInstanceType", ""),
            "RETRAIN_ON_DRIFT": given.get("RetrainOnDrift", ""),
            "RETRAIN_ON_LABELS": given.get("RetrainOnLabels", ""),
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
        deploy_nested(self.clients, settings, self.target.root / "cfn", self.report)

    # --- source, images, training: see `Releases`

    def _seed_repository(self, _repository: str) -> None:
        readme = self.target.root / "lifecycle-config" / "repository-readme.md"
        self._releases.seed_repository(readme.read_bytes())

    def _seed_branch(self, branch: str) -> None:
        self._releases.seed_branch(branch, self._rules[branch])

    def _enable_rule(self, rule: str) -> None:
        self.clients("events").enable_rule(Name=rule)

    def _disable_rule(self, rule: str) -> None:
        self.clients("events").disable_rule(Name=rule)

    def _scaling(self, endpoint: str) -> None:
        scaling.apply(self.lab, endpoint, scaling.declared(self.lab))

    def _commit(self, branch: str) -> None:
        self._releases.commit(self._branches[branch], self._rules[branch])

    # --- the notebook instance

    def _exercises(self) -> Answer:
        """Request the exercises from the instance and wait for its answer."""
        s3, bucket = self.clients("s3"), self.lab.bucket
        request = Request.new(self.target.number, datetime.now(UTC).isoformat(timespec="seconds"))
        s3.put_object(
            Bucket=bucket, Key=keys.RESET_REQUEST, Body=request.to_json(), ContentType="application/json"
        )
        patience = Patience(self.stopping, ANSWER_SECONDS)
        self.report(f"{self.names.notebook_instance}: waiting for the exercises")
        while True:
            answer = self._answer(s3, bucket)
            if answer and answer.id == request.id:
                if answer.error:
                    raise ResetError(f"the notebook instance could not restore the exercises: {answer.error}")
                return answer
            patience.pause(
                lambda: (
                    f"the notebook instance {self.names.notebook_instance} does not answer. The request "
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


_DO: dict[str, Callable[[Run, str], object]] = {
    "stop-executions": Run._stop_executions,
    "stop-builds": Run._stop_builds,
    "stop-training": Run._stop_training,
    "remove-sdk": Run._remove_sdk,
    "remove-safe": Run._remove_safe,
    "delete-release": Run._delete_release,
    "roll-back": Run._roll_back,
    "wait": Run._wait,
    "empty-registry": lambda run, repository: run._releases.empty_registry(repository),
    "forget-training": lambda run, bucket: run._forget_training(bucket),
    "forget-labeled": lambda run, bucket: run._releases.forget(bucket, keys.LABELED),
    "end-drill": lambda run, _: run._end_drill(),
    "forget-drills": lambda run, bucket: run._releases.forget(bucket, keys.DRILLS),
    "forget-monitoring": lambda run, bucket: run._releases.forget(bucket, keys.MONITORING),
    "seed-repository": Run._seed_repository,
    "seed-branch": Run._seed_branch,
    "enable-rule": Run._enable_rule,
    "disable-rule": Run._disable_rule,
    "scaling": Run._scaling,
    "commit": Run._commit,
    "build": lambda run, repository: run._releases.build(run._images[repository]),
    "tag-latest": lambda run, repository: run._releases.tag_latest(run._images[repository]),
    "train": lambda run, _: run._releases.train(run.target),
    "follow-training": lambda run, _: run._releases.follow_training(),
    "release": lambda run, _: run._releases.release(),
}
"""The method for each kind of action; nested stacks are done together, the exercises last."""
