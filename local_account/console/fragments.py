"""Which page the fragment of an address stands for.

A browser keeps what is after `#` for itself, so the pages where AWS's consoles begin have a script that asks
for the page of their fragment; without scripts they are lists with links.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from local_account.console import links

_Found = re.Match[str]


def page_of(service: str, fragment: str) -> str | None:
    """Return the address of the page for a fragment of a service's console; None if there is none.

    ``service`` is the first part of the path of AWS's console, ``fragment`` is without `#`.
    """
    for known, pattern, page in _PAGES:
        if known == service and (found := re.fullmatch(pattern, fragment)):
            return page(found)
    return None


def _name(page: Callable[[str], str]) -> Callable[[_Found], str]:
    return lambda found: page(unquote(found[1]))


def _stack(found: _Found) -> str:
    names = parse_qs(found[1]).get("stackId", [])
    return links.stack(names[0]) if names else links.stacks()


def _log_group(found: _Found) -> str:
    return links.log_group(_plain(found[1]))


def _log_stream(found: _Found) -> str:
    return links.log_stream(_plain(found[1]), _plain(found[2]))


def _older_log(found: _Found) -> str:
    group, stream = unquote(found[1]), unquote(found[2] or "")
    return links.log_stream(group, stream) if stream else links.log_group(group)


def _plain(text: str) -> str:
    """Return a name that CloudWatch's console has percent-encoded twice, with `$` for the outer `%`."""
    return unquote(unquote(text.replace("$", "%")))


_REST = r"(?:[/?;].*)?"
_PAGES: tuple[tuple[str, str, Callable[[_Found], str]], ...] = (
    ("sagemaker", rf"/jobs/([^/?]+){_REST}", _name(links.training_job)),
    ("sagemaker", rf"/hyper-tuning-jobs/([^/?]+){_REST}", _name(links.tuning_job)),
    ("sagemaker", rf"/transform-jobs/([^/?]+){_REST}", _name(links.transform_job)),
    ("sagemaker", rf"/processing-jobs/([^/?]+){_REST}", _name(links.processing_job)),
    ("sagemaker", r"/processing-jobs/?", lambda _: links.processing_jobs()),
    ("sagemaker", r"/hyper-tuning-jobs/?", lambda _: links.tuning_jobs()),
    ("sagemaker", r"/transform-jobs/?", lambda _: links.transform_jobs()),
    ("sagemaker", rf"/endpoints/([^/?]+){_REST}", _name(links.endpoint)),
    ("sagemaker", rf"/notebook-instances/(?:openNotebook/)?([^/?]+){_REST}", _name(links.notebook_instance)),
    ("sagemaker", r"/jobs/?", lambda _: links.training_jobs()),
    ("sagemaker", r"/endpoints/?", lambda _: links.endpoints()),
    ("sagemaker", r"/notebook-instances/?", lambda _: links.notebook_instances()),
    ("cloudformation", r"/stacks?/(?:[a-z]+)\?(.*)", _stack),
    ("cloudformation", r"/stacks.*", lambda _: links.stacks()),
    ("lambda", rf"/functions/([^/?]+){_REST}", _name(links.function)),
    ("lambda", r"/functions.*", lambda _: links.functions()),
    ("cloudwatch", r"logsV2:log-groups/log-group/([^/]+)/log-events/([^/?]+)", _log_stream),
    ("cloudwatch", r"logsV2:log-groups/log-group/([^/]+).*", _log_group),
    ("cloudwatch", r"logsV2:log-groups.*", lambda _: links.log_groups()),
    ("cloudwatch", r"(?:logEvent|logEventViewer|logStream):group=([^;]+)(?:;stream=([^;]+))?.*", _older_log),
    ("cloudwatch", rf"alarmsV2:alarm/([^/?]+){_REST}", _name(links.alarm)),
    ("cloudwatch", r"alarmsV2:.*", lambda _: links.alarms()),
    ("events", rf"/eventbus/default/rules/([^/?]+){_REST}", _name(links.rule)),
    ("events", r"/.*", lambda _: links.rules()),
    ("iam", rf"/roles/(?:details/)?([^/?]+){_REST}", _name(links.role)),
    ("iam", r"/policies/(?:details/)?(arn[^?$]+).*", _name(links.policy)),
    ("iam", r"/roles.*", lambda _: links.roles()),
    ("codebuild", rf"/builds/([^/]+){_REST}", _name(links.build)),
    ("codebuild", rf"/projects/([^/]+){_REST}", _name(links.project)),
    ("codepipeline", rf"/view/([^/]+){_REST}", _name(links.pipeline)),
    (
        "codecommit",
        rf"/repository/([^/]+)/commit/([^/?]+){_REST}",
        lambda found: links.commit(unquote(found[1]), found[2]),
    ),
    ("codecommit", rf"/repository/([^/]+){_REST}", _name(links.browse)),
)
