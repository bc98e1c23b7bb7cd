"""What a running action of a pipeline is doing now: phase, newest lines of its log, where to see more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import builds, causes, console, training
from lab_helpers.live import LOG_LINES, newest
from lab_helpers.names import TRAIN_APPROVAL

if TYPE_CHECKING:
    from lab_helpers.executions import Action, Execution
    from lab_helpers.lab import Lab

FIRST_SECONDS, LONGEST_SECONDS = 1.5, 10.0
"""An action is asked for details when it has run that long, and after each answer within that long."""
READ_LINES = 4 * LOG_LINES
"""Lines of a log that are read: some say nothing."""


@dataclass(frozen=True)
class Detail:
    """What an action is doing; `link` is the label and the address of its page in the console."""

    text: str = ""
    log: tuple[str, ...] = ()
    link: tuple[str, str] | None = None


def read(lab: Lab, execution: Execution, action: Action) -> Detail:
    """Ask the service that does an action's work (CodeBuild, SageMaker, CloudFormation)."""
    reader = _READERS.get(action.provider)
    return reader(lab, execution, action) if reader else Detail(action.waits_for)


def _build(lab: Lab, _execution: Execution, action: Action) -> Detail:
    if not action.external_id:
        return Detail()
    build = builds.describe(lab, action.external_id)
    page = console.of(lab.client("codebuild")).build_log(build.id)
    return Detail(
        f"phase {build.phase}" if build.phase else "",
        newest(line for line in builds.log_lines(lab, build, READ_LINES) if not causes.NOISE.search(line)),
        ("log of the build in the console", page),
    )


def _approval(lab: Lab, execution: Execution, action: Action) -> Detail:
    text, job = action.waits_for, execution.variables("Train").get("TrainingJobName", "")
    if action.stage != TRAIN_APPROVAL or not job:
        return Detail(text)
    state = training.state(lab, job)
    page = console.of(lab.client("sagemaker")).training_job(job)
    return Detail(
        f"{text} ({state})" if state else text,
        newest(training.log_lines(lab, job, READ_LINES)),
        ("training job in the console", page),
    )


def _stack(lab: Lab, _execution: Execution, action: Action) -> Detail:
    if ":stack/" not in action.external_id:  # in some action modes this is a change set's id
        return Detail()
    cloudformation = lab.client("cloudformation")
    event = cloudformation.describe_stack_events(StackName=action.external_id)["StackEvents"][0]
    page = console.of(cloudformation).stack(action.external_id)
    doing = f"{event['LogicalResourceId']} {event.get('ResourceStatus', '')}".rstrip()
    return Detail(doing, (), ("stack in the console", page))


_READERS: Mapping[str, Callable[[Lab, Execution, Action], Detail]] = {
    "CodeBuild": _build,
    "Manual": _approval,
    "CloudFormation": _stack,
}


class Details:
    """The newest details of the running action; asks rarely, and never fails what only watches.

    Each question costs up to three calls. Within CloudWatch Logs' quota of GetLogEvents (25 a second for an
    account and region), a class of 40 can watch its builds at the same time.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._of = ""
        self._next = 0.0
        self._known = Detail()

    def of(self, execution: Execution, action: Action, seconds: float) -> Detail:
        """Return what is known of an action that has been running for `seconds`."""
        if self._of != action.stage + action.name:
            self._of, self._next = action.stage + action.name, FIRST_SECONDS
            self._known = Detail(action.waits_for)
        if seconds >= self._next:
            self._next = seconds + min(2 + seconds / 10, LONGEST_SECONDS)
            try:
                self._known = read(self._lab, execution, action)
            except (ClientError, BotoCoreError, LookupError):  # throttled, or not there yet
                self._next += LONGEST_SECONDS
        return self._known
