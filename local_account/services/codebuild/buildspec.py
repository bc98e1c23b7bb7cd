"""Buildspec 0.2, as documented in "Build specification reference for CodeBuild".

Differs from AWS: `CODEBUILD_BUILD_SUCCEEDING` is 0 as soon as a command has failed, so in the `finally` of
its phase, too. AWS does not say.

Differs from AWS: a variable without text (`A:`, `A: null`) is refused. AWS does not say what it means.

Differs from AWS: nothing is cached between builds; the log says so.

Refuses: version 0.1, `env/parameter-store`, `env/secrets-manager`, `run-as`, `proxy`, `batch`, `reports`,
shells other than bash and sh, and `runtime-versions` other than Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from local_account.foundation.errors import pointed

PHASES = ("install", "pre_build", "build", "post_build")
SHELLS = {"sh": "sh", "/bin/sh": "sh", "bash": "bash", "/bin/bash": "bash"}
_ON_FAILURE = re.compile(r"(ABORT|CONTINUE|RETRY)(?:-(\d{1,3}))?(?:-(.+))?")
_DEFAULT_RETRIES = 3

# A part that AWS would act on and the local account would not fails the build, with its name. The cache only
# saves time: a build without it does the same work.
_TOP_LEVEL = {"version", "env", "phases", "artifacts", "cache"}
_UNSUPPORTED = {"run-as", "proxy", "batch", "reports"}
_FROM_ELSEWHERE = ("parameter-store", "secrets-manager")
_ENV = {"shell", "variables", "exported-variables", "git-credential-helper", *_FROM_ELSEWHERE}
_PHASE = {"commands", "finally", "on-failure", "run-as"}
_ARTIFACT = {
    *("files", "name", "discard-paths", "base-directory", "exclude-paths", "enable-symlinks", "s3-prefix"),
    "secondary-artifacts",
}


class _Loader(yaml.BaseLoader):
    """Makes strings, lists and dictionaries, and None of what is null (YAML 1.1, type "null")."""


def _scalar_or_null(loader: _Loader, node: yaml.ScalarNode) -> str | None:
    plain = node.style is None
    return None if plain and node.value in _NULLS else str(loader.construct_scalar(node))


_NULLS = {"", "~", "null", "Null", "NULL"}
_Loader.add_constructor("tag:yaml.org,2002:str", _scalar_or_null)


class BuildspecError(Exception):
    """The buildspec is invalid, or asks for what the local account does not support (``YAML_FILE_ERROR``)."""

    def __init__(self, message: str) -> None:
        super().__init__(pointed(message, "codebuild"))


@dataclass(frozen=True)
class OnFailure:
    """What a phase's ``on-failure`` asks for; ``retries`` and ``pattern`` belong to ``RETRY``."""

    action: str
    retries: int = _DEFAULT_RETRIES
    pattern: str = ".*"


@dataclass(frozen=True)
class Phase:
    """Commands of one phase, each a piece of shell."""

    commands: tuple[str, ...]
    final: tuple[str, ...] = ()
    on_failure: OnFailure | None = None
    runtimes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ArtifactSpec:
    """Which files make up an artifact; globs are relative to ``base_directory``."""

    files: tuple[str, ...]
    base_directory: str = "."
    discard_paths: bool = False
    exclude: tuple[str, ...] = ()
    name: str | None = None
    links: bool = False
    """Whether a ZIP keeps symbolic links."""
    s3_prefix: str = ""
    """What the key begins with, before the build's id, if the namespace type is BUILD_ID."""

    def expanded(self, evaluate: Callable[[str], str]) -> ArtifactSpec:
        """Return the artifact with the values of the variables in its paths (`$CODEBUILD_SRC_DIR_other`)."""

        def value(path: str) -> str:
            return evaluate(path) if "$" in path else path

        return replace(
            self,
            files=tuple(map(value, self.files)),
            base_directory=value(self.base_directory),
            exclude=tuple(map(value, self.exclude)),
            s3_prefix=value(self.s3_prefix),
        )


