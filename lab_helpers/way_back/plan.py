"""Plan a reset: compare a lab's state with the target and list the actions in order. Changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lab_helpers import keys
from lab_helpers.endpoints import SERVES
from lab_helpers.names import DEPLOY_DEV, DEPLOY_PRD, HUMAN_APPROVAL, TEST_DEV
from lab_helpers.resources import Resource
from lab_helpers.stacks import STARTS_OVER
from lab_helpers.way_back.state import Execution, LabState, Stack
from lab_helpers.way_back.target import Image, Target

PHASES = (
    ("leave",),
    ("end-drill",),
    ("stop-executions", "stop-builds", "stop-training", "remove-sdk", "remove-safe"),
    ("delete-release",),
    ("deploy", "roll-back", "wait", "mend"),
    ("nested",),
    ("start-instance",),
    ("disable-rule",),
    (
        "empty-registry",
        "forget-training",
        "forget-labeled",
        "forget-monitoring",
        "forget-drills",
        "seed-repository",
    ),
    ("seed-branch", "enable-rule", "scaling"),
)
"""Kinds of actions, in order; those of one phase run in parallel. `LONG` comes after them.

`leave` does nothing: the reset ends there, with the action's title as the reason.
"""
LONG = ("commit", "build", "tag-latest", "train", "follow-training", "release")
"""These run one after another: the base image, the model image on top of it, the training."""
EXERCISES = "exercises"


@dataclass(frozen=True)
class Action:
    """One action: `kind` is one of the words above, `subject` the resource to act on."""

    kind: str
    subject: str
    title: str
    """What changes and why, as shown before it is done."""


def of_sdk_lesson(state: LabState) -> list[Resource]:
    """Return what notebook 03a makes without a stack: an endpoint, a model, and jobs."""
    name, jobs = state.names.sdk, {"training-job", "tuning-job", "transform-job"}
    return [
        one
        for one in state.resources
        if one.id == name or (one.kind in jobs and one.id.startswith(f"{name}-"))
    ]


def of_release_lesson(state: LabState) -> list[Resource]:
    """Return what notebook 06 makes without a stack, and deletes unless it is interrupted."""
    return [one for one in state.resources if state.names.safe("") in one.id and one.kind != "log-group"]


@dataclass(frozen=True)
class Plan:
    """The actions of a reset, in order, for a lab in the state that was read."""

    state: LabState
    actions: tuple[Action, ...]

    def of(self, *kinds: str) -> list[Action]:
        """Return the actions of these kinds, in order."""
        return [action for action in self.actions if action.kind in kinds]

    @property
    def settled(self) -> bool:
        """Whether the account is at the target; only the instance's own action is left."""
        return all(action.kind == EXERCISES for action in self.actions)


def make_plan(state: LabState, target: Target) -> Plan:
    """Return the plan that brings a lab from its state to the target."""
    planner = _Planner(state, target)
    found = [*planner.lab(), *planner.source(), *planner.release()]
    order = [kind for phase in PHASES for kind in phase]
    found.sort(key=lambda one: order.index(one.kind) if one.kind in order else len(order))
    exercises = Action(
        EXERCISES,
        state.names.notebook_instance,
        # Whether there are changes, only the instance knows.
        f"restore the exercises to the start of {target.number}; changes, if any, move to a dated folder "
        "beside them",
    )
    return Plan(state, (*found, exercises))


