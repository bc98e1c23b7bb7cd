"""Build projects and builds: phases, environment and the log, which grows while the build runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links, log_pages
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient

_SECTION = "Builds"
_SHOWN = 20


def listing(visit: Visit, account: str = "") -> Answer:
    """All build projects, and the newest builds."""
    client: CodeBuildClient = visit.client("codebuild")
    projects = [one for page in client.get_paginator("list_projects").paginate() for one in page["projects"]]
    ids = client.list_builds(sortOrder="DESCENDING")["ids"][:_SHOWN]
    builds = client.batch_get_builds(ids=ids)["builds"] if ids else []
    values = {"projects": sorted(projects), "builds": builds}
    live = int(any(one["buildStatus"] == "IN_PROGRESS" for one in builds))
    return Page("projects.html", _SECTION, _SECTION, values, live=live, service="codebuild")


def project(visit: Visit, name: str, tab: str = "history", account: str = "") -> Answer:
    """A build project, and the history of its builds."""
    client: CodeBuildClient = visit.client("codebuild")
    found = client.batch_get_projects(names=[name])["projects"]
    if not found:
        raise NotFoundError(f"There is no build project {name}.")
    ids = client.list_builds_for_project(projectName=name, sortOrder="DESCENDING")["ids"][:_SHOWN]
    builds = client.batch_get_builds(ids=ids)["builds"] if ids else []
    live = int(any(one["buildStatus"] == "IN_PROGRESS" for one in builds))
    return Page("project.html", name, _SECTION, {"project": found[0], "builds": builds}, _crumbs(), live=live)


def build(visit: Visit, name: str, build_id: str, tab: str = "phase", account: str = "") -> Answer:
    """A build: its phases, log, environment and artifacts."""
    client: CodeBuildClient = visit.client("codebuild")
    whole = build_id if ":" in build_id else f"{name}:{build_id}"
    found = client.batch_get_builds(ids=[whole])["builds"]
    if not found:
        raise NotFoundError(f"There is no build {whole}.")
    one = found[0]
    where = one.get("logs", {})
    group, stream = where.get("groupName", ""), where.get("streamName", "")
    part = log_pages.read(visit, group, stream) if group and stream else log_pages.NOTHING
    values = {"build": one, "group": group, "stream": stream, "log_part": part}
    crumbs = (*_crumbs(), (name, links.project(name)))
    return Page(
        "build.html",
        f"Build {whole}",
        _SECTION,
        values,
        crumbs,
        live=int(one["buildStatus"] == "IN_PROGRESS"),
    )


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.projects()),)


_BELOW: Mapping[str, Render] = {
    "/projects": listing,
    "/projects/<name>": project,
    "/projects/<name>/<tab>": project,
    "/projects/<name>/build/<build_id>": build,
    "/projects/<name>/build/<build_id>/<tab>": build,
}
PAGES: Mapping[str, Render] = {
    "/codebuild/home": listing,
    "/codesuite/codebuild/home": listing,
    **{f"/codesuite/codebuild{path}": page for path, page in _BELOW.items()},
    **{f"/codesuite/codebuild/<account>{path}": page for path, page in _BELOW.items()},
}
