"""A word of the field is explained in notebook 00, or in the lesson that uses it first."""

from __future__ import annotations

import re

import pytest

from lab_helpers.exercises import cells
from tests.notebooks import sources

SERVICES = (
    "Application Auto Scaling",
    "CloudFormation",
    "CloudWatch",
    "CodeBuild",
    "CodeCommit",
    "CodePipeline",
    "ECR",
    "EventBridge",
    "IAM",
    "Lambda",
    "S3",
    "SageMaker",
)
TERMS = (
    "accuracy",
    "alarm",
    "approval",
    "artifact",
    "autoscaling",
    "baseline",
    "batch transform",
    "bucket",
    "buildspec",
    "channel",
    "confusion matrix",
    "container",
    "digest",
    "drift",
    "endpoint",
    "endpoint configuration",
    "event",
    "event loop",
    "execution",
    "function",
    "hyperparameter",
    "image",
    "launcher",
    "log",
    "manifest",
    "metric",
    "monitor",
    "notebook instance",
    "percentile",
    "pipeline",
    "prefix",
    "quality gate",
    "recall",
    "registry",
    "repository",
    "role",
    "serializer",
    "session",
    "rollback",
    "smoke test",
    "stack",
    "tag",
    "target-tracking policy",
    "template",
    "throughput",
    "training job",
    "transform job",
    "tuning job",
    "version id",
    "waiter",
    "working copy",
)
EMPHASIS = re.compile(r"\*\*([^*]+)\*\*|(?<![*\w])\*(?! )([^*]+)\*(?!\*)")
ELSEWHERE = {
    "artifact": "what a pipeline's stages hand on; only CodePipeline's keys in S3 show the word",
    "throughput": "requests per second, as the column beside it says",
}
"""Words that a table or a picture explains where they stand."""


def first_use(word: str) -> str | None:
    """Return the lesson that uses a word first, as text; None if none does."""
    for lesson in sources.LESSONS[1:]:
        text = " ".join(" ".join(c["source"].split()) for c in cells(lesson, "markdown"))
        if re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE):
            return text
    return None


def vocabulary() -> str:
    """Return the first column of notebook 00's table, and what its cells set in italics."""
    [table] = [c["source"] for c in cells(sources.NOTEBOOKS[0], "markdown") if c["id"] == "00-words"]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| **")]
    italics = [word for row in rows for word in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", row[2])]
    return " | ".join([row[1] for row in rows] + italics).lower()


@pytest.mark.parametrize("word", [*SERVICES, *TERMS])
def test_a_word_is_explained_before_or_where_a_learner_meets_it(word: str) -> None:
    known = re.search(rf"\b{re.escape(word.lower())}\b", vocabulary())
    if known or word in ELSEWHERE:
        return
    text = first_use(word)
    if text is None:
        return
    emphasized = " | ".join(bold + italic for bold, italic in EMPHASIS.findall(re.sub("`[^`]*`", "", text)))
    assert re.search(rf"\b{re.escape(word)}s?\b", emphasized, re.IGNORECASE), (
        f"explain {word!r} in notebook 00, or set it in italics where it is explained"
    )
