"""The end of a training job's log: a FailureReason alone rarely says which line of a program failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Log group of every training job; a stream's name begins with the job's (SageMaker Developer Guide,
"CloudWatch Logs for Amazon SageMaker AI")."""
LINES = 20


def last_lines(logs: CloudWatchLogsClient, job: str) -> tuple[str, ...]:
    """Return the last lines that the job logged, oldest first; none if it has no log or it cannot be read."""
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
        lines: list[str] = []
        for stream in streams["logStreams"][:1]:
            events = logs.get_log_events(
                logGroupName=LOG_GROUP,
                logStreamName=stream["logStreamName"],
                limit=LINES,
                startFromHead=False,
            )
            lines += [event["message"].rstrip() for event in events["events"]]
    except ClientError as error:  # the reason for a rejection must not get lost with its log
        logger.warning("the log of %s cannot be read: %s", job, error)
        return ()
    return tuple(line for line in lines if any(map(str.isalnum, line)))  # not what underlines another one
