"""Processing jobs and batch transform jobs: what they made of which data, how they ended, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_account.console import links, log_pages
from local_account.console.visit import Answer, Page, Render, Visit

_SECTION = "Training jobs"
_ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class _Jobs:
    """The pages of one kind of job."""

    kind: str
    """The first word of its name, as in ``ProcessingJob``."""
    title: str
    address: str

    def listing(self, visit: Visit) -> Answer:
        """The newest jobs."""
        listed = getattr(visit.client("sagemaker"), f"list_{self.kind.lower()}_jobs")
        found = listed(SortBy="CreationTime", SortOrder="Descending", MaxResults=100)
        jobs = found[f"{self.kind}JobSummaries"]
        live = int(any(self._is_live(one) for one in jobs))
        return Page(
            f"{self.kind.lower()}_jobs.html", self.title, _SECTION, {"jobs": jobs}, self._crumbs(), live
        )

    def shown(self, visit: Visit, name: str) -> Answer:
        """A job."""
        described = getattr(visit.client("sagemaker"), f"describe_{self.kind.lower()}_job")
        job = described(**{f"{self.kind}JobName": name})
        group = f"/aws/sagemaker/{self.kind}Jobs"
        values = {"job": job, "logs": log_pages.newest(visit, group, f"{name}/"), "group": group}
        crumbs = (*self._crumbs(), (self.title, self.address))
        live = int(self._is_live(job))
        return Page(f"{self.kind.lower()}_job.html", name, _SECTION, values, crumbs, live)

    def _is_live(self, job: Mapping[str, Any]) -> bool:
        return job[f"{self.kind}JobStatus"] not in _ENDED

    @staticmethod
    def _crumbs() -> tuple[tuple[str, str], ...]:
        return ((_SECTION, links.training_jobs()),)


_PROCESSING = _Jobs("Processing", "Processing jobs", links.processing_jobs())
_TRANSFORM = _Jobs("Transform", "Batch transform jobs", links.transform_jobs())

PAGES: Mapping[str, Render] = {
    "/sagemaker/processing-jobs": _PROCESSING.listing,
    "/sagemaker/processing-jobs/<name>": _PROCESSING.shown,
    "/sagemaker/transform-jobs": _TRANSFORM.listing,
    "/sagemaker/transform-jobs/<name>": _TRANSFORM.shown,
}
