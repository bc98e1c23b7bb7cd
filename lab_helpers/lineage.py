"""What stands behind a prediction: from an endpoint's name to commit, data, image, job and approver.

Contract: SageMaker DescribeEndpoint, DescribeEndpointConfig, DescribeModel; and the model registry.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from lab_helpers import registry
from lab_helpers.endpoints import EndpointError, release
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.registry import Version

UNKNOWN = "not recorded"


class LineageError(WorkshopError, LookupError):
    """Nothing can be said about the endpoint; the message says why."""


@dataclass(frozen=True)
class Step:
    """One thing that a prediction depends on, such as the commit."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True, repr=False)
class Lineage:
    """The steps from data and source to the endpoint; shown as a graph in a notebook, as lines elsewhere."""

    endpoint: str
    model: str
    version: Version | None
    steps: tuple[Step, ...]

    @property
    def execution_id(self) -> str:
        """The execution that trained what serves; empty if the registry does not know the model."""
        return self.version.execution_id if self.version else ""

    def __repr__(self) -> str:
        width = max(len(step.name) for step in self.steps)
        return "\n".join(f"{s.name:<{width}}  {s.value}  {s.detail}".rstrip() for s in self.steps)

    def _repr_html_(self) -> str:
        """An ordered list that looks like a graph: screen readers read it in order, and themes color it."""
        box = (
            "border:1px solid currentColor;border-radius:6px;padding:.3em .8em;margin:0;list-style:none;"
            "max-width:44em;overflow-wrap:anywhere"
        )
        items = f'<li aria-hidden="true" style="{_ARROW}">↓</li>'.join(
            f'<li style="{box}"><b>{html.escape(s.name)}</b> '
            f"<code>{html.escape(s.value)}</code>"
            + (f"<br>{html.escape(s.detail)}" if s.detail else "")
            + "</li>"
            for s in self.steps
        )
        label = f"What stands behind the predictions of {html.escape(self.endpoint)}"
        return f'<ol aria-label="{label}" style="margin:0;padding:0">{items}</ol>'


_ARROW = "list-style:none;margin:0 0 0 1.5em;line-height:1.4"


def of(lab: Lab, endpoint: str) -> Lineage:
    """Return what stands behind the predictions of an endpoint.

    Raises LineageError if there is no such endpoint.
    """
    try:
        serving = release(lab, endpoint)
    except EndpointError as error:
        raise LineageError(str(error)) from error
    found = [one for one in registry.versions(lab) if one.model_data == serving.model_data]
    version = found[0] if found else None
    return Lineage(
        endpoint,
        serving.model,
        version,
        tuple(_steps(version, serving.image, serving.model, endpoint)),
    )


def _steps(version: Version | None, image: str, model: str, endpoint: str) -> list[Step]:
    known = version.properties if version else {}
    parameters = ", ".join(
        f"{name.removeprefix('parameter ')}={value}"
        for name, value in known.items()
        if name.startswith("parameter ")
    )
    return [
        Step(
            "data",
            known.get("data", UNKNOWN),
            f"version {known.get('data-version', UNKNOWN)}, digest {known.get('data-digest', UNKNOWN)[:12]}",
        ),
        Step("commit", known.get("commit", UNKNOWN), "of the image's source"),
        Step("image", image),
        Step("source zip", known.get("source-zip-version", UNKNOWN), "its version in S3"),
        Step("training job", known.get("training-job", UNKNOWN), parameters),
        Step(
            "execution",
            known.get("execution", UNKNOWN),
            f"started by {known['trigger']}" if "trigger" in known else "",
        ),
        Step(
            "version",
            str(version.number) if version else "not in the model registry",
            f"{version.status}: {version.decision or 'not decided yet'}" if version else "",
        ),
        Step("model", model),
        Step("endpoint", endpoint),
    ]