@dataclass(frozen=True)
class Buildspec:
    """A complete buildspec."""

    phases: Mapping[str, Phase]
    shell: str = "sh"
    """``sh``, which is another program in each image, or ``bash``."""
    variables: Mapping[str, str] | None = None
    exported: tuple[str, ...] = ()
    artifacts: ArtifactSpec | None = None
    secondary_artifacts: Mapping[str, ArtifactSpec] | None = None
    notes: tuple[str, ...] = ()
    """Lines for the build's log about parts that are accepted without effect."""


def is_inline(buildspec: str) -> bool:
    """Return whether a buildspec is given inline, and not as a path or S3 ARN."""
    return "\n" in buildspec or re.match(r"\s*(version\s*:|\{)", buildspec) is not None


def parse(text: str) -> Buildspec:
    """Parse a buildspec.

    Raises BuildspecError with the reason, naming the key if there is one.
    """
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a BaseLoader
    except yaml.YAMLError as error:
        raise BuildspecError(" ".join(str(error).split())) from error
    document = _mapping(document, "the buildspec")
    _refuse(document)
    version = document.get("version")
    if version != "0.2":
        raise BuildspecError(
            f"version must be 0.2, not {version!r}; 0.1 is not supported by the local account"
        )
    if "phases" not in document:
        raise BuildspecError("phases is missing: a buildspec needs at least one phase")
    env = _mapping(document.get("env") or {}, "env")
    for source in _FROM_ELSEWHERE:
        if env.get(source):
            raise BuildspecError(f"env/{source} is not supported by the local account: use env/variables")
    artifacts = _mapping(document.get("artifacts") or {}, "artifacts")
    secondary = _mapping(artifacts.get("secondary-artifacts") or {}, "artifacts/secondary-artifacts")
    uncached = pointed("cache: the local account keeps no cache between builds", "codebuild")
    return Buildspec(
        phases=_phases(_mapping(document["phases"], "phases")),
        shell=_shell(env.get("shell") or "sh"),
        variables={
            k: _scalar(v, f"env/variables/{k}")
            for k, v in _mapping(env.get("variables") or {}, "env/variables").items()
        },
        exported=_strings(env.get("exported-variables") or [], "env/exported-variables"),
        # AWS's own samples with several outputs have secondary artifacts only.
        artifacts=_artifact(artifacts, "artifacts") if artifacts.keys() - {"secondary-artifacts"} else None,
        secondary_artifacts={
            identifier: _artifact(
                _mapping(spec, f"artifacts/secondary-artifacts/{identifier}"),
                f"artifacts/secondary-artifacts/{identifier}",
            )
            for identifier, spec in secondary.items()
        },
        notes=(*_unidentified(document), *([uncached] if document.get("cache") else [])),
    )


def _refuse(document: Mapping[str, Any]) -> None:
    for name in sorted(_UNSUPPORTED & document.keys()):
        raise BuildspecError(f"{name} is not supported by the local account: remove it from the buildspec")


def _unidentified(document: Mapping[str, Any]) -> list[str]:
    """Return what the log says of keys that CodeBuild does not know: it builds without them."""
    artifacts = document.get("artifacts") or {}
    sections: list[tuple[str, Any, set[str]]] = [
        ("buildspec", document, _TOP_LEVEL | _UNSUPPORTED),
        ("env", document.get("env"), _ENV),
        *(
            (name.upper(), phase, _PHASE | ({"runtime-versions"} if name == "install" else set()))
            for name, phase in document["phases"].items()
        ),
        ("artifacts", artifacts, _ARTIFACT),
        *(
            ("secondary-artifacts", one, _ARTIFACT)
            for one in (artifacts.get("secondary-artifacts") or {}).values()
        ),
    ]
    lines = []
    for section, content, keys in sections:
        if unknown := [key for key in content or {} if key not in keys]:
            lines += [f"In the section {section}", "    The following keys cannot be identified:"]
            lines += [f"        {key}" for key in unknown]
    return ["Found possible syntax errors in buildspec: ", *lines] if lines else []