class _Planner:
    """Plans one reset; each method yields the actions for one part of the lab."""

    def __init__(self, state: LabState, target: Target) -> None:
        self.state, self.target, self.names = state, target, state.names
        self.starts_over = self._starts_over(state.stacks.get(self.names.top_stack))
        self.commits = [image for image in target.built if self._differs(image)]
        self.builds = self._to_build()
        self.job = self._right_execution()
        """The execution that trained the right model; empty if it must run again."""
        dev = (self.names.dev_stack, self.names.dev_endpoint)
        if self._is_there(*dev) and (not self._serves(*dev) or self._other_config(*dev)):
            self.job = ""
        if self.job and self._newest().status == "Succeeded" and not self._released():
            self.job = ""  # it cannot be released a second time

    # --- stacks and the notebook instance

    def lab(self) -> Iterator[Action]:
        """Yield the actions for the top stack, the nested stacks and the notebook instance."""
        names, stacks = self.names, self.state.stacks
        top = stacks.get(names.top_stack)
        if self.starts_over:
            left = f"{top.status}: everything in the lab is deleted, " if top else ""
            yield Action("deploy", names.top_stack, f"{left}the lab is created again")
            return
        assert top is not None  # noqa: S101 (otherwise it starts over)
        gone = [*top.missing, *(["notebook instance (failed)"] if self.state.instance == "Failed" else [])]
        if top.status.endswith("_IN_PROGRESS"):
            yield Action("wait", top.name, f"wait until it is no longer {top.status}")
        elif top.status in {"UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"}:
            yield Action(
                "roll-back", top.name, f"{top.status}: roll back, skipping what cannot be rolled back"
            )
        elif gone:
            yield Action("mend", top.name, f"recreate what was deleted: {', '.join(gone)}")
        for name in (names.base_stack, names.model_stack, names.train_stack):
            stack = stacks.get(name)
            if stack is None or not stack.good:
                yield Action("nested", name, f"deploy it ({_why(stack)})")
        if self.state.instance in {"Stopped", "Stopping"}:
            yield Action("start-instance", names.notebook_instance, f"start it ({self.state.instance})")
        for rule in self.state.disabled_rules:
            yield Action("enable-rule", rule, "enable it")
        for rule in self.state.switched_on_rules:
            yield Action("disable-rule", rule, "disable it, as its stack declares")

    @staticmethod
    def _starts_over(stack: Stack | None) -> bool:
        return stack is None or stack.status in STARTS_OVER or stack.status.startswith("DELETE_")

    # --- source and images

    def source(self) -> Iterator[Action]:
        """Yield the actions for branches, images, and their pipelines and builds."""
        state, names = self.state, self.names
        if "main" not in state.branches:
            yield Action("seed-repository", names.repository, "create its first commit and the branches")
        for image in self.target.images:
            tip = state.branches.get(image.branch)
            if image in self.commits:
                yield Action(
                    "commit", image.branch, f"commit the notebook's sources ({len(image.files)} files)"
                )
            elif image not in self.target.built and not self._seeded(image):
                yield Action(
                    "seed-branch", image.branch, "move it back to the first commit" if tip else "create it"
                )
            if image not in self.target.built and state.images.get(image.repository):
                count = len(set(state.images[image.repository].values()))
                yield Action(
                    "empty-registry", image.repository, f"delete its {count} image{'s' * (count > 1)}"
                )
            if image in self.builds:
                yield Action("build", image.repository, "build the image and push it")
            elif image in self.target.built and self._tagged_otherwise(image):
                yield Action(
                    "tag-latest", image.repository, "move `latest` to the image of the newest commit"
                )
            if self._builds_in_vain(image):
                yield Action("stop-executions", image.pipeline, "stop its executions")
                yield Action("stop-builds", image.project, "stop its builds")

    def _differs(self, image: Image) -> bool:
        """Return whether a branch holds anything other than the notebook's files and the README."""
        tip = self.state.branches.get(image.branch)
        return tip is None or {n: i for n, i in tip.files.items() if n != "README.md"} != image.blobs

    def _seeded(self, image: Image) -> bool:
        tip, main = self.state.branches.get(image.branch), self.state.branches.get("main")
        return bool(tip and main and tip.files == main.files)

    def _tag(self, image: Image, tag: str) -> str:
        return self.state.images.get(image.repository, {}).get(tag, "")

    def _to_build(self) -> list[Image]:
        """Return the images that are missing for the newest commit, and those built on top of them."""
        wanted: list[Image] = []
        for image in self.target.built:
            tip = self.state.branches.get(image.branch)
            if image in self.commits or wanted or tip is None or not self._tag(image, tip.commit):
                wanted.append(image)
        return wanted

    def _tagged_otherwise(self, image: Image) -> bool:
        tip = self.state.branches[image.branch]
        return self._tag(image, tip.commit) != self._tag(image, "latest")

    def _builds_in_vain(self, image: Image) -> bool:
        """Return whether a running execution builds anything other than the target."""
        tip = self.state.branches.get(image.branch)
        right = tip and image in self.target.built and image not in self.commits
        wanted = (tip.revision or tip.commit) if tip and right else ""
        return any(
            one.under_way and wanted not in one.revisions
            for one in self.state.executions.get(image.pipeline, ())
        )

    # --- training and release

    def release(self) -> Iterator[Action]:
        """Yield the actions for the training pipeline, DEV, PRD, and the objects under `training/`."""
        state, names, target = self.state, self.names, self.target
        executions = state.executions.get(names.train_pipeline, ())
        if any(one.under_way and one.id != self.job for one in executions):
            yield Action("stop-executions", names.train_pipeline, "stop its executions")
        for one in state.resources:
            own = one.kind == "training-job" and not one.id.startswith(f"{names.sdk}-")
            if own and one.billable and not (self.job and one.id.endswith(self.job)):
                yield Action("stop-training", one.id, "stop it")
        yield from self._beside()
        for stack, endpoint, wanted in (
            (names.dev_stack, names.dev_endpoint, target.trained),
            (names.prd_stack, names.prd_endpoint, target.released),
        ):
            if self._is_there(stack, endpoint):
                yield from self._deployment(stack, endpoint, wanted)
        yield from self._objects()
        if target.trained and not self.job:
            yield Action("train", names.train_pipeline, "upload data and training job, train, deploy to DEV")
        elif target.trained and not self._trained():
            yield Action("follow-training", names.train_pipeline, "follow the running execution")
        if target.released and not self._released():
            yield Action("release", names.train_pipeline, "approve, deploy to PRD")
        elif target.released and not state.scaling_as_declared:
            yield Action("scaling", names.prd_endpoint, "set its scaling as in the template")

    def _objects(self) -> Iterator[Action]:
        """Yield the deletions of objects that the target has not made."""
        state, target = self.state, self.target
        if state.drill:
            yield Action("end-drill", state.bucket, f"put back what the drill {state.drill} has changed")
        if not target.trained and state.objects:
            yield Action(
                "forget-training",
                state.bucket,
                f"delete the objects under training/ ({len(state.objects)}), "
                "and the versions in the model registry",
            )
        elif state.labeled:
            title = f"delete the objects under {keys.LABELED} ({len(state.labeled)})"
            yield Action("forget-labeled", state.bucket, title)
        if not target.trained and state.drill_objects:
            title = f"delete the objects under drills/ ({state.drill_objects})"
            yield Action("forget-drills", state.bucket, title)
        if not target.released and state.monitoring_objects:
            title = f"delete the objects under monitoring/ ({state.monitoring_objects})"
            yield Action("forget-monitoring", state.bucket, title)

    def _beside(self) -> Iterator[Action]:
        """Yield what notebooks have left that make things without a stack."""
        state, names = self.state, self.names
        if left := len(of_sdk_lesson(state)) + state.sdk_objects:
            yield Action("remove-sdk", names.sdk, f"delete what notebook 03a has left ({left})")
        if left := len(of_release_lesson(state)):
            yield Action("remove-safe", names.safe("*"), f"delete what notebook 06 has left ({left})")

    def _deployment(self, stack: str, endpoint: str, wanted: bool) -> Iterator[Action]:
        """Yield what a deployment needs before a release; what serves is not deleted for a rollback."""
        found, config = self.state.stacks.get(stack), self._other_config(stack, endpoint)
        lost = config and not self.state.has("endpoint-config", config)
        if lost and wanted and endpoint == self.names.prd_endpoint:
            yield Action(
                "leave",
                stack,
                f"the endpoint still serves {config}, because the next release was rolled back, but that "
                "configuration was deleted, and SageMaker refuses to update an endpoint without it. Nothing "
                f"is changed: if nobody needs what it serves, delete the stack {stack}, then reset again",
            )
        elif wanted and self._serves(stack, endpoint) and not lost:
            return
        elif wanted and found and self._serving(endpoint) and found.status in _BETWEEN:
            yield Action("wait", stack, f"wait until it is no longer {found.status}; the endpoint serves")
        elif wanted and found and self._serving(endpoint) and found.status in _STUCK:
            yield Action("roll-back", stack, f"{found.status}: roll it back; the endpoint serves")
        else:
            yield Action("delete-release", stack, f"delete it ({self._how(stack, endpoint)})")

    def _right_execution(self) -> str:
        """Return the newest execution if it trains the right model with the right image, else ""."""
        state, target = self.state, self.target
        executions = state.executions.get(self.names.train_pipeline, ())
        if not target.trained or not executions or self.builds:
            return ""
        newest, model = executions[0], target.images[1]
        image = state.job_images.get(newest.id, "")
        right = (
            newest.status in ({"InProgress", "Succeeded"} if target.released else {"InProgress"})
            and state.job_version in newest.revisions
            and dict(state.job) == target.training_job(state.bucket, state.region)
            and not state.labeled
            and state.objects.get(keys.DATA) == hashlib.md5(target.data, usedforsecurity=False).hexdigest()
            and (not image or image.endswith(f"@{self._tag(model, 'latest')}"))
        )
        return newest.id if right else ""

    def _newest(self) -> Execution:
        return self.state.executions[self.names.train_pipeline][0]

    def _trained(self) -> bool:
        """Return whether the right execution has started to deploy DEV."""
        stages = (DEPLOY_DEV, TEST_DEV, HUMAN_APPROVAL, DEPLOY_PRD)
        return bool(self.job) and self.job in {self.state.stages.get(one, ("", ""))[0] for one in stages}

    def _released(self) -> bool:
        names = self.names
        return (
            self._trained()
            and self._newest().status == "Succeeded"
            and all(
                self._serves(stack, endpoint) and self.state.endpoints[endpoint][1].endswith(self.job)
                for stack, endpoint in (
                    (names.dev_stack, names.dev_endpoint),
                    (names.prd_stack, names.prd_endpoint),
                )
            )
        )

    def _is_there(self, stack: str, endpoint: str) -> bool:
        """Return whether any part of a deployment exists, with or without its stack."""
        return stack in self.state.stacks or any(
            one.id.startswith(f"{endpoint}-") or one.id == endpoint or f"/{endpoint}/" in one.id
            for one in self.state.resources
            if one.kind in {"endpoint", "endpoint-config", "scalable-target", "alarm"}
        )

    def _serves(self, stack: str, endpoint: str) -> bool:
        """Return whether a deployment is complete and in service, or the right execution is deploying it."""
        found = self.state.stacks.get(stack)
        if found and found.status in _ON_THEIR_WAY:
            return bool(self.job)
        whole = bool(found and found.good) and self._serving(endpoint)
        scales = self.state.has("scalable-target", f"endpoint/{endpoint}/variant/AllTraffic")
        return whole and (scales or endpoint != self.names.prd_endpoint)

    def _serving(self, endpoint: str) -> bool:
        return self.state.endpoints.get(endpoint, ("", ""))[0] in SERVES

    def _other_config(self, stack: str, endpoint: str) -> str:
        """Return what an endpoint serves if its stack has deployed something else; otherwise "".

        SageMaker has rolled the release back, and whoever deployed it took InService for success.
        """
        found, config = self.state.stacks.get(stack), self.state.endpoints.get(endpoint, ("", ""))[1]
        settled = found and found.good and self._serving(endpoint)
        return (
            config if settled and found and found.outputs.get("EndpointConfigName", config) != config else ""
        )

    def _how(self, stack: str, endpoint: str) -> str:
        found = self.state.stacks.get(stack)
        serves = self.state.endpoints.get(endpoint, ("", ""))[0]
        return f"{_why(found)}, endpoint {serves}" if serves else _why(found)


_BETWEEN = {
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}
_STUCK = {"UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"}
_ON_THEIR_WAY = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}


def _why(stack: Stack | None) -> str:
    if stack is None:
        return "there is no stack"
    if stack.missing:
        return f"{stack.status}, deleted by hand: {', '.join(stack.missing)}"
    return stack.status