def _shell(tag: str) -> str:
    if tag not in SHELLS:
        raise BuildspecError(f"env/shell {tag!r} is not supported by the local account: use bash or sh")
    return SHELLS[tag]


def _phases(document: Mapping[str, Any]) -> dict[str, Phase]:
    if unknown := sorted(document.keys() - set(PHASES)):
        raise BuildspecError(f"unknown phase {unknown[0]!r}: expected one of {', '.join(PHASES)}")
    return {
        name: _phase(name, _mapping(document[name], f"phases/{name}"))
        for name in PHASES
        if document.get(name)
    }


def _phase(name: str, document: Mapping[str, Any]) -> Phase:
    where = f"phases/{name}"
    if "run-as" in document:
        raise BuildspecError(f"{where}/run-as is not supported by the local account: remove it")
    runtimes = _mapping(document.get("runtime-versions") or {}, f"{where}/runtime-versions")
    if not document.get("commands") and name != "install":
        raise BuildspecError(f"{where}/commands is missing: a phase needs at least one command")
    return Phase(
        commands=_strings(document.get("commands") or [], f"{where}/commands"),
        final=_strings(document.get("finally") or [], f"{where}/finally"),
        on_failure=_on_failure(document["on-failure"], where) if document.get("on-failure") else None,
        runtimes={k: _scalar(v, f"{where}/runtime-versions/{k}") for k, v in runtimes.items()},
    )


def _on_failure(value: object, where: str) -> OnFailure:
    match = _ON_FAILURE.fullmatch(str(value))
    if not match or (match[1] != "RETRY" and (match[2] or match[3])):
        raise BuildspecError(
            f"{where}/on-failure {value!r} is not ABORT, CONTINUE, RETRY, RETRY-count, RETRY-regex "
            "or RETRY-count-regex"
        )
    retries = int(match[2]) if match[2] else _DEFAULT_RETRIES
    if retries > 100:
        raise BuildspecError(f"{where}/on-failure asks for {retries} retries: at most 100 are allowed")
    try:
        re.compile(match[3] or ".*")
    except re.error as error:
        raise BuildspecError(f"{where}/on-failure has an invalid regular expression: {error}") from error
    return OnFailure(match[1], retries, match[3] or ".*")


def _artifact(document: Mapping[str, Any], where: str) -> ArtifactSpec:
    files = _strings(document.get("files") or [], f"{where}/files")
    if not files:
        raise BuildspecError(f"{where}/files is missing: say which files the artifact is made of")
    return ArtifactSpec(
        files=files,
        base_directory=_scalar(document.get("base-directory") or ".", f"{where}/base-directory"),
        discard_paths=_yes(document, "discard-paths"),
        exclude=_strings(document.get("exclude-paths") or [], f"{where}/exclude-paths"),
        name=_scalar(document["name"], f"{where}/name") if document.get("name") else None,
        links=_yes(document, "enable-symlinks"),
        s3_prefix=_scalar(document.get("s3-prefix") or "", f"{where}/s3-prefix"),
    )


def _yes(document: Mapping[str, Any], key: str) -> bool:
    return str(document.get(key, "no")).lower() in ("yes", "true")


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BuildspecError(f"{where} must be a mapping of keys to values")
    return value


def _strings(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise BuildspecError(f"{where} must be a list of strings")
    return tuple(_scalar(item, f"{where}[{index}]") for index, item in enumerate(value))


def _scalar(value: object, where: str) -> str:
    if value is None:
        raise BuildspecError(
            f"{where} is null, and AWS does not document what that means: put quotes around the text, "
            "or '' for none"
        )
    if not isinstance(value, str):
        raise BuildspecError(
            f"Expected {where} to be of string type: found subkeys instead; "
            "put quotes around text that contains ': '"
        )
    return value
